"""Figures of a report from plain counts: the intervals of a throughput, and the parts of a span that are not known."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from pipeline.catalog.work.report_ends import find_gaps
from pipeline.catalog.work.report_figures import Interval
from pipeline.reports.figures import INTERVALS, throughput

NUMBERS = st.integers(0, 10**9)
DAYS = st.lists(st.integers(0, 30), unique=True).map(sorted)


@given(st.dictionaries(NUMBERS, st.tuples(*[st.integers(0, 9)] * 3), max_size=20), st.floats(0, 1e8))
def test_there_are_never_more_intervals_than_a_chart_draws(
    found: dict[int, tuple[int, int, int]], until: float
) -> None:
    made = throughput([Interval(number, *counts) for number, counts in sorted(found.items())], 0.0, until)
    assert len(made.intervals) <= INTERVALS
    for place, name in enumerate(("completed", "failed", "chunks")):
        assert sum(getattr(interval, name) for interval in made.intervals) == sum(row[place] for row in found.values())


def test_what_ended_after_its_job_is_in_the_last_interval() -> None:
    made = throughput([Interval(0, 1, 0, 5), Interval(300_000, 2, 1, 7)], 0.0, 90.0)
    assert (made.interval_s, len(made.intervals)) == (2, 45)
    assert (made.intervals[0].completed, made.intervals[-1].completed, made.intervals[-1].failed) == (1, 2, 1)


@given(DAYS, st.floats(0, 30), st.floats(0, 30))
def test_each_moment_is_in_a_day_or_in_a_gap(days: list[int], since: float, until: float) -> None:
    whole = [(day, day + 1) for day in days if since <= day < until]
    gaps = find_gaps(since, until, whole)
    for at in (since + share * (until - since) / 97 for share in range(97) if since < until):
        in_day = any(begin <= at < end for begin, end in whole)
        assert any(begin <= at < end for begin, end in gaps) != in_day
