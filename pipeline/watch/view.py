"""What one look at a folder has found, beside what is known of it."""

from __future__ import annotations

import os
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from pipeline.walk import source_of
from pipeline.watch.compare import Key, Known, Mark
from pipeline.watch.guard import below
from pipeline.watch.known import Files
from pipeline.watch.scan import Found, Scan, Scope

__all__ = ["View", "in_scope", "is_calm", "renumbering", "view_of"]


@dataclass
class View:
    """What one look has found: files that are there, rows of the catalog that it is about, and the open ones."""

    seen: dict[Key, Found] = field(default_factory=dict)
    known: dict[Key, Known] = field(default_factory=dict)
    closed: dict[str, str] = field(default_factory=dict)
    opened: dict[Key, Mark | None] = field(default_factory=dict)


def view_of(found: Scan, keys: Mapping[str, Key], files: Files, scope: Scope | None) -> View:
    """What a look has found, beside the rows that it tells something of.

    Args:
        found: what lies there.
        keys: the keys of these files by source.
        files: all that is known.
        scope: where was looked.
    """
    view = View(closed=found.closed, seen={keys[source]: file for source, file in found.files.items()})
    view.known = {key: files[key] for key in _within(files, scope) if not below(found.closed, key[1])}
    for key, file in view.seen.items():
        if key not in files:
            # It may be one that was elsewhere, in a folder that no event has named yet.
            view.known |= {
                one: files[one]
                for one in files.with_inode(file.mark.inode)
                if one not in view.known and not os.path.lexists(os.fsencode(one[1]))
            }
    view.opened = {key: file.mark for key, file in view.seen.items() if not is_calm(file.mark, view.known.get(key))}
    view.opened |= {key: None for key, row in view.known.items() if key not in view.seen and not row.gone}
    return view


def _within(files: Files, scope: Scope | None) -> Collection[Key]:
    if scope is None:
        return files
    return {key for folder, deep in scope.items() for key in files.inside(source_of(folder), deep=deep)}


def renumbering(view: View) -> dict[str, str]:
    """Numbers of disks as they are known, and as they are now."""
    return {row.mark.device: view.seen[key].mark.device for key, row in view.known.items() if key in view.seen}


def is_calm(mark: Mark, row: Known | None) -> bool:
    """Whether a file is as it was taken in."""
    return row is not None and not row.gone and row.document_id is not None and row.mark.same(mark)


def in_scope(source: str, scope: Scope | None) -> bool:
    """Whether a file lies where a look at this scope looks."""
    if scope is None:
        return True
    path = Path(source)
    return any((deep and folder in path.parents) or folder == path.parent for folder, deep in scope.items())
