"""Read a file once, so that its content and its hash are of the same moment."""

from __future__ import annotations

import hashlib
import os
import tempfile
import time
from dataclasses import dataclass, replace
from pathlib import Path
from typing import BinaryIO

from pipeline.catalog.documents.versions import FileRecord
from pipeline.errors import Changing, TooLargeToTake, Unreadable
from pipeline.ingest.roots import open_regular
from pipeline.ingest.sidecar import sidecar_metadata
from pipeline.ingest.walk import Candidate
from pipeline.plan import Plan
from pipeline.services import Services
from pipeline.spool import original_key

__all__ = ["FileContent", "drop", "read_candidate", "read_content"]

READS = 3
"""How often a file that changes while it is read is read again."""

PAUSE_S = 0.2

BLOCK = 1 << 20
IN_MEMORY = 4 << 20
"""Files up to this size are held in memory while they are hashed, so that an unchanged one is never written."""


@dataclass(frozen=True, slots=True)
class FileContent:
    """A file that intake has read, with its content in memory (`data`) or in a temporary file (`draft`)."""

    file: FileRecord
    data: bytes | None
    draft: Path | None
    routed: str | None = None
    """The collection that the workflow's route names for it; None for the job's own."""

    @property
    def key(self) -> str:
        """Key of its copy in the spool."""
        return original_key(self.file.content_sha256, self.file.source)


def read_candidate(services: Services, plan: Plan, candidate: Candidate) -> FileContent:
    """Read a candidate's file, with the metadata beside it and the candidate's tags.

    Raises:
        Rejected: the candidate has a problem, or its file or its metadata is refused.
    """
    if candidate.problem is not None:
        raise candidate.problem
    metadata = sidecar_metadata(plan, candidate.path, candidate.within)
    max_bytes = services.settings.max_file_mb << 20
    content = read_content(candidate.path, candidate.source, max_bytes, services.drafts, candidate.within)
    return replace(content, file=replace(content.file, metadata=metadata, tags=candidate.tags))


def read_content(
    path: Path, source: str, max_bytes: int, drafts: Path, within: tuple[Path, ...] | None = None
) -> FileContent:
    """Read a file and compute its hash. It is read again, up to `READS` times, if it changes meanwhile.

    Args:
        path: the file.
        source: its source, for the record.
        max_bytes: a larger file is refused.
        drafts: folder for the temporary file of a large content.
        within: folders below one of which the file must lie when it is opened; None for anywhere.

    Raises:
        Rejected: it lies outside `within`, is no regular file, cannot be read, is too large, or keeps changing.
    """
    for trial in range(READS):
        if trial:
            time.sleep(PAUSE_S)
        content = _read(path, source, max_bytes, drafts, within)
        if content is not None:
            return content
    raise Changing


def _read(path: Path, source: str, max_bytes: int, drafts: Path, within: tuple[Path, ...] | None) -> FileContent | None:
    """Read a file; None if it changed meanwhile."""
    try:
        opened = open_regular(path, within)
    except OSError as error:
        raise Unreadable(f"The file cannot be opened: {error.strerror}.") from error
    with opened as file:
        before = os.fstat(file.fileno())
        if before.st_size > max_bytes:
            raise TooLargeToTake
        digest, data, draft, size = _copy(file, before.st_size, drafts)
        after = os.fstat(file.fileno())
    if (size, after.st_size, after.st_mtime_ns) != (before.st_size, before.st_size, before.st_mtime_ns):
        drop(draft)
        return None
    return FileContent(FileRecord(source, digest, size, before.st_mtime), data, draft)


def _copy(file: BinaryIO, size: int, drafts: Path) -> tuple[str, bytes | None, Path | None, int]:
    """Read a file of this size: its SHA-256, its content in memory or in a temporary file, and the bytes read."""
    if size <= IN_MEMORY:
        data = _read_some(file, size + 1)
        return hashlib.sha256(data).hexdigest(), data, None, len(data)
    digest, count = hashlib.sha256(), 0
    with tempfile.NamedTemporaryFile(dir=drafts, delete=False) as out:
        draft = Path(out.name)
        try:
            while count <= size and (block := _read_some(file, BLOCK)):
                digest.update(block)
                out.write(block)
                count += len(block)
        except BaseException:
            draft.unlink()
            raise
    return digest.hexdigest(), None, draft, count


def _read_some(file: BinaryIO, size: int) -> bytes:
    try:
        return file.read(size)
    except OSError as error:
        raise Unreadable(f"The file cannot be read: {error.strerror}.") from error


def drop(draft: Path | None) -> None:
    """Remove a temporary file, if there is one."""
    if draft is not None:
        draft.unlink(missing_ok=True)
