"""List the files below a folder at a moment, without opening any but ignore files.

This is not the walk of intake (`pipeline.ingest.walk`): it applies ignore files, takes a link inside for what it
leads to, scans parts of a folder, and keeps the marks by which changes are noticed. What it finds, intake checks.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeAlias

from pipeline.catalog.documents.watched_files import FileMark
from pipeline.ingest.walk import source_of
from pipeline.watch.ignore import Ignore

__all__ = ["Scan", "ScannedFile", "Scope", "mark_of", "scan"]

Scope: TypeAlias = Mapping[Path, bool]
"""Folders to scan: {folder: whether all below it too}."""


@dataclass(frozen=True, slots=True)
class ScannedFile:
    """A file, its mark, and its number of hard links."""

    path: Path
    mark: FileMark
    links: int


@dataclass(slots=True)
class Scan:
    """Files by source; and folders that cannot be read, with the system's message, whose files are not known."""

    files: dict[str, ScannedFile] = field(default_factory=dict)
    unreadable: dict[str, str] = field(default_factory=dict)


def scan(root: Path, scope: Scope | None, exclude: Collection[tuple[int, int]]) -> Scan:
    """List the files of a folder.

    Args:
        root: the watched folder.
        scope: only these folders in it; None for all of it. A folder that is not there has no files.
        exclude: device and inode of folders inside that are not part of it.

    Raises:
        OSError: the root itself cannot be listed.
    """
    os.scandir(root).close()
    scanner = _Scanner(root, exclude)
    for folder, deep in _topmost(root, scope):
        rules = scanner.rules_down_to(folder)
        if rules is not None:
            scanner.walk(folder, rules, deep=deep)
    return scanner.result


def mark_of(facts: os.stat_result) -> FileMark:
    """The mark of a file with this stat(2) result."""
    return FileMark(str(facts.st_dev), str(facts.st_ino), facts.st_size, facts.st_mtime_ns, facts.st_ctime_ns)


def _topmost(root: Path, scope: Scope | None) -> Iterator[tuple[Path, bool]]:
    """The folders of a scope, without those below another one that is scanned with all below it."""
    if scope is None:
        yield root, True
        return
    inside = {folder: deep for folder, deep in scope.items() if folder == root or root in folder.parents}
    all_below = {folder for folder, deep in inside.items() if deep}
    yield from ((folder, deep) for folder, deep in inside.items() if not all_below & set(folder.parents))


class _Scanner:
    """Collects the result of one scan."""

    def __init__(self, root: Path, exclude: Collection[tuple[int, int]]) -> None:
        self.result = Scan()
        self._root = root
        self._exclude = exclude

    def rules_down_to(self, folder: Path) -> Ignore | None:
        """The ignore rules that hold in a folder; None if the folder is ignored, excluded or not there."""
        path, rules = self._root, Ignore(self._root)
        for name in ("", *folder.relative_to(self._root).parts):
            if name and rules.ignores(name, is_folder=True):
                return None
            path /= name
            try:
                facts = path.lstat()
                if name and (not os.path.isdir(path) or path.is_symlink()):  # noqa: PTH112 - asks twice otherwise
                    return None
                if (facts.st_dev, facts.st_ino) in self._exclude:
                    return None
                rules = rules.below(path)
            except (FileNotFoundError, NotADirectoryError):
                return None
            except OSError as error:
                self._note_unreadable(path, error)
                return None
        return rules

    def walk(self, folder: Path, rules: Ignore, *, deep: bool) -> None:
        """List the files of a folder, or of it and all below it."""
        pending = [(folder, rules)]
        while pending:
            path, rules = pending.pop()
            try:
                folders = self._list(path, rules)
            except (FileNotFoundError, NotADirectoryError):
                continue
            except OSError as error:
                self._note_unreadable(path, error)
            else:
                if deep:
                    pending += [(below, self._rules_of(below, rules)) for below in self._without_excluded(folders)]

    def _list(self, folder: Path, rules: Ignore) -> list[os.DirEntry[str]]:
        """Note the files of one folder; the folders in it that are not ignored."""
        with os.scandir(folder) as listed:
            entries = list(listed)
        return [entry for entry in entries if self._note_file_or_keep_folder(entry, folder, rules)]

    def _note_file_or_keep_folder(self, entry: os.DirEntry[str], folder: Path, rules: Ignore) -> bool:
        """Note a file; whether the entry is a folder to scan."""
        is_folder = entry.is_dir(follow_symlinks=False)
        if rules.ignores(entry.name, is_folder=is_folder):
            return False
        if is_folder:
            return True
        path = folder / entry.name
        try:
            facts = entry.stat(follow_symlinks=False)
            if entry.is_symlink():
                facts = _stat_target(path, facts)
                if stat.S_ISDIR(facts.st_mode):
                    return False
        except FileNotFoundError:
            return False
        self.result.files[source_of(path)] = ScannedFile(path, mark_of(facts), facts.st_nlink)
        return False

    def _without_excluded(self, folders: Collection[os.DirEntry[str]]) -> Iterator[Path]:
        """The paths of the folders that are not excluded and still there."""
        for entry in folders:
            try:
                facts = entry.stat(follow_symlinks=False)
            except FileNotFoundError:
                continue  # removed since it was listed
            except OSError as error:
                self._note_unreadable(Path(entry.path), error)
                continue
            if (facts.st_dev, facts.st_ino) not in self._exclude:
                yield Path(entry.path)

    def _rules_of(self, folder: Path, above: Ignore) -> Ignore:
        """The rules of a folder below; one whose ignore file cannot be read is noted as unreadable."""
        try:
            return above.below(folder)
        except OSError as error:
            # Without its ignore file it is not known which of its files are meant: it counts as unreadable.
            self._note_unreadable(folder, error)
            return Ignore(folder, above.specs)

    def _note_unreadable(self, folder: Path, error: OSError) -> None:
        self.result.unreadable[source_of(folder)] = str(error.strerror)


def _stat_target(path: Path, link: os.stat_result) -> os.stat_result:
    """The stat result of what a link leads to; that of the link itself where it leads nowhere."""
    try:
        return path.stat()
    except OSError:
        return link
