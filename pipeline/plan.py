"""`Plan`: a checked workflow as plain data, stored with every job that follows it.

    intake (route, sidecar) → extract → documents … → chunk → per chunk batch: chunks … → embed → upsert → finalize

Pages that need OCR are read between extract and the next step, in every workflow.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from hashlib import sha256
from typing import Any

from embeddings.base import Precision
from extractors import EXTRACTOR_VERSION
from extractors.options import OcrMode
from pipeline.names import ANALYSER
from pipeline.settings import Settings

__all__ = [
    "CHUNKER_VERSION",
    "EARLIER_CHUNKERS",
    "PLAIN",
    "IndexSpec",
    "Plan",
    "Step",
    "earlier_extractions",
    "extraction",
    "recipe",
    "spec_of",
]


@dataclass(frozen=True, slots=True)
class Step:
    """A step of a workflow that runs a declared stage, not a built-in one.

    `key` names the step in the ledger: the stage's name, numbered where a workflow uses the stage again.
    """

    key: str
    stage: str
    queue: str
    options: Mapping[str, Any]
    version: str

    @property
    def capability(self) -> str:
        """What a worker must serve to run the step: the stage, on the queue."""
        return f"{self.stage}@{self.queue}"


@dataclass(frozen=True, slots=True)
class Plan:
    """The steps of a workflow beyond the plain flow; all empty is plain ingest.

    `cutting` holds the options of chunk, `route` and `sidecar` those of the stages that intake runs. `told` holds the
    parameters that the job was submitted with: a retry uses them again.
    """

    documents: tuple[Step, ...] = ()
    chunks: tuple[Step, ...] = ()
    cutting: Mapping[str, Any] = field(default_factory=dict)
    route: Mapping[str, Any] = field(default_factory=dict)
    sidecar: Mapping[str, Any] = field(default_factory=dict)
    told: Mapping[str, Any] = field(default_factory=dict)

    @property
    def texts(self) -> tuple[str, ...]:
        """Keys of the steps of a document batch after extract, in order; `chunk` is the last."""
        return (*(step.key for step in self.documents), "chunk")

    @property
    def fan(self) -> tuple[str, ...]:
        """Keys of the steps of each chunk batch, in order."""
        return (*(step.key for step in self.chunks), "embed", "upsert")

    @property
    def collections(self) -> tuple[str, ...]:
        """The collections that the plan can route documents to."""
        otherwise = self.route.get("otherwise")
        return (*self.route.get("collections", {}).values(), *([otherwise] if otherwise else []))

    def rest(self, key: str) -> tuple[str, ...]:
        """Keys of the steps after this one, up to the next fan-out or the end. In a chunk batch finalize is last."""
        if key in ("extract", "ocr"):
            return self.texts
        if key in self.texts:
            return self.texts[self.texts.index(key) + 1 :]
        if key in self.fan:
            return (*self.fan[self.fan.index(key) + 1 :], "finalize")
        return ()

    @property
    def own(self) -> tuple[Step, ...]:
        """The steps that run declared stages, in order."""
        return (*self.documents, *self.chunks)

    def step(self, key: str) -> Step | None:
        """The step with this key; None for a built-in stage."""
        return next((step for step in self.own if step.key == key), None)

    @property
    def mark(self) -> str:
        """The part of the plan that decides the points of a document, as JSON; "" for plain ingest."""
        kinds = (self.documents, self.chunks)
        stages = [[[step.stage, step.version, step.options] for step in steps] for steps in kinds]
        return json.dumps([*stages, self.cutting], sort_keys=True) if any((*stages, self.cutting)) else ""

    def to_json(self) -> dict[str, Any] | None:
        """JSON-ready data; None for the plain plan."""
        return None if self == PLAIN else asdict(self)

    @classmethod
    def from_json(cls, data: Mapping[str, Any] | None) -> Plan:
        """Make the plan from the output of `to_json`."""
        if data is None:
            return PLAIN
        steps = {name: _steps(data[name]) for name in ("documents", "chunks")}
        return cls(**{**data, **steps})


def _steps(rows: Sequence[Mapping[str, Any]]) -> tuple[Step, ...]:
    return tuple(Step(**row) for row in rows)


PLAIN = Plan()


CHUNKER_VERSION = "3"
"""Raise it when the same text yields other chunks: documents that were cut before then count as outdated."""

EARLIER_CHUNKERS = ("1", "2")
"""Versions of the chunker before: their points are outdated, but no change that a user made."""


@dataclass(frozen=True, slots=True)
class IndexSpec:
    """What an index is made with: its model, and how texts are cut. Stored with the index; API keys never are.

    `url` and `dim` are those of an endpoint, None for a model that runs here; `chunk_tokens` as asked for, which
    may be more than the model reads; `analyser` the number of what makes terms of words, 1 for an index that was stored
    without it.
    """

    model: str
    precision: Precision
    url: str | None
    dim: int | None
    chunk_tokens: int
    overlap_tokens: int
    analyser: int = 1


def spec_of(settings: Settings) -> IndexSpec:
    """Return the spec of new collections from the settings."""
    return IndexSpec(
        model=settings.embedding_model,
        precision=settings.embedding_precision,
        url=settings.embedding_url,
        dim=settings.embedding_dim,
        chunk_tokens=settings.chunk_tokens,
        overlap_tokens=settings.chunk_overlap_tokens,
        analyser=ANALYSER,
    )


def extraction(settings: Settings, ocr: OcrMode | None = None) -> str:
    """Name what decides the text of a file: the extractors' version, a hyphen, and a hash of their settings.

    Args:
        settings: the settings.
        ocr: which pages are read by OCR; None as the settings say.
    """
    parts = (*_first_parts(settings), ocr or settings.ocr, settings.languages)
    return f"{EXTRACTOR_VERSION}-{_hash(parts)}"


def earlier_extractions(settings: Settings, ocr: OcrMode | None = None) -> tuple[str, ...]:
    """Names that `extraction` gave in earlier versions to what these settings mean today."""
    as_then = (ocr or settings.ocr) == "auto" and not settings.languages  # version 1 had neither setting
    return (f"1-{_hash(_first_parts(settings))}",) if as_then else ()


def _first_parts(settings: Settings) -> tuple[object, ...]:
    return (settings.pdf_engine, settings.ocr_languages, settings.ocr_dpi)


def _hash(parts: tuple[object, ...]) -> str:
    return sha256(repr(parts).encode()).hexdigest()[:12]


def recipe(
    reading: str, cutting: tuple[int, int], fingerprint: str, plan: str = "", chunker: str = CHUNKER_VERSION
) -> str:
    """Name the way documents become points, in 32 hexadecimal digits.

    Args:
        reading: how files are read, as `extraction` names it.
        cutting: maximum tokens of a chunk, and tokens of overlap.
        fingerprint: `Fingerprint.id` of the vectors' space.
        plan: what a workflow does beyond the plain flow (`Plan.mark`); "" for plain ingest.
        chunker: version of the chunker.
    """
    parts = (reading, chunker, *cutting, fingerprint, *([plan] if plan else []))
    return sha256(repr(parts).encode()).hexdigest()[:32]
