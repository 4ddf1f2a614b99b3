"""Copying the points of searchable versions, in rounds: each copies what the rounds before could not.

While a round reads, versions are replaced and deleted, and new ones become searchable. A version is copied once a
round has read as many points of it as the catalog says it has chunks; rows of earlier rounds that do not count, and
versions that are no longer searchable in the end, are removed from the files.
"""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from pipeline.backup.folder import BackupFolder
from pipeline.backup.point_files import PointFile, read_points
from pipeline.catalog.database.id_lists import split_list
from pipeline.vectorstore import Filter, Point, VectorStore

__all__ = ["PointCopy", "Wanted"]

Wanted = Mapping[str, Mapping[str, int]]
"""The versions whose points are to be copied, with the number of their chunks, by index."""

PAGE = 256
"""Points that are read at once: about a megabyte."""

FILE_POINTS = 5_000
VERSIONS = 50
"""Versions whose points are read by one filter."""


@dataclass
class _Written:
    """A file of points: which round wrote it, and how many points of each version it has."""

    path: Path
    name: str
    index: str
    round: int
    versions: Counter[str] = field(default_factory=Counter)


class PointCopy:
    """The copies of points in the folder of a backup.

    Attributes:
        checksums: SHA-256 of the files by name.
        missing: points that the store lacked in the last round, in which nothing could be removed.
    """

    def __init__(self, store: VectorStore, folder: BackupFolder) -> None:
        self.checksums: dict[str, str] = {}
        self.missing = 0
        self._store = store
        self._folder = folder
        self._files: list[_Written] = []
        self._open: tuple[PointFile, _Written] | None = None
        self._copied: dict[str, int] = {}
        self._scanned: set[str] = set()
        self._round = 0

    def left(self, wanted: Wanted) -> int:
        """How many of these versions are not copied yet."""
        return sum(len(versions.keys() - self._copied.keys()) for versions in wanted.values())

    def copy(self, wanted: Wanted, deadline: float = float("inf"), *, final: bool = False) -> bool:
        """Copy the points of those versions that are not copied yet.

        Args:
            wanted: the searchable versions.
            deadline: when to give up, as `time.monotonic` counts.
            final: nothing can be removed meanwhile: what the store does not have now is missing.

        Returns:
            Whether it came to its end.
        """
        self._round += 1
        for index, versions in wanted.items():
            left = {version: chunks for version, chunks in versions.items() if version not in self._copied}
            if not left:
                continue
            found = self._copy_index(index, left, deadline)
            if found is None:
                return False
            whole = {version for version, chunks in left.items() if found[version] == chunks}
            self._copied |= dict.fromkeys(left if final else whole, self._round)
            if final:
                self.missing += sum(max(0, chunks - found[version]) for version, chunks in left.items())
        return True

    def finish(self, wanted: Wanted) -> dict[str, int]:
        """Remove from the files what is not wanted in the end.

        Returns:
            The points of each index.
        """
        points = dict.fromkeys(wanted, 0)
        for written in self._files:
            versions = wanted.get(written.index, {})
            keep = {name for name in written.versions if name in versions and self._copied.get(name) == written.round}
            if keep != written.versions.keys():
                self._rewrite(written, keep)
            if keep:
                points[written.index] += sum(written.versions[name] for name in keep)
        return points

    def _copy_index(self, index: str, left: Mapping[str, int], deadline: float) -> Counter[str] | None:
        """Copy points of these versions. Returns how many of each, or None after the deadline."""
        found: Counter[str] = Counter()
        try:
            for page in self._pages(index, left):
                points = [point for point in page if point.payload.get("version_id") in left]
                versions = [str(point.payload["version_id"]) for point in points]
                found.update(versions)
                if points:
                    self._write(index, points, versions)
                if time.monotonic() > deadline:
                    return None
        finally:
            self._close()
        self._scanned.add(index)
        return found

    def _pages(self, index: str, left: Mapping[str, int]) -> Iterator[Sequence[Point]]:
        """Pages of points: of the whole index the first time, later of these versions alone."""
        if index not in self._scanned:
            yield from self._matching(index, Filter())
            return
        for group in split_list(left, VERSIONS):
            yield from self._matching(index, Filter(version_ids=tuple(group)))

    def _matching(self, index: str, where: Filter) -> Iterator[Sequence[Point]]:
        after: str | None = None
        while True:
            page, after = self._store.scroll(index, where, PAGE, after)
            yield page
            if after is None:
                return

    def _rewrite(self, written: _Written, keep: set[str]) -> None:
        self.checksums.pop(written.name)
        former = written.path.with_suffix(".former")
        written.path.rename(former)
        if keep:
            file = PointFile(written.path)
            for point in read_points(former):
                if point.payload["version_id"] in keep:
                    file.add([point])
            self.checksums[written.name] = file.close()
        former.unlink()

    def _write(self, index: str, points: Sequence[Point], versions: Sequence[str]) -> None:
        file, written = self._open = self._open or self._begin(index)
        file.add(points)
        written.versions.update(versions)
        if file.points >= FILE_POINTS:
            self._close()

    def _begin(self, index: str) -> tuple[PointFile, _Written]:
        folder = self._folder.points / index
        folder.mkdir(mode=0o700, exist_ok=True)
        path = folder / f"{len(self._files):06d}.jsonl.gz"
        written = _Written(path, path.relative_to(self._folder.path).as_posix(), index, self._round)
        self._files.append(written)
        return PointFile(path), written

    def _close(self) -> None:
        if self._open is not None:
            file, written = self._open
            self.checksums[written.name] = file.close()
            self._open = None
