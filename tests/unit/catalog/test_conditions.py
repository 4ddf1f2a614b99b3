"""Conditions: trouble is reported once when it begins and once when it is over, however often it comes and goes."""

from __future__ import annotations

import sqlalchemy as sa
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy.engine import Connection

from pipeline.catalog.database.schema import notices
from pipeline.catalog.work import conditions
from pipeline.catalog.work.conditions import Condition, Edge, Observation, Timing, step

LOOKS = st.lists(st.tuples(st.floats(0.5, 400.0), st.booleans()), max_size=60)


def course(looks: list[tuple[float, bool]], timing: Timing) -> list[tuple[float, Edge]]:
    """The reports of a course of looks, each so many seconds after the one before."""
    known: Condition | None = None
    now, reports = 1e9, list[tuple[float, Edge]]()
    for pause, present in looks:
        now += pause
        known, edge = step(known, Observation("disk.low", "/data", present), now, timing)
        if edge is not None:
            reports.append((now, edge))
    return reports


@given(LOOKS, st.sampled_from([0.0, 30.0]), st.sampled_from([0.0, 60.0, 300.0]))
def test_reports_alternate_and_trouble_that_comes_and_goes_is_no_storm(
    looks: list[tuple[float, bool]], raise_after_s: float, clear_after_s: float
) -> None:
    reports = course(looks, Timing(raise_after_s, clear_after_s))

    edges = [edge for _, edge in reports]
    assert edges == (["raised", "cleared"] * len(edges))[: len(edges)]
    for (raised_at, _), (cleared_at, _) in zip(reports[::2], reports[1::2], strict=False):
        assert cleared_at - raised_at >= clear_after_s
    # Nothing is reported that was not there, and nothing is called over in the look that sees it.
    times, now = {}, 1e9
    for pause, present in looks:
        now += pause
        times[now] = present
    assert all(times[at] == (edge == "raised") for at, edge in reports)


def test_trouble_is_reported_when_it_has_lasted_and_over_when_it_stays_away() -> None:
    timing = Timing(raise_after_s=20.0, clear_after_s=100.0)
    there, gone = (10.0, True), (10.0, False)

    assert course([there, gone, there, gone], timing) == []
    assert course([there, there, there], timing) == [(1e9 + 30, "raised")]
    flapping = [there] * 3 + [gone, there] * 20
    assert [edge for _, edge in course(flapping, timing)] == ["raised"]
    assert [edge for _, edge in course([*flapping, *[gone] * 12], timing)] == ["raised", "cleared"]


def test_a_clock_that_is_set_back_neither_hides_trouble_nor_keeps_it() -> None:
    timing = Timing(raise_after_s=20.0, clear_after_s=20.0)
    future = Condition(since=2e9)
    there, gone = Observation("disk.low", "/", present=True), Observation("disk.low", "/", present=False)

    waiting, edge = step(future, there, 1e9, timing)
    assert (waiting is not None and waiting.since, edge) == (1e9, None)
    assert step(waiting, there, 1e9 + 20, timing)[1] == "raised"
    leaving, _ = step(Condition(1e9, raised=True, absent_since=2e9), gone, 1e9, timing)
    assert step(leaving, gone, 1e9 + 20, timing) == (None, "cleared")


def test_what_is_observed_is_stored_and_its_notices_are_recorded(connection: Connection) -> None:
    timing = Timing(clear_after_s=0.0)
    lack = Observation("disk.low", "/data", present=True, severity="error", facts={"free_mb": 3})
    other = Observation("watch.held", "/folder", present=True, facts={"files": 20})
    room = Observation("disk.low", "/data", present=False)

    for seen in ([lack, other], [lack], [other, room], [room]):
        conditions.observe(connection, seen, timing)

    rows = connection.execute(sa.select(notices).order_by(notices.c.at)).all()
    assert [(row.event, row.subject, row.severity, row.cleared, row.facts) for row in rows] == [
        ("disk.low", "/data", "error", False, {"free_mb": 3}),
        ("watch.held", "/folder", "warning", False, {"files": 20}),
        ("disk.low", "/data", "error", True, {"free_mb": 3}),
    ]
    assert set(conditions.list_all(connection)) == {("watch.held", "/folder")}
