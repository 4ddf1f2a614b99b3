"""`TraceContext`: the ids of a trace and of one span in it, as W3C Trace Context writes them."""

from __future__ import annotations

import re
import secrets
from typing import NamedTuple

__all__ = ["TraceContext"]

TRACEPARENT = re.compile(r"00-(?!0{32})([0-9a-f]{32})-(?!0{16})([0-9a-f]{16})-([0-9a-f]{2})")
SAMPLED = 1
"""The bit of the flags that says that a trace is recorded."""


class TraceContext(NamedTuple):
    """A span's place: `trace_id` of 32 and `span_id` of 16 hexadecimal digits. Source: w3.org/TR/trace-context.

    `is_sampled` says whether the spans of the trace are exported: who begins a trace decides it for all of them.
    """

    trace_id: str
    span_id: str
    is_sampled: bool = True

    @classmethod
    def new(cls, *, is_sampled: bool = True) -> TraceContext:
        """The first span of a new trace."""
        return cls(secrets.token_hex(16), secrets.token_hex(8), is_sampled)

    @classmethod
    def by_share(cls, share: float) -> TraceContext:
        """The first span of a new trace, sampled by its id as OpenTelemetry does it: this share (0 to 1) of all is."""
        new = cls.new()
        return new._replace(is_sampled=int(new.trace_id[16:], 16) < share * 2**64)

    @classmethod
    def parse(cls, traceparent: str | None) -> TraceContext | None:
        """The span that a `traceparent` names; None for anything else."""
        found = TRACEPARENT.fullmatch(traceparent or "")
        return cls(found[1], found[2], bool(int(found[3], 16) & SAMPLED)) if found else None

    def child(self) -> TraceContext:
        """A new span of the same trace."""
        return self._replace(span_id=secrets.token_hex(8))

    def __str__(self) -> str:
        """The `traceparent`."""
        return f"00-{self.trace_id}-{self.span_id}-{int(self.is_sampled):02x}"
