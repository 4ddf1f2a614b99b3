"""The original of a document: the copy in the spool, or the file itself if it still holds the same bytes."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path, PurePath

from pipeline.errors import Gone
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
    path = Path(found.source)
    if not path.is_absolute() or not _holds(path, content, found.size):
        raise Gone
    return Original(path, name, content, scope.close)


def _holds(path: Path, content: str, size: int) -> bool:
    try:
        if not path.is_file() or path.stat().st_size != size:
            return False
        with path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest() == content
    except OSError:
        return False
