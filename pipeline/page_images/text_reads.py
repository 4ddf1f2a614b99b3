"""How many kept texts one process holds in memory at once: one may have hundreds of megabytes."""

from __future__ import annotations

import threading
from types import TracebackType

from pipeline.errors import Busy
from pipeline.settings import Settings

__all__ = ["TextReads"]

AT_ONCE = 2
PATIENCE_S = 30.0
"""A text that cannot be read within this time is not waited for."""


class TextReads:
    """A context in which one text is read: few threads are in it at once."""

    def __init__(self, _settings: Settings | None = None) -> None:
        self._slots = threading.BoundedSemaphore(AT_ONCE)

    def __enter__(self) -> None:
        """Wait for a place. Raises Busy: there was none."""
        if not self._slots.acquire(timeout=PATIENCE_S):
            raise Busy("The server reads as many texts as it can.")

    def __exit__(
        self, _kind: type[BaseException] | None, _error: BaseException | None, _at: TracebackType | None
    ) -> None:
        self._slots.release()
