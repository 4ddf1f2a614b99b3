"""When messages are sent: quiet hours and digest windows over any clock, the days of clock changes among them."""

from __future__ import annotations

from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.notify.quiet_hours import due_at, quiet_until
from pipeline.settings import NotifyRule

ZONES = ("UTC", "Europe/Berlin", "America/New_York", "Australia/Lord_Howe", "Pacific/Apia")
CLOCKS = st.times(min_value=datetime.min.time()).map(lambda clock: f"{clock:%H:%M}")
HOURS = st.tuples(CLOCKS, CLOCKS).filter(lambda pair: pair[0] != pair[1]).map("-".join)
MOMENTS = st.floats(1.0e9, 2.2e9, allow_nan=False)


def berlin(text: str) -> float:
    return datetime.fromisoformat(text).replace(tzinfo=ZoneInfo("Europe/Berlin")).timestamp()


@pytest.mark.parametrize(
    ("moment", "ends"),
    [
        ("2026-11-29 21:59:59", None),
        ("2026-11-29 22:00:00", "2026-11-30 07:00:00"),
        ("2026-11-30 03:00:00", "2026-11-30 07:00:00"),
        ("2026-11-30 06:59:59", "2026-11-30 07:00:00"),
        ("2026-11-30 07:00:00", None),
        # The night in which clocks go from 2:00 to 3:00 is an hour shorter, the one in October an hour longer.
        ("2026-03-28 23:00:00", "2026-03-29 07:00:00"),
        ("2026-10-24 23:00:00", "2026-10-25 07:00:00"),
    ],
)
def test_quiet_hours_go_over_midnight_by_the_clock_on_the_wall(moment: str, ends: str | None) -> None:
    expected = None if ends is None else berlin(ends)
    assert quiet_until("22:00-07:00", "Europe/Berlin", berlin(moment)) == expected


@given(HOURS, st.sampled_from(ZONES), MOMENTS)
def test_quiet_hours_hold_a_moment_if_and_only_if_the_clock_says_so(hours: str, zone: str, moment: float) -> None:
    begin, end = hours.split("-")
    clock = f"{datetime.fromtimestamp(moment, ZoneInfo(zone)):%H:%M}"
    inside = begin <= clock < end if begin < end else clock >= begin or clock < end
    ends = quiet_until(hours, zone, moment)
    days = [datetime.fromtimestamp(moment, ZoneInfo(zone)) + timedelta(days=day) for day in (-2, 0, 2)]
    if len({day.utcoffset() for day in days}) == 1:  # the clock is not moved around this moment
        assert (ends is not None) == inside
        if ends is not None:
            assert f"{datetime.fromtimestamp(ends, ZoneInfo(zone)):%H:%M}" == end
    if ends is not None:
        assert moment < ends <= moment + 2 * 86400
        assert quiet_until(hours, zone, ends) is None or days[0].utcoffset() != days[2].utcoffset()


@given(st.none() | HOURS, st.sampled_from(ZONES), st.sampled_from([0.0, 60.0, 3600.0, 86400.0]), MOMENTS)
def test_a_message_is_held_for_its_window_and_never_longer_than_the_quiet_hours(
    hours: str | None, zone: str, digest_s: float, now: float
) -> None:
    rule = NotifyRule(
        name="ops",
        events=("backup.failed",),
        to=("ntfy+https://ntfy.sh/x",),
        quiet_hours=hours,
        timezone=zone,
        digest_s=digest_s,
    )
    due = due_at(rule, now, urgent=False)
    assert due_at(rule, now, urgent=True) == now
    assert now + digest_s <= due <= now + digest_s + 2 * 86400
    if hours is None or quiet_until(hours, zone, now + digest_s) is None:
        assert due == now + digest_s
    else:
        assert due == quiet_until(hours, zone, now + digest_s)
