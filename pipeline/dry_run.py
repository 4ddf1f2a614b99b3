"""A file on its way through stages in this process, for notebooks and `docrelay try`: no service, nothing stored.

So `extract("letter.pdf") | chunk(tokens=128) | embed()` is a trial with a document, its chunks and their vectors.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from hashlib import sha256
from pathlib import Path
from typing import TYPE_CHECKING, Any

from celery import Signature

from extractors import finish
from extractors.document import Document
from pipeline.composition.validation import Found, steps_in
from pipeline.errors import BadRequest
from pipeline.ingest.walk import source_of
from pipeline.plan import Plan, Step
from pipeline.services import Services
from pipeline.settings import load_settings
from pipeline.stages.chunk import cut_as_planned
from pipeline.stages.chunking import Chunk
from pipeline.stages.custom import annotated, changed
from pipeline.stages.extract import page_groups, title_of
from pipeline.stages.sandbox import Sandbox
from pipeline.stages.upsert import points
from pipeline.types import About

if TYPE_CHECKING:
    from embeddings.vectors import Vectors
    from pipeline.vectorstore.base import Point

__all__ = ["Trial", "read_file"]


@dataclass(frozen=True)
class Trial:
    """What has become of a file so far; each stage gives a new trial, the one before stays as it is.

    `vectors` are (n, dim) float32 in the order of `chunks`; what no stage has made yet is None. `took` holds the
    stages in order, and the seconds of each.
    """

    services: Services
    about: About
    document: Document
    chunks: list[Chunk] | None = None
    vectors: Vectors | None = None
    points: list[Point] | None = None
    took: tuple[tuple[str, float], ...] = ()

    @classmethod
    def of(cls, path: Path, services: Services | None = None, metadata: dict[str, Any] | None = None) -> Trial:
        """Read a file, scanned pages too.

        Raises:
            ExtractError: it cannot be read.
        """
        here, began = services or Services(load_settings()), time.monotonic()
        document = read_file(here, path)
        source = source_of(Path(os.path.abspath(path)))  # noqa: PTH100 - as intake names it
        facts = About(
            document_id="trial",
            version_id="trial",
            source=source,
            title=title_of(document, source),
            media_type=document.media_type,
            language=document.language,
            content_sha256=sha256(path.read_bytes()).hexdigest(),
            modified_at=path.stat().st_mtime,
            metadata=metadata or {},
        )
        return cls(here, facts, document, took=(("extract", time.monotonic() - began),))

    def __or__(self, template: Signature) -> Trial:
        """The trial after the stages of this signature."""
        if not isinstance(template, Signature):
            return NotImplemented
        return self.through(template)

    def through(self, template: Signature) -> Trial:
        """The trial after the stages of this signature.

        Raises:
            BadRequest: a stage comes before what it works on is there.
        """
        trial = self
        for found in steps_in(template):
            began = time.monotonic()
            after = STAGES[found.place](trial, found)
            trial = replace(after, took=(*trial.took, (found.name, time.monotonic() - began)))
        return trial

    def _document(self, found: Found) -> Trial:
        if found.stage is None or self.chunks is not None:
            raise BadRequest(f"{found.name}() works on documents.", "Write it before chunk().")
        document = changed(found.stage, _step(found), self.document, self.about)
        return replace(self, document=document, about=replace(self.about, title=title_of(document, self.about.source)))

    def _chunk(self, found: Found) -> Trial:
        chunks = cut_as_planned(self.services, (self.services.spec, Plan(cutting=found.options)), self.document)
        return replace(self, chunks=chunks, vectors=None, points=None)

    def _chunks(self, found: Found) -> Trial:
        if found.stage is None or self.chunks is None or self.vectors is not None:
            raise BadRequest(f"{found.name}() works on chunks.", "Write it after chunk() and before embed().")
        return replace(self, chunks=annotated(found.stage, _step(found), self.chunks, self.about))

    def _embed(self, _found: Found) -> Trial:
        if self.chunks is None:
            raise BadRequest("There are no chunks yet.", "Write chunk() before embed().")
        return replace(
            self,
            vectors=self.services.models.embedder(self.services.spec, self.services.fingerprint).embed(
                [one.text for one in self.chunks]
            ),
        )

    def _upsert(self, _found: Found) -> Trial:
        from pipeline.stages.artifacts import Part

        if self.chunks is None or self.vectors is None:
            raise BadRequest("There are no vectors yet.", "Write embed() before upsert().")
        part = Part(tuple(("trial", one) for one in self.chunks), {"trial": self.about})
        return replace(self, points=points(part, self.vectors, {"trial"}, self.services.fingerprint.id))

    def _nothing(self, _found: Found) -> Trial:
        return self


def read_file(services: Services, path: Path) -> Document:
    """Read a file behind the same wall and limits as a worker does. Raises ExtractError."""
    settings = services.settings
    sandbox = Sandbox(settings.extract_memory_mb)
    try:
        document = sandbox.extract(path, settings.options, settings.extract_timeout_s)
        read, warnings = [], []
        for group in page_groups(document.pending, settings.ocr_group_pages):
            pages, told = sandbox.ocr(path, group, settings.options, settings.ocr_timeout_s * len(group))
            read += pages
            warnings += told
    finally:
        sandbox.close()
    return finish(document, read, warnings) if read else document


def _step(found: Found) -> Step:
    return Step(found.name, found.name, "", found.options, "")


STAGES: dict[str, Callable[[Trial, Found], Trial]] = {
    "document": Trial._document,
    "chunk": Trial._chunk,
    "chunks": Trial._chunks,
    "embed": Trial._embed,
    "upsert": Trial._upsert,
    **dict.fromkeys(("extract", "route", "sidecar", "finalize"), Trial._nothing),
}
