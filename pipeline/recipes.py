"""The recipe: what besides its content decides the points of a document."""

from __future__ import annotations

from dataclasses import dataclass
from hashlib import sha256

from embeddings.base import Precision
from extractors import EXTRACTOR_VERSION
from pipeline.settings import Settings

__all__ = ["CHUNKER_VERSION", "IndexSpec", "extraction", "recipe", "spec_of"]

CHUNKER_VERSION = "2"


@dataclass(frozen=True, slots=True)
class IndexSpec:
    """What an index is made with: its model, and how texts are cut. Kept with the index; keys never are.

    `url` and `dim` are those of an endpoint, None for a model that runs here; `chunk_tokens` as asked for, which
    may be more than the model reads.
    """

    model: str
    precision: Precision
    url: str | None
    dim: int | None
    chunk_tokens: int
    overlap_tokens: int


def spec_of(settings: Settings) -> IndexSpec:
    """What the settings say new collections are made with."""
    return IndexSpec(
        model=settings.embedding_model,
        precision=settings.embedding_precision,
        url=settings.embedding_url,
        dim=settings.embedding_dim,
        chunk_tokens=settings.chunk_tokens,
        overlap_tokens=settings.chunk_overlap_tokens,
    )


def extraction(settings: Settings) -> str:
    """What decides the text of a file: the extractors' version, before the first hyphen, and how they are set."""
    parts = (settings.pdf_engine, settings.ocr_languages, settings.ocr_dpi)
    return f"{EXTRACTOR_VERSION}-{sha256(repr(parts).encode()).hexdigest()[:12]}"


def recipe(reading: str, cutting: tuple[int, int], fingerprint: str, plan: str = "") -> str:
    """A short name of how documents become points, 32 hexadecimal digits.

    Args:
        reading: how files are read, as `extraction` names it.
        cutting: tokens of a chunk at most, and how many of them it repeats.
        fingerprint: `Fingerprint.id` of the vectors' space.
        plan: what a workflow does beyond the plain flow (`Plan.mark`); "" for plain ingest.
    """
    parts = (reading, CHUNKER_VERSION, *cutting, fingerprint, *([plan] if plan else []))
    return sha256(repr(parts).encode()).hexdigest()[:32]
