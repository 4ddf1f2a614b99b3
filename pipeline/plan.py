"""What a workflow comes to once it is checked: plain data, kept with every job that follows it.

    intake (route, sidecar) → extract → documents … → chunk → per chunk batch: chunks … → embed → upsert → finalize

Pages that need OCR are read between extract and what follows it, wherever a workflow is written.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from hashlib import sha256
from typing import Any

from embeddings.base import Precision
from extractors import EXTRACTOR_VERSION
from pipeline.settings import Settings

__all__ = ["CHUNKER_VERSION", "PLAIN", "IndexSpec", "Plan", "Step", "extraction", "recipe", "spec_of"]


@dataclass(frozen=True, slots=True)
class Step:
    """A stage of a workflow's own at its place.

    `key` names the step in the ledger: the stage's name, numbered where a workflow uses the stage again.
    """

    key: str
    stage: str
    queue: str
    options: Mapping[str, Any]
    version: str

    @property
    def place(self) -> str:
        """What a worker must have to do it: the stage, on the queue."""
        return f"{self.stage}@{self.queue}"


@dataclass(frozen=True, slots=True)
class Plan:
    """The steps of a workflow beyond the plain flow; all empty is plain ingest.

    `cutting` holds the options of chunk, `route` and `sidecar` those of the words that intake obeys. `told` are the
    parameters that the job itself was given: when it is tried again, they hold as they did.
    """

    documents: tuple[Step, ...] = ()
    chunks: tuple[Step, ...] = ()
    cutting: Mapping[str, Any] = field(default_factory=dict)
    route: Mapping[str, Any] = field(default_factory=dict)
    sidecar: Mapping[str, Any] = field(default_factory=dict)
    told: Mapping[str, Any] = field(default_factory=dict)

    @property
    def texts(self) -> tuple[str, ...]:
        """What is done to a document batch after it is read, in order; `chunk` is the last."""
        return (*(step.key for step in self.documents), "chunk")

    @property
    def fan(self) -> tuple[str, ...]:
        """What is done to each chunk batch, in order."""
        return (*(step.key for step in self.chunks), "embed", "upsert")

    @property
    def collections(self) -> tuple[str, ...]:
        """The collections that the plan's route names."""
        otherwise = self.route.get("otherwise")
        return (*self.route.get("collections", {}).values(), *([otherwise] if otherwise else []))

    def rest(self, key: str) -> tuple[str, ...]:
        """What follows a task of this step up to the next fan or the end, chunk batches by themselves."""
        if key in ("extract", "ocr"):
            return self.texts
        if key in self.texts:
            return self.texts[self.texts.index(key) + 1 :]
        if key in self.fan:
            return (*self.fan[self.fan.index(key) + 1 :], "finalize")
        return ()

    @property
    def own(self) -> tuple[Step, ...]:
        """The steps of the workflow's own, in order."""
        return (*self.documents, *self.chunks)

    def step(self, key: str) -> Step | None:
        """The step of the workflow's own with this key; None for a stage of the engine."""
        return next((step for step in self.own if step.key == key), None)

    @property
    def mark(self) -> str:
        """What of the plan decides the points of a document; "" for plain ingest."""
        made = [[[step.stage, step.version, step.options] for step in steps] for steps in (self.documents, self.chunks)]
        return json.dumps([*made, self.cutting], sort_keys=True) if any((*made, self.cutting)) else ""

    def to_json(self) -> dict[str, Any] | None:
        """JSON-ready data; None for the plain plan."""
        return None if self == PLAIN else asdict(self)

    @classmethod
    def from_json(cls, data: Mapping[str, Any] | None) -> Plan:
        """Read back what `to_json` gave."""
        if data is None:
            return PLAIN
        steps = {name: _steps(data[name]) for name in ("documents", "chunks")}
        return cls(**{**data, **steps})


def _steps(rows: Sequence[Mapping[str, Any]]) -> tuple[Step, ...]:
    return tuple(Step(**row) for row in rows)


PLAIN = Plan()


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
