"""`TraceContext`: the ids of a trace and of one span in it, as W3C Trace Context writes them."""

from __future__ import annotations

import re
import secrets
from typing import NamedTuple

__all__ = ["TraceContext"]

TRACEPARENT = re.compile(r"00-(?!0{32})([0-9a-f]{32})-(?!0{16})([0-9a-f]{16})-[0-9a-f]{2}")


class TraceContext(NamedTuple):
    """A span's place: `trace_id` of 32 and `span_id` of 16 hexadecimal digits. Source: w3.org/TR/trace-context."""

    trace_id: str
    span_id: str

    @classmethod
    def new(cls) -> TraceContext:
        """The first span of a new trace."""
        return cls(secrets.token_hex(16), secrets.token_hex(8))

    @classmethod
    def parse(cls, traceparent: str | None) -> TraceContext | None:
        """The span that a `traceparent` names; None for anything else."""
        found = TRACEPARENT.fullmatch(traceparent or "")
        return cls(*found.groups()) if found else None

    def child(self) -> TraceContext:
        """A new span of the same trace."""
        return TraceContext(self.trace_id, secrets.token_hex(8))

    def __str__(self) -> str:
        """The `traceparent`, which says that the trace is recorded."""
        return f"00-{self.trace_id}-{self.span_id}-01"
