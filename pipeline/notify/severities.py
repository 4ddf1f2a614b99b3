"""Severities in their order."""

from __future__ import annotations

from collections.abc import Iterable

__all__ = ["at_least", "most_severe"]

ORDER = ("info", "warning", "error")


def at_least(severity: str, minimum: str) -> bool:
    """Whether a severity reaches another one."""
    return ORDER.index(severity) >= ORDER.index(minimum)


def most_severe(severities: Iterable[str]) -> str:
    """The highest of one or more severities."""
    return max(severities, key=ORDER.index)
