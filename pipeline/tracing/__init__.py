"""OpenTelemetry traces: one trace for each document, from the request that brought it to the moment it is searchable.

`context` says which trace a span belongs to, `spans` exports spans. Nothing is recorded without the setting
`traces_url`. Which spans there are: docs/traces.md.
"""

from pipeline.tracing.context import TraceContext
from pipeline.tracing.spans import Attributes, Span, Traces, close_traces

__all__ = ["Attributes", "Span", "TraceContext", "Traces", "close_traces"]
