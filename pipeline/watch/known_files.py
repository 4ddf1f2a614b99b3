"""The known files of a folder in memory, by folder and by inode: a partial scan costs only what its part costs."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from typing import TypeVar

from pipeline.catalog.documents.watched_files import FileKey, KnownFile

__all__ = ["KnownFiles"]

Member = TypeVar("Member")


class KnownFiles(Mapping[FileKey, KnownFile]):
    """The catalog's rows by key. `gone` holds the keys of files whose documents are deleted but can be revived."""

    def __init__(self, rows: Mapping[FileKey, KnownFile] | None = None) -> None:
        self.gone: set[FileKey] = set()
        self._rows: dict[FileKey, KnownFile] = {}
        self._files_in: dict[str, set[FileKey]] = {}
        self._folders_in: dict[str, set[str]] = {}
        self._by_inode: dict[str, set[FileKey]] = {}
        self.put(rows or {})

    def __getitem__(self, key: FileKey) -> KnownFile:
        return self._rows[key]

    def __iter__(self) -> Iterator[FileKey]:
        return iter(self._rows)

    def __len__(self) -> int:
        return len(self._rows)

    @property
    def present(self) -> int:
        """How many files are not gone."""
        return len(self._rows) - len(self.gone)

    def put(self, rows: Mapping[FileKey, KnownFile]) -> None:
        """Add rows, or replace those of the same keys."""
        self.drop(rows)
        for key, row in rows.items():
            self._rows[key] = row
            self._by_inode.setdefault(row.mark.inode, set()).add(key)
            if row.gone:
                self.gone.add(key)
            folder = _parent(key[1])
            if folder not in self._files_in:
                self._files_in[folder] = set()
                self._link(folder)
            self._files_in[folder].add(key)

    def drop(self, keys: Collection[FileKey]) -> None:
        """Forget rows. Keys without a row are ignored."""
        for key in keys:
            row = self._rows.pop(key, None)
            if row is None:
                continue
            self.gone.discard(key)
            _discard(self._by_inode, row.mark.inode, key)
            folder = _parent(key[1])
            _discard(self._files_in, folder, key)
            self._unlink(folder)

    def inside(self, folder: str, *, deep: bool) -> Iterator[FileKey]:
        """Files in a folder, or in it and all below it."""
        pending = [folder.rstrip("/")]
        while pending:
            current = pending.pop()
            yield from self._files_in.get(current, ())
            if deep:
                pending += self._folders_in.get(current, ())

    def with_inode(self, inode: str) -> Collection[FileKey]:
        """Files that had this inode when they were ingested."""
        return self._by_inode.get(inode, ())

    def _link(self, folder: str) -> None:
        """Enter a folder in its parent, and that in its own parent, up to the first that is entered already."""
        while folder:
            parent = _parent(folder)
            siblings = self._folders_in.setdefault(parent, set())
            if folder in siblings:
                return
            siblings.add(folder)
            folder = parent

    def _unlink(self, folder: str) -> None:
        """Remove a folder without files and folders from its parent, and so on upwards."""
        while folder and folder not in self._files_in and folder not in self._folders_in:
            parent = _parent(folder)
            _discard(self._folders_in, parent, folder)
            folder = parent


def _parent(source: str) -> str:
    return source.rpartition("/")[0]


def _discard(sets: dict[str, set[Member]], name: str, member: Member) -> None:
    """Remove a member from a set of this name, and the set once it is empty."""
    members = sets.get(name, set())
    members.discard(member)
    if not members:
        sets.pop(name, None)
