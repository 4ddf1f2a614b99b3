"""When a message is sent: quiet hours and digest windows, as functions of the clock."""

from __future__ import annotations

from datetime import date, datetime, time, timedelta
from zoneinfo import ZoneInfo

from pipeline.settings import NotifyRule

__all__ = ["due_at", "quiet_until"]


def due_at(rule: NotifyRule, now: float, *, urgent: bool) -> float:
    """When a message of a rule is sent, in seconds since 1970: at once if it is urgent.

    Others wait for the end of the digest window, and then for the end of the quiet hours.
    """
    if urgent:
        return now
    gathered = now + rule.digest_s
    if rule.quiet_hours is None:
        return gathered
    return quiet_until(rule.quiet_hours, rule.timezone, gathered) or gathered


def quiet_until(quiet_hours: str, timezone: str, moment: float) -> float | None:
    """When the quiet hours end in which a moment lies; None if it lies in none.

    Args:
        quiet_hours: `HH:MM-HH:MM`; they may go over midnight. The first minute is quiet, the last one is not.
        timezone: the hours are those of a clock on the wall there, also when it is moved.
        moment: seconds since 1970.
    """
    zone = ZoneInfo(timezone)
    begin, end = (time.fromisoformat(part) for part in quiet_hours.split("-"))
    today = datetime.fromtimestamp(moment, zone).date()
    for day in (today - timedelta(days=1), today):
        begins = _moment(day, begin, zone)
        ends = _moment(day if begin < end else day + timedelta(days=1), end, zone)
        if begins <= moment < ends:
            return ends
    return None


def _moment(day: date, clock: time, zone: ZoneInfo) -> float:
    return datetime.combine(day, clock, zone).timestamp()
