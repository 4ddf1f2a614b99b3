"""`Traces`: exports the spans of a process to the OpenTelemetry collector of the setting `traces_url`.

The spans are plain data and are made when what they describe has ended: a stage knows only after its commit which
documents it has brought on. What a process has not sent when it ends is sent then (`close_traces`); one that is killed
loses the spans of its last second.
"""

from __future__ import annotations

import atexit
import threading
import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, TypeAlias

from pipeline.settings import Settings
from pipeline.tracing.context import TraceContext

if TYPE_CHECKING:
    from opentelemetry.sdk.resources import Resource
    from opentelemetry.sdk.trace import ReadableSpan
    from opentelemetry.sdk.trace.export import BatchSpanProcessor
    from opentelemetry.trace import SpanContext

__all__ = ["Attributes", "Span", "Traces", "close_traces"]

SERVICE = "docrelay"
TRACES_PATH = "/v1/traces"
DELAY_MS = 1000
TIMEOUT_S = 5
END_S = 2.0
"""A process that ends gives a collector so long to take its last spans."""

MAX_LINKS = 128
"""Links of a span that OpenTelemetry keeps by default."""

Attributes: TypeAlias = Mapping[str, str | int | float | bool | None]


@dataclass(frozen=True, slots=True)
class Span:
    """Something that was done; `start` and `end` are seconds since the epoch.

    Args:
        name: what was done, one of few names.
        context: the span itself.
        parent: the span that it is a part of; None for the first span of a trace.
        start: when it began.
        end: when it ended.
        attributes: facts, by their names; those that are None are left out.
        links: spans of other traces that it has to do with.
        error: why it failed; None if it did not.
        is_request: whether it served a request of another program.
    """

    name: str
    context: TraceContext
    parent: TraceContext | None
    start: float
    end: float
    attributes: Attributes = field(default_factory=dict)
    links: Sequence[TraceContext] = ()
    error: str | None = None
    is_request: bool = False


class Traces:
    """The spans of this process. Get it by `services.singleton(Traces)`: its thread does not survive a fork."""

    def __init__(self, settings: Settings) -> None:
        self._url = settings.traces_url
        self._share = settings.traces_share

    @property
    def is_on(self) -> bool:
        """Whether spans are exported."""
        return self._url is not None

    def begin(self) -> TraceContext:
        """The first span of a new trace, which is sampled or not by the setting `traces_share`."""
        return TraceContext.by_share(self._share)

    def export(self, spans: Iterable[Span]) -> None:
        """Export spans of sampled traces soon, in the background; without a collector that answers they are dropped."""
        if self.is_on:
            for span in (span for span in spans if span.context.is_sampled):
                self.processor.on_end(_readable(span, self.resource))

    @cached_property
    def processor(self) -> BatchSpanProcessor:
        """Sends what has ended, once a second. Only where traces are on."""
        from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
        from opentelemetry.sdk.trace.export import BatchSpanProcessor

        exporter = OTLPSpanExporter(endpoint=(self._url or "").rstrip("/") + TRACES_PATH, timeout=TIMEOUT_S)
        processor = BatchSpanProcessor(exporter, schedule_delay_millis=DELAY_MS)
        _ends.append(_End(processor))
        return processor

    @cached_property
    def resource(self) -> Resource:
        """What every span says of this process."""
        from opentelemetry.sdk.resources import SERVICE_NAME, Resource

        return Resource.create({SERVICE_NAME: SERVICE})


class _End:
    """Sends the last spans of a processor, in a thread: `shutdown` has no limit of its own.

    The thread is started at once, as Python 3.12 starts none at the end of a process.
    """

    def __init__(self, processor: BatchSpanProcessor) -> None:
        self._processor = processor
        self._begin = threading.Event()
        self._thread = threading.Thread(target=self._shut_down, name="traces-end", daemon=True)
        self._thread.start()

    def begin(self) -> None:
        """Send what waits; spans that are exported from now on are dropped."""
        self._begin.set()

    def wait(self, seconds: float) -> None:
        """Wait until everything is sent, at most so long."""
        self._thread.join(max(seconds, 0.0))

    def _shut_down(self) -> None:
        self._begin.wait()
        self._processor.shutdown()  # type: ignore[no-untyped-call]


_ends: list[_End] = []


@atexit.register
def close_traces() -> None:
    """Send the spans that wait in this process, within `END_S`; who ends a process without `atexit` calls it."""
    until = time.monotonic() + END_S
    for end in _ends:
        end.begin()
    for end in _ends:
        end.wait(until - time.monotonic())


def _readable(span: Span, resource: Resource) -> ReadableSpan:
    from opentelemetry.sdk.trace import ReadableSpan
    from opentelemetry.trace import Link, SpanKind, Status, StatusCode

    return ReadableSpan(
        name=span.name,
        context=_span_context(span.context),
        parent=span.parent and _span_context(span.parent),
        resource=resource,
        attributes={name: value for name, value in span.attributes.items() if value is not None},
        links=[Link(_span_context(link)) for link in span.links[:MAX_LINKS]],
        kind=SpanKind.SERVER if span.is_request else SpanKind.INTERNAL,
        status=Status(StatusCode.OK) if span.error is None else Status(StatusCode.ERROR, span.error),
        start_time=round(span.start * 1e9),
        end_time=round(span.end * 1e9),
    )


def _span_context(context: TraceContext) -> SpanContext:
    from opentelemetry.trace import SpanContext, TraceFlags

    return SpanContext(
        int(context.trace_id, 16), int(context.span_id, 16), is_remote=True, trace_flags=TraceFlags(TraceFlags.SAMPLED)
    )
