"""The span of a request: in the trace of its `traceparent` header, else the first one of a new trace."""

from __future__ import annotations

import time
from dataclasses import replace
from typing import Any

from fastapi import Request
from starlette.datastructures import Headers
from starlette.types import Scope

from pipeline.ingest.request import Request as Submission
from pipeline.tracing import Attributes, Span, TraceContext, Traces

__all__ = ["RequestTrace", "traced"]

KEY = "trace"


class RequestTrace:
    """The span of one request, which begins now. `context` is None where traces are off or not `wanted`."""

    def __init__(self, traces: Traces, scope: Scope, *, wanted: bool) -> None:
        self._traces = traces
        self._scope = scope
        self._began = time.time()
        is_traced = traces.is_on and wanted
        self._parent = TraceContext.parse(Headers(scope=scope).get("traceparent")) if is_traced else None
        self.context = scope[KEY] = (self._parent.child() if self._parent else traces.begin()) if is_traced else None

    @property
    def log_fields(self) -> dict[str, str]:
        """What log lines of the request carry."""
        return {} if self.context is None else {"trace": self.context.trace_id}

    def end(self, status: int) -> None:
        """Export the span. The route names it and not the path: names chosen by users are no names of spans."""
        if self.context is None:
            return
        route: Any = self._scope.get("route")
        method, path = self._scope["method"][:10], getattr(route, "path", None)
        attributes: Attributes = {
            "http.request.method": method,
            "http.route": path,
            "http.response.status_code": status,
            "docrelay.request.id": self._scope["request_id"],
        }
        error = f"status {status}" if status >= 500 else None
        name = f"{method} {path}" if path else method
        span = Span(name, self.context, self._parent, self._began, time.time(), attributes, (), error, is_request=True)
        self._traces.export([span])


def traced(submission: Submission, request: Request) -> Submission:
    """The submission with the ids of its request, which log lines and traces of its documents carry."""
    context = request.scope.get(KEY)
    trace = None if context is None else str(context)
    return replace(submission, request_id=request.scope["request_id"], trace=trace)
