"""`IntakeResult`: what became of a file at intake."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from pipeline.catalog.work.failures import Failure
from pipeline.tracing import TraceContext

__all__ = ["IntakeResult"]


@dataclass(frozen=True, slots=True)
class IntakeResult:
    """Result of intake for one file: its document is queued, unchanged, or failed for this cause.

    `trace` is its place in a trace; None where traces are off.
    """

    document_id: str
    source: str
    size: int
    state: Literal["queued", "unchanged", "failed"]
    cause: Failure | None = None
    trace: TraceContext | None = None

    @property
    def is_queued(self) -> bool:
        """Whether its job waits for it."""
        return self.state == "queued"
