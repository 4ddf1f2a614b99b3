"""Read the files of a watched folder: the hash of a content, and whether a program still writes to a file."""

from __future__ import annotations

import errno
import fcntl
import hashlib
import os
import signal
import stat
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

from pipeline.catalog.documents.watched_files import FileKey, FileMark
from pipeline.ingest.walk import Candidate, candidate_at
from pipeline.settings import Settings
from pipeline.settings.watch_folders import WatchFolder
from pipeline.watch.compare import SeenFile
from pipeline.watch.scan import ScannedFile, mark_of
from pipeline.watch.snapshot import Snapshot

__all__ = ["FileReader", "digest", "is_written"]


class FileReader:
    """Reads files of one watched folder; what was read is not read again while the file keeps its mark."""

    def __init__(self, folder: WatchFolder, root: str, settings: Settings) -> None:
        self._folder = folder
        self._root = root
        self._collection = settings.collection
        self._max_bytes = settings.max_file_mb << 20
        self._read: dict[FileKey, SeenFile] = {}

    def key_of(self, source: str) -> FileKey:
        """The collection of a file, as the folder's rules say, and its source."""
        return self._folder.collection_of(self._subfolder(source), self._collection), source

    def candidate_of(self, file: ScannedFile) -> Candidate | None:
        """The file as a candidate for intake; None if it is not there any more."""
        return candidate_at(file.path, self._folder.path, self._max_bytes)

    def read(self, key: FileKey, snapshot: Snapshot) -> SeenFile | None:
        """A file with the hash of its content, or without it if intake refuses the file; None if it changes now."""
        file, before, seen = snapshot.present[key], self._read.get(key), self.unread(key, snapshot)
        if before is not None and before.mark == file.mark:
            return replace(seen, sha256=before.sha256)
        candidate = self.candidate_of(file)
        if candidate is None or candidate.problem is not None:
            return seen
        hashed = digest(file.path)
        if hashed is None:
            return seen  # intake reports what is wrong with it
        sha256, mark = hashed
        return replace(seen, sha256=sha256) if mark.same(file.mark) else None

    def unread(self, key: FileKey, snapshot: Snapshot) -> SeenFile:
        """A file without the hash of its content."""
        tags = self._folder.tags_of(self._subfolder(key[1]))
        return SeenFile(snapshot.present[key].mark, tags=tags, sidecar=snapshot.sidecars.get(key))

    def remember(self, files: Mapping[FileKey, SeenFile]) -> None:
        """Keep what was read of these files, and forget all others: a rename is waited for without reading again."""
        self._read = {key: file for key, file in files.items() if file.sha256}

    def _subfolder(self, source: str) -> str:
        return source[len(self._root) :].strip("/").rpartition("/")[0]


def digest(path: Path) -> tuple[str, FileMark] | None:
    """SHA-256 of a file, and the mark that it had before and after; None if it changed, or cannot be read."""
    try:
        # Non-blocking: a pipe that has taken the file's place must not stop the mirror.
        descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    except OSError:
        return None
    with os.fdopen(descriptor, "rb") as file:
        before = os.fstat(descriptor)
        if not stat.S_ISREG(before.st_mode):
            return None
        try:
            sha256 = hashlib.file_digest(file, "sha256").hexdigest()
        except OSError:
            return None
        after = os.fstat(descriptor)
    return (sha256, mark_of(after)) if mark_of(before) == mark_of(after) else None


def is_written(path: Path) -> bool:
    """Whether a program of this machine has the file open for writing.

    Linux says so to the owner of a file on a local disk, by refusing a lease (fcntl(2)). False where it cannot tell.
    """
    if not hasattr(fcntl, "F_SETLEASE"):
        return False
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    except OSError:
        return False
    try:
        # A program that opens the file at this moment waits for the lease's end, and this process gets a signal: one
        # that is ignored by default.
        fcntl.fcntl(descriptor, fcntl.F_SETSIG, signal.SIGURG)
        fcntl.fcntl(descriptor, fcntl.F_SETLEASE, fcntl.F_RDLCK)
        fcntl.fcntl(descriptor, fcntl.F_SETLEASE, fcntl.F_UNLCK)
    except OSError as error:
        return error.errno == errno.EAGAIN
    finally:
        os.close(descriptor)
    return False
