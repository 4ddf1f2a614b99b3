"""The comparison of a folder with what is known of it: pure, and all that decides what is done."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import PurePath
from typing import TypeAlias

from pipeline.tags import Tags

__all__ = ["Changes", "Key", "Known", "Mark", "Seen", "compare"]

Key: TypeAlias = tuple[str, str]
"""Collection and source: the same file under another rule is another document."""


@dataclass(frozen=True, slots=True)
class Mark:
    """What can be told of a file without reading it."""

    device: str
    inode: str
    size: int
    mtime_ns: int
    ctime_ns: int

    @property
    def content(self) -> tuple[str, int, int]:
        """What a rename leaves as it is: the inode, the size, the time of the last writing."""
        return self.inode, self.size, self.mtime_ns

    @property
    def written_at(self) -> int:
        """When it was changed last, in nanoseconds since 1970."""
        return max(self.mtime_ns, self.ctime_ns)

    def same(self, other: Mark) -> bool:
        """Whether it is the same file, unchanged. Devices are numbered anew when they are mounted again."""
        mine = (self.inode, self.size, self.mtime_ns, self.ctime_ns)
        return mine == (other.inode, other.size, other.mtime_ns, other.ctime_ns)


@dataclass(frozen=True, slots=True)
class Seen:
    """A file that lies there; `sha256` is None where it was not read, because nothing changed or it cannot be.

    `tags` are those that the settings say for it, None where they say nothing. `beside` tells which metadata lies
    beside it, as a workflow's sidecar names it; None where there is none.
    """

    mark: Mark
    sha256: str | None = None
    tags: Tags | None = None
    beside: str | None = None


@dataclass(frozen=True, slots=True)
class Known:
    """A file as it was taken in. Without `document_id` it is not known whether that came to its end.

    `gone` is set while its document is deleted but can be revived. `tags` are those that its document was given here.
    """

    mark: Mark
    sha256: str | None = None
    document_id: str | None = None
    gone: bool = False
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

    new: set[Key] = field(default_factory=set)
    changed: set[Key] = field(default_factory=set)
    touched: set[Key] = field(default_factory=set)
    revived: set[Key] = field(default_factory=set)
    moved: dict[Key, Key] = field(default_factory=dict)
    replaced: set[Key] = field(default_factory=set)
    gone: set[Key] = field(default_factory=set)
    retagged: dict[Key, Tags | None] = field(default_factory=dict)


Fits: TypeAlias = Callable[[Seen, Known], bool]


def compare(seen: Mapping[Key, Seen], known: Mapping[Key, Known]) -> Changes:
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


def _is_calm(path: Seen, row: Known) -> bool:
    return row.mark.same(path.mark) and row.beside == path.beside and row.document_id is not None and not row.gone


def _holds(path: Seen, row: Known) -> bool:
    return row.document_id is not None and row.sha256 is not None and row.sha256 == path.sha256


def _match(moved: dict[Key, Key], paths: Mapping[Key, Seen], rows: Mapping[Key, Known], fits: Fits) -> None:
    """Pair paths with rows of the same content; of several the one whose name is nearest."""
    by_content: dict[tuple[str, str, str], list[Key]] = defaultdict(list)
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


def _content(key: Key, sha256: str) -> tuple[str, str, str]:
    # The suffix hints at the format: another one may be read in another way.
    return key[0], PurePath(key[1]).suffix.lower(), sha256


def _nearest(key: Key, found: Iterable[Key], rows: Mapping[Key, Known]) -> Key:
    path = PurePath(key[1])

    def distance(one: Key) -> tuple[bool, bool, bool, Key]:
        other = PurePath(one[1])
        return rows[one].gone, other.name != path.name, other.parent != path.parent, one

    return min(found, key=distance)
