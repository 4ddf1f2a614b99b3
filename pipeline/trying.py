"""What a workflow would make of a file, stage by stage; nothing is stored and no service is needed."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path
from typing import Any

from celery import Signature

from embeddings.errors import EmbedError
from extractors.errors import ExtractError
from pipeline.composition.decorator import template
from pipeline.composition.plugins import load_workflow
from pipeline.dry_run import Trial
from pipeline.errors import BadRequest, PipelineError, StageFailed
from pipeline.ingest.routing import media_type_of, routed_collection, sidecar_metadata
from pipeline.plan import Plan
from pipeline.services import Services

__all__ = ["try_file"]

SHOWN_NUMBERS = 5
"""Numbers of a vector that are shown."""


def try_file(services: Services, path: Path, workflow: str) -> dict[str, Any]:
    """The output of every stage for one file, JSON-ready; where one fails, `error` says how, and the rest is left out.

    Raises:
        BadRequest: no such file or workflow.
    """
    plan = load_workflow(workflow, services.settings.workflow_options)
    if not path.is_file():
        raise BadRequest(f"There is no file {path}.", "Name a single file.")
    stages: list[dict[str, Any]] = []
    told: dict[str, Any] = {"file": str(path), "workflow": workflow, "stages": stages, "error": None}
    try:
        # One by one: what was made before a stage fails is shown.
        stages.extend(_outputs(services, path, plan))
    except (ExtractError, EmbedError) as error:
        told["error"] = {"code": error.code, "message": str(error), "hint": error.hint}
    except PipelineError as error:
        told["error"] = {"code": error.code, "message": error.message, "hint": error.advice}
    except (Exception, SystemExit) as error:  # a door: a stage of somebody else's may raise anything
        message = f"The stage failed: {type(error).__name__}: {error}"
        told["error"] = {"code": StageFailed.code, "message": message, "hint": StageFailed.hint}
    return told


def _outputs(services: Services, path: Path, plan: Plan) -> Iterator[dict[str, Any]]:
    if plan.route:
        kind = media_type_of(str(path), path, services.settings.options)
        collection = routed_collection(plan, kind) or services.settings.collection
        yield {"stage": "route", "seconds": 0.0, "media_type": kind, "collection": collection}
    metadata = dict(sidecar_metadata(plan, path))
    if plan.sidecar:
        yield {"stage": "sidecar", "seconds": 0.0, "metadata": metadata}
    trial = Trial.of(path, services, metadata)
    yield _output(trial)
    for one in _templates(plan):
        trial = trial.through(one)
        yield _output(trial)


def _templates(plan: Plan) -> Iterator[Signature]:
    yield from (template(step.stage, step.options) for step in plan.documents)
    yield template("chunk", plan.cutting)
    yield from (template(step.stage, step.options) for step in plan.chunks)
    yield from (template(name, {}) for name in ("embed", "upsert"))


def _output(trial: Trial) -> dict[str, Any]:
    """What the last stage made."""
    name, seconds = trial.took[-1]
    told: dict[str, Any] = {"stage": name, "seconds": round(seconds, 3)}
    if trial.points is not None:
        return {**told, "points": [{"id": one.id, "payload": one.payload} for one in trial.points]}
    if trial.vectors is not None:
        first = [[round(float(value), 4) for value in row[:SHOWN_NUMBERS]] for row in trial.vectors]
        return {**told, "dimensions": int(trial.vectors.shape[1]), "vectors": first}
    if trial.chunks is not None:
        return {**told, "chunks": [asdict(one) for one in trial.chunks]}
    document = trial.document
    facts = {"media_type": document.media_type, "title": trial.about.title, "pages": len(document.pages)}
    sections = [asdict(one) for one in document.sections]
    more = {"text": document.text, "sections": sections, "metadata": document.metadata}
    return {**told, "document": {**facts, **more, "warnings": list(document.warnings)}}
