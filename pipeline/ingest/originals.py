"""The original of a document: the copy in the spool, or the file itself if it still holds the same bytes."""

from __future__ import annotations

import hashlib
import os
import shutil
import uuid
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from io import BufferedReader
from pathlib import Path, PurePath

from pipeline.catalog.work import jobs
from pipeline.errors import Gone, Rejected
from pipeline.ingest.roots import find_again, open_regular
from pipeline.results import DocumentStatus
from pipeline.services import Services
from pipeline.settings.room import check_room
from pipeline.spool import LocalSpool, original_key
from pipeline.types import NamedPaths

__all__ = ["Original", "original_file", "original_of"]


DESCRIPTORS = Path("/dev/fd")
"""Names of the files that this process has open."""


@dataclass(frozen=True, slots=True)
class Original:
    """A file to read now; call `release` afterwards."""

    path: Path
    name: str
    content_sha256: str
    release: Callable[[], None]


def original_of(services: Services, document: DocumentStatus) -> Original:
    """Open the file that the document's version was made of.

    Raises:
        Gone: neither a copy nor the unchanged file is there any more.
    """
    content = document.content_sha256
    if content is None or document.state == "deleted":
        raise Gone
    name = PurePath(document.source).name or "document"
    scope = ExitStack()
    try:
        path = scope.enter_context(services.spool.local(original_key(content, document.source)))
        return Original(path, name, content, scope.close)
    except FileNotFoundError:
        scope.close()
    file = scope.enter_context(_open_source(services, document))
    if os.fstat(file.fileno()).st_size != document.size or hashlib.file_digest(file, "sha256").hexdigest() != content:
        scope.close()
        raise Gone
    os.lseek(file.fileno(), 0, os.SEEK_SET)
    # The file that was hashed is what is read, whatever its name stands for by then.
    return Original(DESCRIPTORS / str(file.fileno()), name, content, scope.close)


@contextmanager
def original_file(services: Services, document: DocumentStatus) -> Iterator[Path]:
    """Yield a file with exactly the bytes that the document's version was made of, which no other program changes.

    Raises:
        Gone: neither a copy nor the unchanged file is there any more.
        DiskFull: there is no room for a copy of the file.
    """
    if not isinstance(services.spool, LocalSpool):  # it is downloaded
        check_room(services.settings)
    with ExitStack() as scope:
        original = original_of(services, document)
        scope.callback(original.release)
        if original.path.parent != DESCRIPTORS:
            yield original.path
            return
        check_room(services.settings)
        # What hashes the same now may be changed while it is read, or its name may lead to another file by then.
        copy = services.drafts / f"{uuid.uuid4().hex}{PurePath(document.source).suffix}"
        scope.callback(copy.unlink, missing_ok=True)
        shutil.copyfile(original.path, copy)
        with copy.open("rb") as file:
            if hashlib.file_digest(file, "sha256").hexdigest() != original.content_sha256:
                raise Gone
        yield copy


def _open_source(services: Services, document: DocumentStatus) -> BufferedReader:
    """Open the file that was ingested, by the rules of the job that it came in by.

    Raises:
        Gone: it is not there any more, has grown, or may not be read.
    """
    job_id = document.job_id or ""
    with services.catalog.connect() as connection:
        named = jobs.named_paths(connection, [job_id]).get(job_id, NamedPaths(()))
    # A larger file is another content. The settings' limit is for what is ingested: it may be lower by now.
    candidate = find_again(services.settings, named, document.source, document.size)
    try:
        if candidate.problem is not None:
            raise candidate.problem
        return open_regular(candidate.path, candidate.within)
    except (OSError, Rejected):
        raise Gone from None
