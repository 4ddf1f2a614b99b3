"""`Finding`: what a check has found about one part of the system, as plain data."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from pipeline.errors.problem import KNOWN, problem_of
from pipeline.results import HealthState

__all__ = ["Finding", "degraded", "failed", "finding_of", "ok"]

AWAY_HINT = "Look at the log of that service, and at those in `logs/` of the data folder."


@dataclass(frozen=True, slots=True)
class Finding:
    """State of a part. `age_s`: seconds since it was last seen well, where the check knows it better than its caller.

    Of a part that is ok it is 0, unless the evidence is older, such as a heartbeat.
    """

    state: HealthState
    cause: str = ""
    hint: str = ""
    age_s: float | None = None
    measured: Mapping[str, float] = field(default_factory=dict)


def ok(age_s: float = 0.0, **measured: float) -> Finding:
    """The part works."""
    return Finding("ok", age_s=age_s, measured=measured)


def degraded(cause: str, hint: str, age_s: float | None = None, **measured: float) -> Finding:
    """The part works, but not as it should."""
    return Finding("degraded", cause, hint, age_s, measured)


def failed(cause: str, hint: str, age_s: float | None = None, **measured: float) -> Finding:
    """The part does not work."""
    return Finding("failed", cause, hint, age_s, measured)


def finding_of(error: Exception) -> Finding:
    """The finding for a check that raised an error."""
    if isinstance(error, KNOWN):
        problem = problem_of(error)
        return failed(problem.message, problem.hint)
    return failed(f"{type(error).__name__}: {getattr(error, 'orig', None) or error}", AWAY_HINT)
