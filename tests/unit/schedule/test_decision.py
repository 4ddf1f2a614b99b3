"""When an entry of the schedule runs: over any clock, with two workers that look at the same moment, once each time."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta, tzinfo
from pathlib import Path
from typing import NamedTuple
from zoneinfo import ZoneInfo

import pytest
from catalog_tools import undone
from cronsim import CronSim
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy.engine import Connection, Engine

from pipeline.catalog.database.connection import open_catalog, sqlite_url
from pipeline.catalog.work import scheduled_runs
from pipeline.catalog.work.scheduled_runs import Run
from pipeline.schedule.cron import newest_due, next_after
from pipeline.schedule.daily_metrics import days_between
from pipeline.schedule.decision import RETRY_S, TRIES, Begin, GiveUp, Wait, decide, next_run

HOUR, DAY = 3600.0, 86400.0
PERIODS = {"*/15 * * * *": 900.0, "0 * * * *": HOUR, "30 2 * * *": DAY, "0 3 * * 0": 7 * DAY}
"""Expressions, and the longest time between two of their times."""

SUMMER = HOUR
"""Days on which clocks are set are so much longer or shorter, at most."""

ZONES = [ZoneInfo(name) for name in ("UTC", "Europe/Berlin", "America/New_York", "Australia/Lord_Howe")]
START = datetime(2026, 3, 20, tzinfo=UTC).timestamp()
"""Ten days before clocks are set forward in Berlin."""

expressions = st.sampled_from(list(PERIODS))
zones = st.sampled_from(ZONES)
moments = st.floats(START, START + 400 * DAY)


class Look(NamedTuple):
    """Two workers look at the schedule at once, after so many seconds, and after the clock was set by so many."""

    elapsed: float
    jump: float = 0.0


@pytest.fixture(scope="module")
def engine(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Engine]:
    engine = open_catalog(sqlite_url(Path(tmp_path_factory.mktemp("catalog"))))
    yield engine
    engine.dispose()


def times(expression: str, after: float, until: float, zone: tzinfo) -> list[float]:
    """The times in (after, until], counted forward one by one."""
    walk = (due.timestamp() for due in CronSim(expression, datetime.fromtimestamp(after - DAY, zone)))
    return [due for due in itertools.takewhile(lambda due: due <= until, walk) if due > after]


@given(expressions, zones, moments, st.floats(0, 9 * DAY))
def test_the_newest_due_time_is_the_last_that_one_comes_to_by_walking(
    expression: str, zone: ZoneInfo, after: float, seconds: float
) -> None:
    walked = times(expression, after, after + seconds, zone)
    assert newest_due(expression, after, after + seconds, zone) == (walked[-1] if walked else None)


@given(expressions, zones, moments)
def test_the_next_time_comes_within_a_period(expression: str, zone: ZoneInfo, at: float) -> None:
    due = next_after(expression, at, zone)
    assert 0 < due - at <= PERIODS[expression] + SUMMER
    assert newest_due(expression, at, due, zone) == due


def look(connection: Connection, expression: str, now: float, zone: tzinfo) -> list[float]:
    """Two workers read the entry, then both act on what they read; the due times of the runs that were begun."""
    seen = [scheduled_runs.add(connection, "entry", now) for _ in range(2)]
    begun = []
    for worker, run in enumerate(seen):
        step = decide(expression, run, now, zone, lives=True)
        if isinstance(step, Begin):
            claimed = scheduled_runs.begin(connection, run, f"worker-{worker}", step.due_at, step.tries)
            if claimed is not None:
                begun.append(claimed.due_at)
                assert scheduled_runs.end(connection, claimed, 1.0, None, None)
        elif isinstance(step, Wait):
            scheduled_runs.set_due(connection, run, step.due_at)
    return begun


looks = st.lists(st.builds(Look, st.floats(1, 3 * DAY)), min_size=1, max_size=12)
jumping = st.lists(st.builds(Look, st.floats(1, 2 * DAY), st.floats(-30 * DAY, 30 * DAY)), min_size=1, max_size=12)


@given(expressions, zones, looks)
def test_each_time_runs_once_and_missed_ones_are_made_up_by_one(
    engine: Engine, expression: str, zone: ZoneInfo, course: list[Look]
) -> None:
    with undone(engine) as connection:
        before = now = START
        assert look(connection, expression, now, zone) == [], "what was due before the entry was known"
        for step in course:
            before, now = now, now + step.elapsed
            assert look(connection, expression, now, zone) == times(expression, before, now, zone)[-1:]
            assert look(connection, expression, now, zone) == []


@given(expressions, zones, jumping)
def test_clocks_that_are_set_neither_double_a_run_nor_stop_the_entry(
    engine: Engine, expression: str, zone: ZoneInfo, course: list[Look]
) -> None:
    """No time runs twice, but where the clock was set back over more than one period in between."""
    period = PERIODS[expression] + SUMMER
    with undone(engine) as connection:
        now = START
        look(connection, expression, now, zone)
        begun: list[float] = []
        for step in course:
            now += step.elapsed + step.jump
            for due in look(connection, expression, now, zone):
                assert due <= now
                begun.append(due)
            if begun and now < max(begun) - period:
                begun = [due for due in begun if due <= now]
            assert len(begun) == len(set(begun))
        end = now + 2 * period
        while now < end and not look(connection, expression, now, zone):
            now += 600.0
        assert now < end, "the entry has stopped"


@given(expressions, zones, st.floats(1, 10 * DAY))
def test_the_next_run_is_when_the_entry_begins_to_be_due(expression: str, zone: ZoneInfo, seconds: float) -> None:
    run = Run("entry", START)
    shown = next_run(expression, run, START, zone)
    assert shown is not None
    step = decide(expression, run, START + seconds, zone, lives=True)
    assert isinstance(step, Begin) == (START + seconds >= shown)


NOON = datetime(2026, 7, 1, 12, tzinfo=UTC).timestamp()
DONE = Run("entry", NOON, runs=1, tries=1, runner="worker", outcome="done")
FAILED = DONE._replace(outcome="failed", ended_at=NOON + 5)
RUNNING = DONE._replace(state="running", outcome=None)


def step_of(run: Run, now: float, *, lives: bool = True) -> object:
    return decide("0 12 * * *", run, now, UTC, lives=lives)


def test_a_run_under_way_is_not_begun_again_however_long_it_takes() -> None:
    assert step_of(RUNNING, NOON + 30 * DAY) is None


def test_a_run_whose_process_has_ended_is_begun_again_and_given_up_after_some_tries() -> None:
    assert step_of(RUNNING, NOON + 60, lives=False) == Begin(NOON, 2, "again")
    last = RUNNING._replace(tries=TRIES)
    assert isinstance(step_of(last, NOON + 60, lives=False), GiveUp)
    assert step_of(last, NOON + DAY, lives=False) == Begin(NOON + DAY, 1, "due")


def test_a_run_that_failed_is_tried_again_later_and_not_for_ever() -> None:
    assert step_of(FAILED, NOON + 60) is None
    assert step_of(FAILED, NOON + 5 + RETRY_S) == Begin(NOON, 2, "again")
    assert step_of(FAILED, NOON - HOUR) == Begin(NOON, 2, "again"), "the clock was set back"
    assert step_of(FAILED._replace(tries=TRIES), NOON + HOUR) is None
    assert step_of(FAILED._replace(tries=TRIES), NOON + DAY) == Begin(NOON + DAY, 1, "due")
    assert step_of(DONE, NOON + HOUR) is None


def test_a_run_that_someone_asked_for_begins_at_once_and_moves_no_due_time() -> None:
    asked = DONE._replace(requested_at=NOON + 1)
    assert step_of(asked, NOON + 2) == Begin(NOON, 1, "asked")
    assert decide("", asked, NOON + 2, UTC, lives=True) == Begin(NOON, 1, "asked"), "an entry that is switched off"
    assert decide("", DONE, NOON + 30 * DAY, UTC, lives=True) is None
    assert step_of(asked._replace(state="running"), NOON + 2) is None


BERLIN = ZoneInfo("Europe/Berlin")


@pytest.mark.parametrize(
    ("date", "expression", "hours"),
    [
        ("2026-03-29", "30 2 * * *", ["01:00"]),  # 02:30 does not exist: right after the gap, 03:00 in Berlin
        ("2026-10-25", "30 2 * * *", ["00:30"]),  # 02:30 comes twice: the first one
        ("2026-10-25", "0 * * * *", [f"{hour:02}:00" for hour in range(25)]),
    ],
)
def test_a_time_that_is_skipped_or_comes_twice_runs_once(date: str, expression: str, hours: list[str]) -> None:
    midnight = datetime.fromisoformat(date).replace(tzinfo=BERLIN)
    ends = midnight + timedelta(days=1)
    found = times(expression, midnight.timestamp() - 1, ends.timestamp() - 1, BERLIN)
    if expression.startswith("0 *"):
        assert len(found) == len(hours)
    else:
        assert [datetime.fromtimestamp(due, UTC).strftime("%H:%M") for due in found] == hours


@given(zones, moments, st.floats(0, 40 * DAY))
def test_days_follow_each_other_without_a_gap_and_are_over(zone: ZoneInfo, since: float, seconds: float) -> None:
    days = list(days_between(since, since + seconds, zone))
    for day, following in itertools.pairwise(days):
        assert day.end == following.start
    for day in days:
        assert datetime.fromtimestamp(day.start, zone).strftime("%Y-%m-%d %H:%M") == f"{day.date} 00:00"
        assert 23 * HOUR <= day.end - day.start <= 25 * HOUR
    if days:
        assert days[0].start <= since < days[0].end
        assert days[-1].end <= since + seconds < days[-1].end + 25 * HOUR
    else:
        assert seconds < 25 * HOUR
