"""Traces: where in the program an error was raised, without what it says, which may be text of a document."""

from __future__ import annotations

import traceback
import uuid
from typing import NamedTuple

__all__ = ["Trace", "trace_of"]

LONGEST = 4000
"""Characters of a kept trace; of a longer one the end is kept, where the error was raised."""


class Trace(NamedTuple):
    """An id, which the log line with the whole traceback has too, and the frames as text."""

    id: str
    text: str


def trace_of(error: BaseException) -> Trace:
    """The trace of an error: the class of it and of each of its causes, with their frames."""
    parts: list[str] = []
    cause: BaseException | None = error
    while cause is not None and len(parts) < 5:
        parts.insert(0, "".join(traceback.format_tb(cause.__traceback__)) + type(cause).__name__)
        cause = cause.__cause__
    return Trace(uuid.uuid4().hex[:12], "\n".join(parts)[-LONGEST:])
