"""Dry runs: a file goes through the stages in this process, for notebooks and `docrelay try`; nothing is stored.

`extract("letter.pdf") | chunk(tokens=128) | embed()` is a `Trial` with the document, its chunks and their vectors.

Workflows import the public name `extract` from here. The modules that run stages are therefore imported when a file
is read, and not with this module.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass, replace
from hashlib import sha256
from pathlib import Path
from typing import TYPE_CHECKING, Any

from celery import Signature

from extractors.document import Document
from pipeline.composition import builtins
from pipeline.composition.decorator import template
from pipeline.composition.validation import WorkflowStep, steps_in
from pipeline.errors import BadRequest, StageFailed
from pipeline.errors.problem import KNOWN, problem_of
from pipeline.plan import Plan, Step
from pipeline.types import About, Chunk

if TYPE_CHECKING:
    from embeddings.vectors import Vectors
    from pipeline.services import Services
    from pipeline.vectorstore.base import Point

__all__ = ["Trial", "extract", "read_file", "try_file"]


@dataclass(frozen=True)
class Trial:
    """A file after some stages. Each further stage gives a new trial and leaves this one as it is.

    `vectors` are (n, dim) float32 in the order of `chunks`. Results of stages that have not run are None. `took` holds
    the stages in order, each with its seconds.
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
        from pipeline.ingest.walk import source_of_path
        from pipeline.services import Services
        from pipeline.settings import load_settings
        from pipeline.stages.extract import title_of

        services, began = services or Services(load_settings()), time.monotonic()
        document = read_file(services, path)
        source = source_of_path(path)
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
        return cls(services, facts, document, took=(("extract", time.monotonic() - began),))

    def __or__(self, template: Signature) -> Trial:
        """Run the stages of this signature on the trial."""
        if not isinstance(template, Signature):
            return NotImplemented
        return self.run_stages(template)

    def run_stages(self, template: Signature) -> Trial:
        """Run the stages of this signature on the trial.

        Raises:
            BadRequest: a stage comes before the stage that makes its input.
        """
        trial = self
        for step in steps_in(template):
            began = time.monotonic()
            after = RUNNERS[step.position](trial, step)
            trial = replace(after, took=(*trial.took, (step.name, time.monotonic() - began)))
        return trial


class _Extract(builtins.BuiltinStage):
    """The stage extract; with a path as data it begins a dry run."""

    def __call__(self, *data: Any, **options: Any) -> Any:
        """Return a signature; with a path, read that file."""
        if data and isinstance(data[0], (str, Path)):
            data = (Trial.of(Path(data[0])),)
        return super().__call__(*data, **options)


extract = _Extract(builtins.extract.name, builtins.extract.parameters, builtins.extract.meaning)


def read_file(services: Services, path: Path) -> Document:
    """Read a file, scanned pages too, in the sandbox and within the limits of a worker. Raises ExtractError."""
    from extractors import finish
    from pipeline.stages.extract import page_groups
    from pipeline.stages.sandbox import Sandbox

    settings = services.settings
    sandbox = Sandbox(settings.extract_memory_mb)  # without a data folder: a trial leaves nothing in it
    try:
        document = sandbox.extract(path, settings.options, settings.extract_timeout_s)
        pages, warnings = [], []
        for group in page_groups(document.pending, settings.ocr_group_pages):
            group_pages, group_warnings = sandbox.ocr(
                path, group, settings.options, settings.ocr_timeout_s * len(group)
            )
            pages += group_pages
            warnings += group_warnings
    finally:
        sandbox.close()
    return finish(document, pages, warnings, settings.options) if pages else document


def _run_document_stage(trial: Trial, step: WorkflowStep) -> Trial:
    from pipeline.stages.custom import run_document_stage
    from pipeline.stages.extract import title_of

    if step.stage is None or trial.chunks is not None:
        raise BadRequest(f"{step.name}() works on documents.", "Write it before chunk().")
    document = run_document_stage(step.stage, _planned(step), trial.document, trial.about)
    return replace(trial, document=document, about=replace(trial.about, title=title_of(document, trial.about.source)))


def _run_chunk(trial: Trial, step: WorkflowStep) -> Trial:
    from pipeline.stages.chunk import cut_as_planned

    chunks = cut_as_planned(trial.services, (trial.services.spec, Plan(cutting=step.options)), trial.document)
    return replace(trial, chunks=chunks, vectors=None, points=None)


def _run_chunk_stage(trial: Trial, step: WorkflowStep) -> Trial:
    from pipeline.stages.custom import run_chunk_stage

    if step.stage is None or trial.chunks is None or trial.vectors is not None:
        raise BadRequest(f"{step.name}() works on chunks.", "Write it after chunk() and before embed().")
    return replace(trial, chunks=run_chunk_stage(step.stage, _planned(step), trial.chunks, trial.about))


def _run_embed(trial: Trial, _step: WorkflowStep) -> Trial:
    if trial.chunks is None:
        raise BadRequest("There are no chunks yet.", "Write chunk() before embed().")
    embedder = trial.services.models.embedder(trial.services.spec, trial.services.fingerprint)
    return replace(trial, vectors=embedder.embed([chunk.searched_text for chunk in trial.chunks]))


def _run_upsert(trial: Trial, _step: WorkflowStep) -> Trial:
    from pipeline.stages.artifacts import Part
    from pipeline.stages.upsert import points

    if trial.chunks is None or trial.vectors is None:
        raise BadRequest("There are no vectors yet.", "Write embed() before upsert().")
    part = Part(tuple(("trial", chunk) for chunk in trial.chunks), {"trial": trial.about})
    space = (trial.services.fingerprint.id, trial.services.spec.analyser)
    return replace(trial, points=points(part, trial.vectors, {"trial"}, space))


def _run_nothing(trial: Trial, _step: WorkflowStep) -> Trial:
    return trial


def _planned(step: WorkflowStep) -> Step:
    return Step(step.name, step.name, "", step.options, "")


RUNNERS: dict[str, Callable[[Trial, WorkflowStep], Trial]] = {
    "document": _run_document_stage,
    "chunk": _run_chunk,
    "chunks": _run_chunk_stage,
    "embed": _run_embed,
    "upsert": _run_upsert,
    **dict.fromkeys(("extract", "route", "sidecar", "finalize"), _run_nothing),
}
"""The function that runs a step, by the step's position in the order of a workflow."""


SHOWN_NUMBERS = 5
"""How many numbers of a vector are shown."""


def try_file(services: Services, path: Path, workflow: str) -> dict[str, Any]:
    """Run a workflow on one file and return the output of every stage, JSON-ready.

    Where a stage fails, `error` holds the problem, and the stages after it are left out.

    Raises:
        BadRequest: no such file or workflow.
    """
    from pipeline.composition.plugins import load_workflow

    plan = load_workflow(workflow, services.settings.workflow_options)
    if not path.is_file():
        raise BadRequest(f"There is no file {path}.", "Name a single file.")
    stages: list[dict[str, Any]] = []
    report: dict[str, Any] = {"file": str(path), "workflow": workflow, "stages": stages, "error": None}
    try:
        # One by one: the outputs before a failing stage are shown.
        stages.extend(_outputs(services, path, plan))
    except KNOWN as error:
        report["error"] = problem_of(error).to_json()
    except (Exception, SystemExit) as error:  # an entry point: a stage of a plug-in may raise anything
        failed = StageFailed(f"The stage failed: {type(error).__name__}: {error}")
        report["error"] = problem_of(failed).to_json()
    return report


def _outputs(services: Services, path: Path, plan: Plan) -> Iterator[dict[str, Any]]:
    from pipeline.ingest.routing import media_type_of, routed_collection
    from pipeline.ingest.sidecar import sidecar_metadata

    if plan.route:
        media_type = media_type_of(str(path), path, services.settings.options)
        collection = routed_collection(plan, media_type) or services.settings.collection
        yield {"stage": "route", "seconds": 0.0, "media_type": media_type, "collection": collection}
    metadata = dict(sidecar_metadata(plan, path))
    if plan.sidecar:
        yield {"stage": "sidecar", "seconds": 0.0, "metadata": metadata}
    trial = Trial.of(path, services, metadata)
    yield _output(trial)
    for signature in _signatures(plan):
        trial = trial.run_stages(signature)
        yield _output(trial)


def _signatures(plan: Plan) -> Iterator[Signature]:
    """One signature for each step of the plan after extract."""
    yield from (template(step.stage, step.options) for step in plan.documents)
    yield template("chunk", plan.cutting)
    yield from (template(step.stage, step.options) for step in plan.chunks)
    yield from (template(name, {}) for name in ("embed", "upsert"))


def _output(trial: Trial) -> dict[str, Any]:
    """The output of the last stage of the trial."""
    from pipeline.stages.receipt import sentences

    name, seconds = trial.took[-1]
    output: dict[str, Any] = {"stage": name, "seconds": round(seconds, 3)}
    if trial.points is not None:
        return {**output, "points": [{"id": point.id, "payload": point.payload} for point in trial.points]}
    if trial.vectors is not None:
        first = [[round(float(value), 4) for value in row[:SHOWN_NUMBERS]] for row in trial.vectors]
        return {**output, "dimensions": int(trial.vectors.shape[1]), "vectors": first}
    if trial.chunks is not None:
        return {**output, "chunks": [asdict(chunk) for chunk in trial.chunks]}
    document = trial.document
    facts = {"media_type": document.media_type, "title": trial.about.title, "pages": len(document.pages)}
    sections = [asdict(section) for section in document.sections]
    more = {"text": document.text, "sections": sections, "metadata": document.metadata}
    return {**output, "document": {**facts, **more, **sentences(document)}}
