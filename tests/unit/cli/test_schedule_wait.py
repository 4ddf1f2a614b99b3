"""`docrelay schedule run`: a run is waited for, and where it cannot begin, the missing part is named."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Literal

import pytest

from pipeline.cli.schedule_wait import Controls, wait_for_run
from pipeline.errors import StackUnavailable
from pipeline.results import HealthReport, HealthState, PartHealth, ScheduledEntry

State = Literal["idle", "requested", "running"]


def entry(state: State, runs: int = 0) -> ScheduledEntry:
    return ScheduledEntry(
        name="expiry",
        description="",
        setting="schedule_expiry",
        expression="0 * * * *",
        state=state,
        runs=runs,
        next_run=None,
        last_run=None,
    )


def report(**states: HealthState) -> HealthReport:
    parts = [
        PartHealth(
            name=name.replace("_", "."),
            state=state,
            age_s=None,
            cause=f"{name} is away.",
            hint="Start it.",
            measured={},
        )
        for name, state in states.items()
    ]
    return HealthReport(state="ok", reachable=True, at="", version="", parts=parts)


def controls(states: Iterator[State], *reports: HealthReport) -> Controls:
    """A system whose entry is in these states one after another, and which is well or not at each look."""
    looks = iter(reports)
    return Controls(lambda _: entry("requested"), lambda _: entry(next(states)), lambda: next(looks))


def test_a_run_that_begins_is_waited_for_without_a_look_at_the_system() -> None:
    assert wait_for_run(controls(iter(["requested", "running", "running", "idle"])), "expiry").state == "idle"


def test_a_missing_part_is_named_and_nothing_else() -> None:
    seen = report(broker="ok", beat="failed", workers_store="failed", workers_embed="failed", drift="degraded")
    with pytest.raises(StackUnavailable) as raised:
        wait_for_run(controls(iter([]), seen), "expiry", begins_within_s=0)
    message = raised.value.message
    assert message == "The run of expiry does not begin. beat: beat is away. workers.store: workers_store is away."
    assert raised.value.hint.startswith("Start it.")


def test_a_busy_worker_is_waited_for(capsys: pytest.CaptureFixture[str]) -> None:
    well = report(broker="ok", catalog="ok", beat="ok", workers_store="degraded", workers_embed="failed")
    ended = wait_for_run(controls(iter(["requested", "running", "idle"]), well, well), "expiry", begins_within_s=0)
    assert ended.state == "idle"
    assert capsys.readouterr().err.count("long task") == 2
