"""Compare the files of a folder with the known files: pure functions over plain data, which decide what is done."""

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
    """A file that is there.

    sha256      hash of its content; None if it was not read: it is unchanged, or cannot be read
    tags        what the settings say for it; None if they say nothing
    sidecar     marks the metadata beside it, as a workflow's sidecar names it; None if there is none
    """

    mark: FileMark
    sha256: str | None = None
    tags: Tags | None = None
    sidecar: str | None = None


@dataclass(slots=True)
class Changes:
    """What has to be done, in this order: `replaced` is deleted, `moved` is renamed, the rest is ingested.

    new         not known
    changed     other content, or other metadata beside it: then it may be moved, revived or touched as well
    touched     same content, other mark
    revived     its document is deleted, and the file is back with the same content
    moved       {new key: old key}: same content, other name; the old document may be deleted already
    replaced    a file that moved has its name now
    gone        known, and not there
    retagged    the file is unchanged, but the settings say other tags for it now
    """

    new: set[FileKey] = field(default_factory=set)
    changed: set[FileKey] = field(default_factory=set)
    touched: set[FileKey] = field(default_factory=set)
    revived: set[FileKey] = field(default_factory=set)
    moved: dict[FileKey, FileKey] = field(default_factory=dict)
    replaced: set[FileKey] = field(default_factory=set)
    gone: set[FileKey] = field(default_factory=set)
    retagged: dict[FileKey, Tags | None] = field(default_factory=dict)

    @property
    def origins(self) -> dict[FileKey, FileKey]:
        """{key: known key} of the files whose documents go on: moved, touched and revived ones."""
        return {**self.moved, **{key: key for key in self.touched | self.revived}}


Matches: TypeAlias = Callable[[SeenFile, KnownFile], bool]


def compare(seen: Mapping[FileKey, SeenFile], known: Mapping[FileKey, KnownFile]) -> Changes:
    """Find out what has happened in a folder.

    Args:
        seen: its files. One with another mark than the known file must have been read, unless it cannot be.
        known: the known files.
    """
    changes = Changes()
    unchanged = {key for key, row in known.items() if key in seen and _is_unchanged(seen[key], row)}
    changes.retagged = {key: seen[key].tags for key in unchanged if seen[key].tags != known[key].tags}
    files = {key: file for key, file in seen.items() if key not in unchanged}
    rows = {key: row for key, row in known.items() if key not in unchanged}
    for key in sorted(files.keys() & rows.keys()):
        if _has_same_content(files[key], rows[key]):
            (changes.revived if rows[key].gone else changes.touched).add(key)
            del files[key], rows[key]
    # A rename keeps the inode; a copy with removal of the old file does not.
    _match_moved(changes.moved, files, rows, lambda file, row: file.mark.inode == row.mark.inode)
    missing = {key: row for key, row in rows.items() if key not in seen}
    _match_moved(changes.moved, files, missing, lambda _file, _row: True)
    left = set(changes.moved.values())
    for key in files.keys() - changes.moved.keys():
        (changes.changed if key in rows and key not in left else changes.new).add(key)
    changes.replaced = {key for key in rows.keys() - left if key in changes.moved and not rows[key].gone}
    changes.gone = {key for key in rows.keys() - left if key not in seen and not rows[key].gone}
    changes.changed |= {key for key, old in changes.origins.items() if seen[key].sidecar != known[old].sidecar}
    return changes


def _is_unchanged(file: SeenFile, row: KnownFile) -> bool:
    return row.mark.same(file.mark) and row.sidecar == file.sidecar and row.document_id is not None and not row.gone


def _has_same_content(file: SeenFile, row: KnownFile) -> bool:
    return row.document_id is not None and row.sha256 is not None and row.sha256 == file.sha256


def _match_moved(
    moved: dict[FileKey, FileKey],
    files: Mapping[FileKey, SeenFile],
    rows: Mapping[FileKey, KnownFile],
    matches: Matches,
) -> None:
    """Pair files with rows of the same content and add them to `moved`; of several rows the one nearest by name."""
    by_content: dict[tuple[str, str, str], list[FileKey]] = defaultdict(list)
    matched = set(moved.values())
    for key, row in rows.items():
        if row.sha256 is not None and row.document_id is not None and key not in matched:
            by_content[_content(key, row.sha256)].append(key)
    for key in sorted(files.keys() - moved.keys()):
        file = files[key]
        if file.sha256 is None:
            continue
        pool = by_content.get(_content(key, file.sha256), [])
        candidates = [other for other in pool if other != key and matches(file, rows[other])]
        if candidates:
            moved[key] = nearest = _nearest_by_name(key, candidates, rows)
            pool.remove(nearest)


def _content(key: FileKey, sha256: str) -> tuple[str, str, str]:
    # The suffix hints at the format: with another suffix the same bytes may be read in another way.
    return key[0], PurePath(key[1]).suffix.lower(), sha256


def _nearest_by_name(key: FileKey, candidates: Iterable[FileKey], rows: Mapping[FileKey, KnownFile]) -> FileKey:
    path = PurePath(key[1])

    def distance(candidate: FileKey) -> tuple[bool, bool, bool, FileKey]:
        other = PurePath(candidate[1])
        return rows[candidate].gone, other.name != path.name, other.parent != path.parent, candidate

    return min(candidates, key=distance)
