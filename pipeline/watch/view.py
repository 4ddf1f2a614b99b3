"""What one look at a folder has found, beside what is known of it."""

from __future__ import annotations

import os
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field

from pipeline.catalog.documents.watched_files import FileKey, FileMark, KnownFile
from pipeline.ingest.walk import path_of, source_of
from pipeline.watch.deletion_guard import below
from pipeline.watch.known_files import Files
from pipeline.watch.scan import Found, Scan, Scope

__all__ = ["View", "in_scope", "is_calm", "renumbering", "view_of", "without_sidecars"]


@dataclass
class View:
    """What one look has found: files that are there, rows of the catalog that it is about, and the open ones."""

    seen: dict[FileKey, Found] = field(default_factory=dict)
    known: dict[FileKey, KnownFile] = field(default_factory=dict)
    closed: dict[str, str] = field(default_factory=dict)
    beside: dict[FileKey, str] = field(default_factory=dict)
    opened: dict[FileKey, FileMark | None] = field(default_factory=dict)


def without_sidecars(found: Scan, suffix: str | None) -> dict[str, FileMark]:
    """Take out of what was found the metadata that lies beside files: it is no document.

    Returns:
        Its mark by the source of its file.
    """
    beside: dict[str, FileMark] = {}
    if not suffix:
        return beside
    names = {source: source.removesuffix(suffix) for source in found.files if source.endswith(suffix)}
    there = {base for base in names.values() if base in found.files}
    for source, base in names.items():
        path = found.files[source].path
        if base in there:
            beside[base] = found.files.pop(source).mark
        elif path.with_name(path.name.removesuffix(suffix)).is_file():
            del found.files[source]  # its file is left out, and so is it
    return beside


def view_of(
    found: Scan, keys: Mapping[str, FileKey], files: Files, scope: Scope | None, beside: Mapping[str, FileMark]
) -> View:
    """What a look has found, beside the rows that it tells something of.

    Args:
        found: what lies there.
        keys: the keys of these files by source.
        files: all that is known.
        scope: where was looked.
        beside: marks of the metadata that lies beside files.
    """
    view = View(closed=found.closed, seen={keys[source]: file for source, file in found.files.items()})
    view.known = {key: files[key] for key in _within(files, scope) if not below(found.closed, key[1])}
    for key, file in view.seen.items():
        if key not in files:
            # It may be one that was elsewhere, in a folder that no event has named yet.
            view.known |= {
                one: files[one]
                for one in files.with_inode(file.mark.inode)
                if one not in view.known and not os.path.lexists(path_of(one[1]))
            }
    view.beside = {keys[source]: ":".join(map(str, mark.content)) for source, mark in beside.items()}
    for key, file in view.seen.items():
        row = view.known.get(key)
        if row is None or row.beside != view.beside.get(key) or not is_calm(file.mark, row):
            # What was written last decides when both are complete.
            view.opened[key] = max((file.mark, beside.get(key[1], file.mark)), key=lambda one: one.written_at)
    view.opened |= {key: None for key, row in view.known.items() if key not in view.seen and not row.gone}
    return view


def _within(files: Files, scope: Scope | None) -> Collection[FileKey]:
    if scope is None:
        return files
    return {key for folder, deep in scope.items() for key in files.inside(source_of(folder), deep=deep)}


def renumbering(view: View) -> dict[str, str]:
    """Numbers of disks as they are known, and as they are now."""
    return {row.mark.device: view.seen[key].mark.device for key, row in view.known.items() if key in view.seen}


def is_calm(mark: FileMark, row: KnownFile) -> bool:
    """Whether a file is as it was taken in."""
    return not row.gone and row.document_id is not None and row.mark.same(mark)


def in_scope(source: str, scope: Scope | None) -> bool:
    """Whether a file lies where a look at this scope looks."""
    if scope is None:
        return True
    path = path_of(source)
    return any((deep and folder in path.parents) or folder == path.parent for folder, deep in scope.items())
