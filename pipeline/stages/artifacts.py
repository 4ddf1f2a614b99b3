"""Artifacts: the files that stages pass to each other in the spool, and their keys."""

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
    """A chunk batch: (attempt id, chunk) of any documents of a batch, and the facts of the documents by attempt id."""

    chunks: tuple[tuple[str, Chunk], ...]
    documents: dict[str, About]

    def save(self, spool: Spool, key: str) -> None:
        """Write the part to the spool."""
        data = {
            "chunks": [[attempt_id, asdict(chunk)] for attempt_id, chunk in self.chunks],
            "documents": {attempt_id: asdict(about) for attempt_id, about in self.documents.items()},
        }
        write_json(spool, key, data)


def batch_prefix(batch_id: str) -> str:
    """Folder of all artifacts of a batch."""
    return f"batches/{batch_id}"


def text_key(batch_id: str, attempt_id: str, step: str = "") -> str:
    """Key of an attempt's document, as extract ("") or a later step wrote it."""
    return f"{batch_prefix(batch_id)}/text{step and f'.{step}'}-{attempt_id}"


def ocr_key(batch_id: str, group: int) -> str:
    """Key of the pages that one OCR task has read."""
    return f"{batch_prefix(batch_id)}/ocr-{group}"


def part_key(batch_id: str, part: int, step: str = "") -> str:
    """Key of a chunk batch, as chunk ("") or a later step wrote it."""
    return f"{batch_prefix(batch_id)}/part{step and f'.{step}'}-{part}"


def part_before(plan: Plan, batch_id: str, part: int, key: str) -> str:
    """Key of a chunk batch as the step with this key reads it: written by the step before."""
    keys = [step.key for step in plan.chunks]
    before = keys[: keys.index(key)] if key in keys else keys
    return part_key(batch_id, part, before[-1] if before else "")


def vectors_key(batch_id: str, part: int) -> str:
    """Key of the vectors of a chunk batch, which are in the order of its chunks."""
    return f"{batch_prefix(batch_id)}/vectors-{part}"


def load_document(spool: Spool, key: str) -> Document:
    """Read a document from the spool. Raises FileNotFoundError."""
    return Document.from_json(read_json(spool, key))


def kept_document(spool: Spool, key: str) -> Document | None:
    """Read the document that an earlier start of a task wrote. Returns None if there is none, or a damaged one."""
    try:
        return load_document(spool, key)
    except FileNotFoundError:
        return None
    except (ValueError, KeyError, TypeError, zlib.error):
        log.warning("artifact.damaged", key=key)
        return None


def load_part(spool: Spool, key: str) -> Part:
    """Read a chunk batch from the spool. Raises FileNotFoundError."""
    data = read_json(spool, key)
    return Part(
        tuple((attempt_id, _chunk(chunk)) for attempt_id, chunk in data["chunks"]),
        {attempt_id: About(**about) for attempt_id, about in data["documents"].items()},
    )


def _chunk(data: dict[str, Any]) -> Chunk:
    breaks = tuple((offset, number) for offset, number in data["page_breaks"])
    return Chunk(**{**data, "page_breaks": breaks, "section": tuple(data["section"])})
