"""What stages leave for each other in the spool, and under which key."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

from extractors.document import Document
from pipeline.chunking import Chunk
from pipeline.spool import Spool, read_json, write_json

__all__ = [
    "About",
    "Part",
    "batch_prefix",
    "load_document",
    "load_part",
    "ocr_key",
    "part_key",
    "text_key",
    "vectors_key",
]


@dataclass(frozen=True, slots=True)
class About:
    """What every chunk of a document repeats in its payload."""

    document_id: str
    version_id: str
    source: str
    title: str | None
    media_type: str | None
    language: str | None
    content_sha256: str
    modified_at: float
    confidence: float | None = None


@dataclass(frozen=True, slots=True)
class Part:
    """A chunk batch: chunks of any of the batch's documents, each with its attempt's id, and their documents."""

    chunks: tuple[tuple[str, Chunk], ...]
    documents: dict[str, About]

    def save(self, spool: Spool, key: str) -> None:
        """Store the part under the key."""
        data = {
            "chunks": [[attempt_id, asdict(chunk)] for attempt_id, chunk in self.chunks],
            "documents": {attempt_id: asdict(about) for attempt_id, about in self.documents.items()},
        }
        write_json(spool, key, data)


def batch_prefix(batch_id: str) -> str:
    """Everything of a batch lies below this."""
    return f"batches/{batch_id}"


def text_key(batch_id: str, attempt_id: str) -> str:
    """The extracted document of an attempt."""
    return f"{batch_prefix(batch_id)}/text-{attempt_id}"


def ocr_key(batch_id: str, group: int) -> str:
    """The pages that one OCR task has read."""
    return f"{batch_prefix(batch_id)}/ocr-{group}"


def part_key(batch_id: str, part: int) -> str:
    """A chunk batch."""
    return f"{batch_prefix(batch_id)}/part-{part}"


def vectors_key(batch_id: str, part: int) -> str:
    """The vectors of a chunk batch, in the order of its chunks."""
    return f"{batch_prefix(batch_id)}/vectors-{part}"


def load_document(spool: Spool, key: str) -> Document:
    """An extracted document. Raises FileNotFoundError."""
    return Document.from_json(read_json(spool, key))


def load_part(spool: Spool, key: str) -> Part:
    """A chunk batch. Raises FileNotFoundError."""
    data = read_json(spool, key)
    return Part(
        tuple((attempt_id, _chunk(chunk)) for attempt_id, chunk in data["chunks"]),
        {attempt_id: About(**about) for attempt_id, about in data["documents"].items()},
    )


def _chunk(data: dict[str, Any]) -> Chunk:
    breaks = tuple((offset, number) for offset, number in data["page_breaks"])
    return Chunk(**{**data, "page_breaks": breaks, "section": tuple(data["section"])})
