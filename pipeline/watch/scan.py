"""What lies in a folder at a moment, without opening anything but ignore files."""

from __future__ import annotations

import os
import stat
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from pipeline.catalog.documents.watched_files import FileMark
from pipeline.ingest.walk import source_of
from pipeline.watch.ignore import Ignore

__all__ = ["Found", "Scan", "Scope", "mark_of", "scan"]

Scope = Mapping[Path, bool]
"""Folders to look into: whether with all below them."""


@dataclass(frozen=True, slots=True)
class Found:
    """A file, its mark, and how many names it has."""

    path: Path
    mark: FileMark
    links: int


@dataclass(slots=True)
class Scan:
    """What was found: files by source; folders whose content is not known, for they cannot be read."""

    files: dict[str, Found] = field(default_factory=dict)
    closed: dict[str, str] = field(default_factory=dict)


def scan(root: Path, scope: Scope | None, leave_out: Collection[tuple[int, int]]) -> Scan:
    """Look into a folder.

    Args:
        root: the watched folder.
        scope: only there; None for the whole folder. A folder that is not there has no files.
        leave_out: device and inode of folders that are not part of it.

    Raises:
        OSError: the root itself cannot be listed.
    """
    os.scandir(root).close()
    found = Scan()
    for folder, deep in _tops(root, scope):
        ignore = _descend(root, folder, leave_out, found)
        if ignore is not None:
            _walk(folder, ignore, deep, leave_out, found)
    return found


def mark_of(facts: os.stat_result) -> FileMark:
    """The mark of a file."""
    return FileMark(str(facts.st_dev), str(facts.st_ino), facts.st_size, facts.st_mtime_ns, facts.st_ctime_ns)


def _tops(root: Path, scope: Scope | None) -> Iterator[tuple[Path, bool]]:
    """The folders of a scope that are not below another one that is looked into with all below it."""
    if scope is None:
        yield root, True
        return
    inside = {folder: below for folder, below in scope.items() if folder == root or root in folder.parents}
    deep = {folder for folder, below in inside.items() if below}
    yield from ((folder, below) for folder, below in inside.items() if not deep & set(folder.parents))


def _descend(root: Path, folder: Path, leave_out: Collection[tuple[int, int]], found: Scan) -> Ignore | None:
    """The rules on the way down to a folder; None if it is left out or not there."""
    here, ignore = root, Ignore(root)
    for name in ("", *folder.relative_to(root).parts):
        if name and ignore.ignores(name, is_folder=True):
            return None
        here /= name
        try:
            facts = here.lstat()
            if name and (not os.path.isdir(here) or here.is_symlink()):  # noqa: PTH112 - asks twice otherwise
                return None
            if (facts.st_dev, facts.st_ino) in leave_out:
                return None
            ignore = ignore.below(here)
        except (FileNotFoundError, NotADirectoryError):
            return None
        except OSError as error:
            found.closed[source_of(here)] = str(error.strerror)
            return None
    return ignore


def _walk(folder: Path, ignore: Ignore, deep: bool, leave_out: Collection[tuple[int, int]], found: Scan) -> None:
    pending = [(folder, ignore)]
    while pending:
        here, rules = pending.pop()
        try:
            with os.scandir(here) as listed:
                entries = list(listed)
            inside = [entry for entry in entries if _take(entry, here, rules, found)]
            for entry in inside if deep else ():
                facts = entry.stat(follow_symlinks=False)
                if (facts.st_dev, facts.st_ino) not in leave_out:
                    below = here / entry.name
                    pending.append((below, _rules(rules, below, found)))
        except (FileNotFoundError, NotADirectoryError):
            continue
        except OSError as error:
            found.closed[source_of(here)] = str(error.strerror)


def _rules(rules: Ignore, folder: Path, found: Scan) -> Ignore:
    try:
        return rules.below(folder)
    except OSError as error:
        # Nothing is known of it then: neither what it holds nor what of that is meant.
        found.closed[source_of(folder)] = str(error.strerror)
        return Ignore(folder, rules.specs)


def _take(entry: os.DirEntry[str], folder: Path, rules: Ignore, found: Scan) -> bool:
    """Note a file; whether the entry is a folder to look into."""
    is_folder = entry.is_dir(follow_symlinks=False)
    if rules.ignores(entry.name, is_folder=is_folder):
        return False
    if is_folder:
        return True
    path = folder / entry.name
    try:
        facts = entry.stat(follow_symlinks=False)
        if entry.is_symlink():
            facts = _target(path, facts)
            if stat.S_ISDIR(facts.st_mode):
                return False
    except FileNotFoundError:
        return False
    found.files[source_of(path)] = Found(path, mark_of(facts), facts.st_nlink)
    return False


def _target(path: Path, link: os.stat_result) -> os.stat_result:
    """What a link leads to; the link itself where that is nowhere."""
    try:
        return path.stat()
    except OSError:
        return link
