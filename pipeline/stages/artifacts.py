"""What stages leave for each other in the spool, and under which key."""

from __future__ import annotations

import zlib
from dataclasses import asdict, dataclass
from typing import Any

import structlog

from extractors.document import Document
from pipeline.plan import Plan
from pipeline.spool import Spool, read_json, write_json
from pipeline.types import About, Chunk

__all__ = [
    "About",
    "Part",
    "batch_prefix",
    "kept_document",
    "load_document",
    "load_part",
    "ocr_key",
    "part_before",
    "part_key",
    "text_key",
    "vectors_key",
]

log = structlog.get_logger()


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


def text_key(batch_id: str, attempt_id: str, step: str = "") -> str:
    """The document of an attempt, as extract or a later step left it."""
    return f"{batch_prefix(batch_id)}/text{step and f'.{step}'}-{attempt_id}"


def ocr_key(batch_id: str, group: int) -> str:
    """The pages that one OCR task has read."""
    return f"{batch_prefix(batch_id)}/ocr-{group}"


def part_key(batch_id: str, part: int, step: str = "") -> str:
    """A chunk batch, as chunk or a later step left it."""
    return f"{batch_prefix(batch_id)}/part{step and f'.{step}'}-{part}"


def part_before(plan: Plan, batch_id: str, part: int, key: str) -> str:
    """A chunk batch as the step with this key finds it."""
    own = [step.key for step in plan.chunks]
    before = own[: own.index(key)] if key in own else own
    return part_key(batch_id, part, before[-1] if before else "")


def vectors_key(batch_id: str, part: int) -> str:
    """The vectors of a chunk batch, in the order of its chunks."""
    return f"{batch_prefix(batch_id)}/vectors-{part}"


def load_document(spool: Spool, key: str) -> Document:
    """An extracted document. Raises FileNotFoundError."""
    return Document.from_json(read_json(spool, key))


def kept_document(spool: Spool, key: str) -> Document | None:
    """What an earlier start of a task has left; None where there is nothing, or nothing that makes sense."""
    try:
        return load_document(spool, key)
    except FileNotFoundError:
        return None
    except (ValueError, KeyError, TypeError, zlib.error):
        log.warning("artifact.damaged", key=key)
        return None


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
