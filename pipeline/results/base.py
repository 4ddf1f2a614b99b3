"""What every result is made of: a frozen model that is ready for JSON, counts, and times as ISO 8601 in UTC."""

from __future__ import annotations

from datetime import UTC, datetime

from pydantic import BaseModel, ConfigDict

__all__ = ["Count", "Result", "iso"]


def iso(seconds: float | None) -> str | None:
    """Seconds since 1970 as ISO 8601 in UTC."""
    return None if seconds is None else datetime.fromtimestamp(seconds, UTC).isoformat(timespec="milliseconds")


class Result(BaseModel):
    """Base of all answers: frozen plain data."""

    model_config = ConfigDict(frozen=True)


class Count(Result):
    """Progress of one kind of work: done, and known so far; `total` grows while earlier stages find more."""

    done: int
    total: int
