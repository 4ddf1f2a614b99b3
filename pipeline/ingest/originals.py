"""The original of a document: the copy in the spool, or the file itself if it still holds the same bytes."""

from __future__ import annotations

import hashlib
import os
import stat
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass
from io import BufferedReader
from pathlib import Path, PurePath

from pipeline.catalog.work import jobs
from pipeline.errors import Gone, OutsideRoot
from pipeline.ingest.roots import bounds, open_within, root_of
from pipeline.ingest.walk import path_of
from pipeline.results import DocumentStatus
from pipeline.services import Services
from pipeline.spool import original_key

__all__ = ["Original", "original_of"]


@dataclass(frozen=True, slots=True)
class Original:
    """A file to be read now; `release` gives back what it holds."""

    path: Path
    name: str
    content_sha256: str
    release: Callable[[], None]


def original_of(services: Services, found: DocumentStatus) -> Original:
    """The bytes that a document's version was made of.

    Raises:
        Gone: they are not there any more.
    """
    content = found.content_sha256
    if content is None or found.state == "deleted":
        raise Gone
    name = PurePath(found.source).name or "document"
    scope = ExitStack()
    try:
        path = scope.enter_context(services.spool.local(original_key(content, found.source)))
        return Original(path, name, content, scope.close)
    except FileNotFoundError:
        scope.close()
    file = scope.enter_context(_source(services, found))
    if os.fstat(file.fileno()).st_size != found.size or hashlib.file_digest(file, "sha256").hexdigest() != content:
        scope.close()
        raise Gone
    os.lseek(file.fileno(), 0, os.SEEK_SET)
    # What was looked at is what is read, whatever the name stands for by then.
    return Original(Path(f"/dev/fd/{file.fileno()}"), name, content, scope.close)


def _source(services: Services, found: DocumentStatus) -> BufferedReader:
    """The file that was taken in, opened by the rule that intake had."""
    path = path_of(found.source)
    with services.catalog.connect() as connection:
        named = jobs.named_paths(connection, [found.job_id or ""]).get(found.job_id or "")
    root = root_of(named, found.source) if named is not None else None
    if named is None or root is None or not path.is_absolute():
        raise Gone
    try:
        descriptor = open_within(path, bounds(named, root, services.settings.api_roots))
    except (OSError, OutsideRoot):
        raise Gone from None
    if not stat.S_ISREG(os.fstat(descriptor).st_mode):
        os.close(descriptor)
        raise Gone
    return os.fdopen(descriptor, "rb")
