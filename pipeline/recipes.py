"""The recipe: what besides its content decides the points of a document."""

from __future__ import annotations

from hashlib import sha256

from extractors import EXTRACTOR_VERSION
from pipeline.settings import Settings

__all__ = ["CHUNKER_VERSION", "recipe"]

CHUNKER_VERSION = "1"


def recipe(settings: Settings, cutting: tuple[int, int], fingerprint: str, plan: str = "") -> str:
    """A short name of how documents become points, 32 hexadecimal digits.

    Args:
        settings: how files are read.
        cutting: tokens of a chunk at most, and how many of them it repeats.
        fingerprint: `Fingerprint.id` of the vectors' space.
        plan: what a workflow does beyond the plain flow (`Plan.mark`); "" for plain ingest.
    """
    reading = (settings.pdf_engine, settings.ocr_languages, settings.ocr_dpi)
    parts = (EXTRACTOR_VERSION, CHUNKER_VERSION, *reading, *cutting, fingerprint, *([plan] if plan else []))
    return sha256(repr(parts).encode()).hexdigest()[:32]
