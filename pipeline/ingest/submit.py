"""Submit files: check a request, find its files, and record its job. The CLI, the API and watched folders do this."""

from __future__ import annotations

import json
import re
import uuid
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any, get_args

import structlog

from extractors.options import OcrMode
from pipeline.catalog import Connection
from pipeline.catalog.database.connection import writing
from pipeline.catalog.index import collections
from pipeline.catalog.work import jobs
from pipeline.catalog.work.jobs import Job
from pipeline.composition.plugins import load_workflow
from pipeline.engine.unserved import check_served
from pipeline.errors import BadRequest
from pipeline.ingest.request import Request
from pipeline.ingest.walk import Candidate, find_files, source_of_path
from pipeline.names import COLLECTION
from pipeline.plan import Plan
from pipeline.services import Services
from pipeline.types import NamedPaths, canonical

__all__ = ["check", "check_terms", "find", "new_job", "open_job", "plan_for", "record_job"]

log = structlog.get_logger()


def find(services: Services, request: Request) -> list[Candidate]:
    """Check the request and find its files. Nothing is recorded, and no running stack is needed.

    Raises:
        BadRequest: no such path, workflow, or a wrong priority, tag, option, OCR mode or collection name.
        SpaceMismatch: the collection holds vectors of another model.
    """
    check(services, request)
    tags = canonical(request.tags)
    return [replace(candidate, tags=tags) for candidate in find_files(services.settings, request.paths)]


def check(services: Services, request: Request) -> None:
    """Check everything of a request but its paths.

    Raises:
        BadRequest: no such workflow, or a wrong priority, tag, option, OCR mode or collection name.
        SpaceMismatch: the collection holds vectors of another model.
        NoWorker: the private stack that runs cannot do the workflow.
    """
    plan = check_terms(services, request)
    with services.catalog.connect() as connection:
        for name in {_with_defaults(services, request)[0], *plan.collections}:
            collections.check_space(connection, name, services.fingerprint)


def check_terms(services: Services, request: Request) -> Plan:
    """Check everything of a request but its paths and what its collections hold. The catalog is not read.

    Returns:
        The plan of its workflow.

    Raises:
        BadRequest: no such workflow, or a wrong priority, tag, option, OCR mode or collection name.
        NoWorker: the private stack that runs cannot do the workflow.
    """
    collection, workflow, urgency = _with_defaults(services, request)
    if not re.fullmatch(COLLECTION, collection):
        raise BadRequest(f"{collection!r} is no name for a collection.", "Use 1 to 64 letters, digits, _ and -.")
    if not 1 <= urgency <= 10:
        raise BadRequest(f"There is no priority {urgency}.", "Priorities go from 1 to 10; 10 is the most urgent.")
    if request.ocr is not None and request.ocr not in get_args(OcrMode):
        raise BadRequest(f"There is no OCR mode {request.ocr!r}.", "The modes are auto, force and off.")
    canonical(request.tags)
    plan = plan_for(services, workflow, request.options)
    check_served(services, plan)
    return plan


def plan_for(services: Services, workflow: str, options: Mapping[str, Any] | None) -> Plan:
    """The plan of a workflow with these parameters; the others are as the setting `workflow_options` says.

    Raises:
        BadRequest: there is no such workflow, or a parameter is unknown or wrong.
    """
    defaults = services.settings.workflow_options
    if not options:
        return load_workflow(workflow, defaults)
    try:
        parameters = json.loads(json.dumps(dict(options), allow_nan=False))
    except (TypeError, ValueError, RecursionError):
        raise BadRequest("The options of the workflow are no JSON.", "Give what JSON can carry.") from None
    plan = load_workflow(workflow, {**defaults, workflow: {**defaults.get(workflow, {}), **parameters}})
    return replace(plan, told=parameters)


def open_job(services: Services, request: Request, candidates: Sequence[Candidate]) -> str:
    """Record a job for the files that `find` found; `pipeline.ingest.intake.ingest_files` does the rest.

    Returns:
        The job's id.

    Raises:
        SpaceMismatch: the collection holds vectors of another model.
        NoWorker: the private stack that runs cannot do the workflow.
    """
    job = new_job(services, request)
    check_served(services, job.plan)
    with writing(services.catalog) as connection:
        return record_job(connection, services, request, [candidate.size for candidate in candidates], job=job).id


def new_job(services: Services, request: Request) -> Job:
    """A job for the request, not recorded. Call it without a lock: it calls the workflow's function and reads files.

    Raises:
        BadRequest: there is no such workflow, or a parameter is unknown or wrong.
    """
    collection, workflow, urgency = _with_defaults(services, request)
    _ = services.fingerprint  # reads files of the model, which the transaction that records the job must not do
    plan = plan_for(services, workflow, request.options)
    return Job(collection, workflow, urgency, plan, request.ocr, trace=request.trace)


def record_job(
    connection: Connection,
    services: Services,
    request: Request,
    sizes: Sequence[int],
    *,
    closed: bool = False,
    job: Job | None = None,
) -> Job:
    """Record a job within the caller's transaction.

    Args:
        connection: a writing transaction.
        services: the engine's services.
        request: the request.
        sizes: bytes of each document.
        closed: whether the job waits for no further documents.
        job: what `new_job` made of the request.

    Raises:
        SpaceMismatch: the collection holds vectors of another model.
    """
    job = job or new_job(services, request)
    weight = sum(size + jobs.OVERHEAD_BYTES for size in sizes)
    request_id = request.request_id or uuid.uuid4().hex[:12]
    if job.plan.route or not closed:  # else its documents register it, in the same transaction
        collections.register(connection, job.collection, services.fingerprint, services.spec)
    paths = tuple(source_of_path(path) for path in request.paths)
    jobs.create(connection, job, request_id, weight, named=NamedPaths(paths, request.confined), closed=closed)
    log.info("job.opened", request=request_id, job=job.id, collection=job.collection, documents=len(sizes))
    return job


def _with_defaults(services: Services, request: Request) -> tuple[str, str, int]:
    settings = services.settings
    urgency = settings.priority if request.priority is None else request.priority
    return request.collection or settings.collection, request.workflow or settings.workflow, urgency
