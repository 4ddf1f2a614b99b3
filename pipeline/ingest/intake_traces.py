"""The first span of a document's trace: its intake, where it is recorded in the catalog.

A single document that a request brings is in the trace of the request. Of several, each has a trace of its own with a
link to the request: traces of thousands of documents in one cannot be read. They are sampled if the request is.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from dataclasses import replace

from pipeline.catalog import Connection
from pipeline.catalog.work.attempt_traces import set_traces
from pipeline.catalog.work.jobs import Job
from pipeline.ingest.results import IntakeResult
from pipeline.services import Services
from pipeline.tracing import Attributes, Span, TraceContext, Traces

__all__ = ["export_intake", "place_in_traces"]


def place_in_traces(
    connection: Connection, services: Services, job: Job, results: Sequence[IntakeResult]
) -> list[IntakeResult]:
    """Store the place of each document in its trace, in the transaction that records the documents."""
    traces = services.singleton(Traces)
    if not traces.is_on:
        return list(results)
    request = TraceContext.parse(job.trace)
    placed = [replace(result, trace=_place(traces, request, alone=len(results) == 1)) for result in results]
    set_traces(connection, job.id, {result.document_id: str(result.trace) for result in placed if result.is_queued})
    return placed


def _place(traces: Traces, request: TraceContext | None, *, alone: bool) -> TraceContext:
    if request is None:
        return traces.begin()
    return request.child() if alone else TraceContext.new(is_sampled=request.is_sampled)


def export_intake(services: Services, job: Job, results: Sequence[IntakeResult], began: float) -> None:
    """Export the spans after the commit; `began` is when intake began, in seconds since the epoch."""
    services.singleton(Traces).export(_spans(job, results, began, time.time()))


def _spans(job: Job, results: Sequence[IntakeResult], began: float, now: float) -> Iterator[Span]:
    request = TraceContext.parse(job.trace)
    for result in results:
        if result.trace is None:
            continue
        within = request is not None and request.trace_id == result.trace.trace_id
        code = result.cause.problem.code if result.cause is not None else None
        attributes: Attributes = {
            "docrelay.job.id": job.id,
            "docrelay.collection": job.collection,
            "docrelay.document.id": result.document_id,
            "docrelay.document.source": result.source,
            "docrelay.document.bytes": result.size,
            "docrelay.document.state": result.state,
            "docrelay.error.code": code,
        }
        links = [request] if request is not None and not within else []
        yield Span("intake", result.trace, request if within else None, began, now, attributes, links, code)
