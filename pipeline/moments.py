"""Moments as users write them: a time in ISO 8601, or an age such as `2h`."""

from __future__ import annotations

import re
from datetime import UTC, datetime

from pipeline.errors import BadRequest

__all__ = ["moment_of"]

DURATION = re.compile(r"(\d{1,9})\s*(s|m|h|d|w)")
SECONDS = {"s": 1, "m": 60, "h": 3600, "d": 86_400, "w": 604_800}


def moment_of(text: str | None, now: float) -> float | None:
    """Seconds since 1970 of a time in ISO 8601, local if it names no zone, or of a duration before `now`.

    Raises:
        BadRequest: it is neither.
    """
    if text is None:
        return None
    duration = DURATION.fullmatch(text.strip())
    if duration is not None:
        return now - int(duration[1]) * SECONDS[duration[2]]
    try:
        return datetime.fromisoformat(text).astimezone(UTC).timestamp()
    except (ValueError, OverflowError):
        hint = "Write it as 2026-11-20, 2026-11-20T13:00:00+01:00, or as an age: 90s, 30m, 2h, 3d or 1w."
        raise BadRequest(f"{text!r} is neither a time nor a duration.", hint) from None
