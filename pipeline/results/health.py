"""Results about health: each part of the system, whether it is well, and what to do where it is not."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from pipeline.results.base import Result

__all__ = ["HealthReport", "HealthState", "PartHealth"]

HealthState = Literal["ok", "degraded", "failed"]


class PartHealth(Result):
    """One part: `degraded` works, but not as it should, or is not known; `failed` does not work.

    `age_s` is how many seconds ago it was last seen well; None if the process that reports it never saw it so. `cause`
    and `hint` are empty while it is ok. `measured` are numbers by name, with the unit in the name.
    """

    name: str
    state: HealthState
    age_s: float | None
    cause: str = ""
    hint: str = ""
    measured: dict[str, float] = Field({})


class HealthReport(Result):
    """The parts of the system, and the worst of their states.

    `reachable` is False where no stack runs, or its broker does not answer. `installation` is what
    `docrelay doctor` finds on its machine besides; the API leaves it empty.
    """

    state: HealthState
    reachable: bool
    at: str
    version: str
    parts: list[PartHealth]
    installation: list[PartHealth] = Field([])
