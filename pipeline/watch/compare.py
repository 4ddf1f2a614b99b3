"""The comparison of a folder with what is known of it: pure, and all that decides what is done."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import PurePath
from typing import TypeAlias

from pipeline.catalog.documents.watched_files import FileKey, FileMark, KnownFile
from pipeline.types import Tags

__all__ = ["Changes", "SeenFile", "compare"]


@dataclass(frozen=True, slots=True)
class SeenFile:
    """A file that lies there; `sha256` is None where it was not read, because nothing changed or it cannot be.

    `tags` are those that the settings say for it, None where they say nothing. `beside` tells which metadata lies
    beside it, as a workflow's sidecar names it; None where there is none.
    """

    mark: FileMark
    sha256: str | None = None
    tags: Tags | None = None
    beside: str | None = None


@dataclass(slots=True)
class Changes:
    """What has to be done, in this order: what was `replaced` goes, what `moved` is renamed, the rest is taken in.

    moved      {new key: old key}: same content, other name; the old one may be deleted already
    changed    other content, or other metadata beside it: then it may be moved, revived or touched as well
    revived    deleted, and back with the same content
    touched    same content, other mark
    replaced   its name was taken by one that moved
    retagged   nothing happened to it, but the settings say other tags for it now
    """

    new: set[FileKey] = field(default_factory=set)
    changed: set[FileKey] = field(default_factory=set)
    touched: set[FileKey] = field(default_factory=set)
    revived: set[FileKey] = field(default_factory=set)
    moved: dict[FileKey, FileKey] = field(default_factory=dict)
    replaced: set[FileKey] = field(default_factory=set)
    gone: set[FileKey] = field(default_factory=set)
    retagged: dict[FileKey, Tags | None] = field(default_factory=dict)


Fits: TypeAlias = Callable[[SeenFile, KnownFile], bool]


def compare(seen: Mapping[FileKey, SeenFile], known: Mapping[FileKey, KnownFile]) -> Changes:
    """Find out what has happened. What has another mark than before must have been read, if it can be."""
    changes = Changes()
    calm = {key for key, one in known.items() if key in seen and _is_calm(seen[key], one)}
    changes.retagged = {key: seen[key].tags for key in calm if seen[key].tags != known[key].tags}
    paths = {key: one for key, one in seen.items() if key not in calm}
    rows = {key: one for key, one in known.items() if key not in calm}
    for key in sorted(paths.keys() & rows.keys()):
        if _holds(paths[key], rows[key]):
            (changes.revived if rows[key].gone else changes.touched).add(key)
            del paths[key], rows[key]
    _match(changes.moved, paths, rows, lambda path, row: path.mark.inode == row.mark.inode)
    _match(changes.moved, paths, {key: row for key, row in rows.items() if key not in seen}, lambda _path, _row: True)
    left = set(changes.moved.values())
    for key in paths.keys() - changes.moved.keys():
        (changes.changed if key in rows and key not in left else changes.new).add(key)
    changes.replaced = {key for key in rows.keys() - left if key in changes.moved and not rows[key].gone}
    changes.gone = {key for key in rows.keys() - left if key not in seen and not rows[key].gone}
    origins = {**changes.moved, **{key: key for key in changes.touched | changes.revived}}
    changes.changed |= {key for key, old in origins.items() if seen[key].beside != known[old].beside}
    return changes


def _is_calm(path: SeenFile, row: KnownFile) -> bool:
    return row.mark.same(path.mark) and row.beside == path.beside and row.document_id is not None and not row.gone


def _holds(path: SeenFile, row: KnownFile) -> bool:
    return row.document_id is not None and row.sha256 is not None and row.sha256 == path.sha256


def _match(
    moved: dict[FileKey, FileKey], paths: Mapping[FileKey, SeenFile], rows: Mapping[FileKey, KnownFile], fits: Fits
) -> None:
    """Pair paths with rows of the same content; of several the one whose name is nearest."""
    by_content: dict[tuple[str, str, str], list[FileKey]] = defaultdict(list)
    taken = set(moved.values())
    for key, row in rows.items():
        if row.sha256 is not None and row.document_id is not None and key not in taken:
            by_content[_content(key, row.sha256)].append(key)
    for key in sorted(paths.keys() - moved.keys()):
        path = paths[key]
        if path.sha256 is None:
            continue
        pool = by_content.get(_content(key, path.sha256), [])
        found = [one for one in pool if one != key and fits(path, rows[one])]
        if found:
            moved[key] = nearest = _nearest(key, found, rows)
            pool.remove(nearest)


def _content(key: FileKey, sha256: str) -> tuple[str, str, str]:
    # The suffix hints at the format: another one may be read in another way.
    return key[0], PurePath(key[1]).suffix.lower(), sha256


def _nearest(key: FileKey, found: Iterable[FileKey], rows: Mapping[FileKey, KnownFile]) -> FileKey:
    path = PurePath(key[1])

    def distance(one: FileKey) -> tuple[bool, bool, bool, FileKey]:
        other = PurePath(one[1])
        return rows[one].gone, other.name != path.name, other.parent != path.parent, one

    return min(found, key=distance)
