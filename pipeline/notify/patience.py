"""How long a delivery is tried: some hours, two days for an error, and as long as trouble lasts that it reports."""

from __future__ import annotations

from dataclasses import dataclass

from pipeline.backoff import backoff_s

__all__ = ["FIRST_PAUSE_S", "MAX_TRIES", "MAX_TRIES_OF_ERRORS", "Reports", "pause_after"]

FIRST_PAUSE_S = 5.0
FACTOR = 3.0
LONGEST_PAUSE_S = 3600.0
MAX_TRIES = 10
"""The last try comes about three and a half hours after the first."""

MAX_TRIES_OF_ERRORS = 55
"""The last one comes two days after the first."""


@dataclass(frozen=True, slots=True)
class Reports:
    """What a delivery reports: something of the severity `error`, or trouble that is still there."""

    has_error: bool = False
    lasts: bool = False


def pause_after(tries: int, reports: Reports) -> float | None:
    """Seconds until the next try; None: it is given up.

    Args:
        tries: how often it was tried without success.
        reports: what it reports.
    """
    most = MAX_TRIES_OF_ERRORS if reports.has_error else MAX_TRIES
    if tries >= most and not reports.lasts:
        return None
    return backoff_s(tries, FIRST_PAUSE_S, LONGEST_PAUSE_S, FACTOR)
