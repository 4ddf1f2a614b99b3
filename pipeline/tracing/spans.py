"""`Traces`: exports the spans of a process to the OpenTelemetry collector of the setting `traces_url`.

The spans are plain data and are made when what they describe has ended: a stage knows only after its commit which
documents it has brought on. A process that is killed loses the spans of its last second.
"""

from __future__ import annotations

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

__all__ = ["Attributes", "Span", "Traces"]

SERVICE = "docrelay"
TRACES_PATH = "/v1/traces"
DELAY_MS = 1000
TIMEOUT_S = 5
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

    @property
    def is_on(self) -> bool:
        """Whether spans are exported."""
        return self._url is not None

    def export(self, spans: Iterable[Span]) -> None:
        """Export spans soon, in the background; while the collector cannot be reached they are dropped."""
        if self.is_on:
            for span in spans:
                self.processor.on_end(_readable(span, self.resource))

    @cached_property
    def processor(self) -> BatchSpanProcessor:
        """Sends what has ended, once a second. Only where traces are on."""
        from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
        from opentelemetry.sdk.trace.export import BatchSpanProcessor

        exporter = OTLPSpanExporter(endpoint=(self._url or "").rstrip("/") + TRACES_PATH, timeout=TIMEOUT_S)
        return BatchSpanProcessor(exporter, schedule_delay_millis=DELAY_MS)

    @cached_property
    def resource(self) -> Resource:
        """What every span says of this process."""
        from opentelemetry.sdk.resources import SERVICE_NAME, Resource

        return Resource.create({SERVICE_NAME: SERVICE})


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
