"""What is known of a folder's files, found by folder and by inode: a look costs what its part of the folder costs."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from typing import TypeVar

from pipeline.catalog.documents.watched_files import FileKey, KnownFile

__all__ = ["Files"]

One = TypeVar("One")


class Files(Mapping[FileKey, KnownFile]):
    """Rows of the catalog by key. `gone` holds the keys of those whose documents are deleted but can be revived."""

    def __init__(self, rows: Mapping[FileKey, KnownFile] | None = None) -> None:
        self.gone: set[FileKey] = set()
        self._rows: dict[FileKey, KnownFile] = {}
        self._in: dict[str, set[FileKey]] = {}
        self._folders: dict[str, set[str]] = {}
        self._inodes: dict[str, set[FileKey]] = {}
        self.put(rows or {})

    def __getitem__(self, key: FileKey) -> KnownFile:
        return self._rows[key]

    def __iter__(self) -> Iterator[FileKey]:
        return iter(self._rows)

    def __len__(self) -> int:
        return len(self._rows)

    @property
    def there(self) -> int:
        """How many are not gone."""
        return len(self._rows) - len(self.gone)

    def put(self, rows: Mapping[FileKey, KnownFile]) -> None:
        """Add rows, or have others in their place."""
        self.drop(rows)
        for key, row in rows.items():
            self._rows[key] = row
            self._inodes.setdefault(row.mark.inode, set()).add(key)
            if row.gone:
                self.gone.add(key)
            folder = _above(key[1])
            if folder not in self._in:
                self._in[folder] = set()
                self._link(folder)
            self._in[folder].add(key)

    def drop(self, keys: Collection[FileKey]) -> None:
        """Forget rows; those that there are not, too."""
        for key in keys:
            row = self._rows.pop(key, None)
            if row is None:
                continue
            self.gone.discard(key)
            _take_out(self._inodes, row.mark.inode, key)
            folder = _above(key[1])
            _take_out(self._in, folder, key)
            self._unlink(folder)

    def inside(self, folder: str, *, deep: bool) -> Iterator[FileKey]:
        """Files in a folder, or in it and all below it."""
        pending = [folder.rstrip("/")]
        while pending:
            here = pending.pop()
            yield from self._in.get(here, ())
            if deep:
                pending += self._folders.get(here, ())

    def with_inode(self, inode: str) -> Collection[FileKey]:
        """Files that had this inode when they were taken in."""
        return self._inodes.get(inode, ())

    def _link(self, folder: str) -> None:
        while folder:
            above = _above(folder)
            inside = self._folders.setdefault(above, set())
            if folder in inside:
                return
            inside.add(folder)
            folder = above

    def _unlink(self, folder: str) -> None:
        while folder and folder not in self._in and folder not in self._folders:
            above = _above(folder)
            _take_out(self._folders, above, folder)
            folder = above


def _above(source: str) -> str:
    return source.rpartition("/")[0]


def _take_out(sets: dict[str, set[One]], name: str, one: One) -> None:
    found = sets.get(name, set())
    found.discard(one)
    if not found:
        sets.pop(name, None)
