"""The spans of a task: one in the trace of each of its documents, and one of the whole task if it has several.

The span of a task has links to the documents' spans, and they have one to it: what it took is theirs together.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import structlog

from pipeline.catalog import CATALOG_ERRORS
from pipeline.catalog.work import attempt_traces
from pipeline.catalog.work.attempt_traces import Outcome, TracedAttempt
from pipeline.catalog.work.ledger import Claim
from pipeline.services import Services
from pipeline.tracing import Attributes, Span, TraceContext, Traces

__all__ = ["TaskTrace", "begin", "end", "log_fields", "spans_of"]

log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class TaskTrace:
    """A task that has begun: its documents that are under way, and when it began, in seconds since the epoch."""

    documents: Sequence[TracedAttempt]
    began: float


def begin(services: Services, claim: Claim) -> TaskTrace:
    """Look up the documents of a task that this process has claimed; none if the catalog cannot say."""
    documents: list[TracedAttempt] = []
    try:
        with services.catalog.connect() as connection:
            documents = attempt_traces.list_running(connection, claim.batch_id, claim.detail.get("attempts"))
    except CATALOG_ERRORS as error:  # the stage meets it too, and is retried for it
        log.warning("trace.dropped", error=f"{type(error).__name__}: {error}")
    return TaskTrace(documents, time.time())


def log_fields(trace: TaskTrace) -> dict[str, str | int]:
    """What log lines of the task carry: of a single document its id and that of its trace, of several their number."""
    if len(trace.documents) != 1:
        return {"documents": len(trace.documents)}
    (document,) = trace.documents
    context = TraceContext.parse(document.trace)
    fields: dict[str, str | int] = {"document": document.document_id}
    return fields if context is None else {**fields, "trace": context.trace_id}


def end(services: Services, claim: Claim, runner: str, trace: TaskTrace, outcome: str) -> None:
    """Export the spans of a task that was committed, retried or lost."""
    traces = services.singleton(Traces)
    if not traces.is_on or not any(_is_sampled(document) for document in trace.documents):
        return
    ids = [document.attempt_id for document in trace.documents]
    try:
        with services.catalog.connect() as connection:
            reached = attempt_traces.outcomes(connection, ids)
    except CATALOG_ERRORS as error:  # the work is done, and its spans are not worth a retry
        log.warning("trace.dropped", error=f"{type(error).__name__}: {error}")
        return
    facts: Attributes = {"docrelay.job.id": claim.job_id, "docrelay.worker": runner, "docrelay.start": claim.starts}
    traces.export(spans_of(claim, trace, reached, time.time(), {**facts, "docrelay.outcome": outcome}))


def spans_of(
    claim: Claim, trace: TaskTrace, reached: Mapping[str, Outcome], now: float, facts: Attributes
) -> Iterator[Span]:
    """The spans of a task. That of the whole task is sampled if one of its documents is.

    Args:
        claim: the task.
        trace: its documents and its begin.
        reached: where each attempt has come to.
        now: when the task ended.
        facts: attributes of every span.
    """
    parents = {document: TraceContext.parse(document.trace) for document in trace.documents}
    own = {document: parent.child() for document, parent in parents.items() if parent is not None}
    is_sampled = any(context.is_sampled for context in own.values())
    task = TraceContext.new(is_sampled=is_sampled) if len(trace.documents) > 1 else None
    part: Attributes = {**facts, "docrelay.batch.id": claim.batch_id, "docrelay.part": claim.part}
    for document, context in own.items():
        outcome = reached.get(document.attempt_id, Outcome("deleted", None))
        attributes: Attributes = {
            **part,
            "docrelay.document.id": document.document_id,
            "docrelay.document.state": outcome.state,
            "docrelay.error.code": outcome.code,
        }
        links = [task] if task is not None else []
        yield Span(claim.stage, context, parents[document], trace.began, now, attributes, links, _error(facts, outcome))
    if task is not None and own:
        attributes = {**part, "docrelay.documents": len(trace.documents)}
        yield Span(f"{claim.stage} batch", task, None, trace.began, now, attributes, list(own.values()))


def _is_sampled(document: TracedAttempt) -> bool:
    context = TraceContext.parse(document.trace)
    return context is not None and context.is_sampled


def _error(facts: Attributes, outcome: Outcome) -> str | None:
    if outcome.state == "failed":
        return outcome.code
    return str(facts["docrelay.outcome"]) if facts["docrelay.outcome"] in ("retried", "lost") else None
