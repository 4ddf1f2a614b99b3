"""The payload of a point; `docs/payload.md` explains each field."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any, Protocol

from pipeline.types import Chunk
from pipeline.vectorstore.metadata_values import metadata_values

__all__ = ["CITATION", "About", "payload", "time_of"]

CITATION = (
    "document_id",
    "version_id",
    "source",
    "title",
    "media_type",
    "order",
    "page_start",
    "page_end",
    "line_start",
    "line_end",
    "paragraph_start",
    "paragraph_end",
    "char_start",
    "char_end",
    "section",
    "prefix",
    "language",
    "confidence",
    "modified_at",
    "tags",
    "added",
)
"""The fields that LangChain finds under `metadata`.

Only `source`, `title` and `tags` may change: when the file is renamed, or the document gets other tags.
"""


class About(Protocol):
    """Facts that all chunks of one document version share."""

    @property
    def document_id(self) -> str:
        """Id of the document, the same for all versions."""

    @property
    def version_id(self) -> str:
        """Id of this version of the document."""

    @property
    def source(self) -> str:
        """Where it came from, a URI."""

    @property
    def title(self) -> str | None:
        """The document's own title."""

    @property
    def media_type(self) -> str | None:
        """What the file is, as in `application/pdf`."""

    @property
    def language(self) -> str | None:
        """ISO 639 code, where known."""

    @property
    def content_sha256(self) -> str:
        """SHA-256 of the file."""

    @property
    def modified_at(self) -> float:
        """The file's time in seconds since 1970."""

    @property
    def tags(self) -> Sequence[str]:
        """The document's tags."""

    @property
    def metadata(self) -> Mapping[str, Any]:
        """What came with the document."""

    @property
    def confidence(self) -> float | None:
        """OCR's mean word confidence, 0 to 1; None where nothing was recognised."""


def payload(
    about: About, chunk: Chunk, fingerprint: str, *, live: bool = False, ingested_at: datetime | None = None
) -> dict[str, Any]:
    """Make the payload of one chunk, JSON-ready.

    Args:
        about: the document version that the chunk belongs to.
        chunk: the text and its position.
        fingerprint: `Fingerprint.id` of the vector's space.
        live: whether searches may find it; a version being written is not live yet.
        ingested_at: when it is written; now, if not given.
    """
    fields = {**_chunk_fields(chunk), **_document_fields(about)}
    return {
        **fields,
        "content_sha256": about.content_sha256,
        "ingested_at": _utc(ingested_at or datetime.now(UTC)),
        "fingerprint": fingerprint,
        "live": live,
        "metadata": {name: fields[name] for name in CITATION},
    }


def time_of(seconds: float) -> str:
    """Seconds since 1970 as a payload has them."""
    return _utc(datetime.fromtimestamp(seconds, UTC))


def _chunk_fields(chunk: Chunk) -> dict[str, Any]:
    return {
        "text": chunk.text,
        "order": chunk.order,
        "page_start": chunk.page_start,
        "page_end": chunk.page_end,
        "page_breaks": [list(page_break) for page_break in chunk.page_breaks],
        "line_start": chunk.line_start,
        "line_end": chunk.line_end,
        "paragraph_start": chunk.paragraph_start,
        "paragraph_end": chunk.paragraph_end,
        "char_start": chunk.char_start,
        "char_end": chunk.char_end,
        "section": list(chunk.section),
        "prefix": chunk.prefix,
        "added": dict(chunk.metadata),
    }


def _document_fields(about: About) -> dict[str, Any]:
    return {
        "document_id": about.document_id,
        "version_id": about.version_id,
        "source": about.source,
        "title": about.title,
        "media_type": about.media_type,
        "language": about.language,
        "confidence": about.confidence,
        "modified_at": time_of(about.modified_at),
        "tags": list(about.tags),
        "metadata_values": metadata_values(about.metadata),
    }


def _utc(moment: datetime) -> str:
    return moment.astimezone(UTC).isoformat().replace("+00:00", "Z")
