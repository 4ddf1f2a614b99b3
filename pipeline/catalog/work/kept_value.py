"""A value that takes long to compute is kept for a while; one that is computed in a moment never is."""

from __future__ import annotations

import math
import threading
import time
from collections.abc import Callable
from typing import Generic, NamedTuple, TypeVar

import structlog

__all__ = ["KeptValue"]

log = structlog.get_logger()

T = TypeVar("T")

MOMENT_S = 0.05
"""A value that takes no longer than this is computed anew each time."""

TIMES = 20
"""Another one is kept for so many times as long as it took: computing takes a twentieth of a processor at most."""

LONGEST_S = 30.0
"""Who waits for a value gets none that is older, whatever share of a processor that takes."""

PATIENCE_S = 0.5
"""Who does not wait for a value gives a new one so much time."""


class _Kept(NamedTuple, Generic[T]):
    """A value, when it was computed by the clock, and for how long it is kept."""

    value: T
    at: float
    kept_s: float


class KeptValue(Generic[T]):
    """The value of one function, for all threads of a process, of which one at a time computes it."""

    def __init__(self, compute: Callable[[], T], clock: Callable[[], float] = time.monotonic) -> None:
        self._compute = compute
        self._clock = clock
        self._computing = threading.Lock()
        self._starting = threading.Lock()
        self._thread = threading.Thread()
        self._kept: _Kept[T] | None = None

    def get(self) -> T:
        """The value: at most 30 seconds old, and new if computing it takes only a moment."""
        return self._current(LONGEST_S)

    def get_soon(self, patience_s: float = PATIENCE_S) -> T | None:
        """The value without a long wait: the kept one, however old, if a new one takes longer than `patience_s`.

        Returns:
            None while the first one is being computed, or could not be.
        """
        if not self._is_kept(math.inf):
            self._start().join(patience_s)
        return None if self._kept is None else self._kept.value

    def _current(self, longest_s: float) -> T:
        with self._computing:
            if self._kept is not None and self._is_kept(longest_s):
                return self._kept.value
            began = self._clock()
            value = self._compute()
            ended = self._clock()
            took_s = ended - began
            self._kept = _Kept(value, ended, took_s * TIMES if took_s > MOMENT_S else 0.0)
            return value

    def _is_kept(self, longest_s: float) -> bool:
        """Whether the value need not be computed again, of one that may be `longest_s` old."""
        kept = self._kept
        return kept is not None and self._clock() - kept.at < min(kept.kept_s, longest_s)

    def _start(self) -> threading.Thread:
        """The thread that computes a new value; one that does is not joined by another."""
        with self._starting:
            if not self._thread.is_alive():
                self._thread = threading.Thread(target=self._refresh, name="kept-value", daemon=True)
                self._thread.start()
            return self._thread

    def _refresh(self) -> None:
        try:
            self._current(math.inf)
        except Exception as error:  # the entry point of a thread: the next caller begins another one
            log.warning("kept_value.failed", error=f"{type(error).__name__}: {error}")
