"""Growing pauses between tries: every retry of Docrelay computes them here."""

from __future__ import annotations

__all__ = ["backoff_s"]


def backoff_s(failures: int, first_s: float, longest_s: float, factor: float = 2.0) -> float:
    """Return the pause in seconds after so many failures in a row.

    Args:
        failures: failures so far; 0 gives no pause.
        first_s: the pause after the first failure.
        longest_s: no pause is longer.
        factor: each pause is this many times the one before.
    """
    if failures <= 0:
        return 0.0
    return min(first_s * factor ** min(failures - 1, 64), longest_s)
