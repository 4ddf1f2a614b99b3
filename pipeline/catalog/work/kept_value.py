"""A value that takes long to compute is kept for a while; one that is computed in a moment never is."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from typing import Generic, TypeVar

__all__ = ["KeptValue"]

T = TypeVar("T")

MOMENT_S = 0.05
"""A value that takes no longer than this is computed anew each time."""

TIMES = 20
"""Another one is kept for so many times as long as it took: computing takes a twentieth of a processor at most."""

LONGEST_S = 30.0


class KeptValue(Generic[T]):
    """The value of one function, for all threads of a process. One thread computes it while the others wait."""

    def __init__(self, compute: Callable[[], T], clock: Callable[[], float] = time.monotonic) -> None:
        self._compute = compute
        self._clock = clock
        self._lock = threading.Lock()
        self._kept: tuple[T, float] | None = None

    def get(self, *, at_once: bool = False) -> T:
        """The value: at most 30 seconds old, and new if computing it takes only a moment.

        Args:
            at_once: do not wait for a value that takes long: return the kept one, however old, and compute a new one in
                a thread. Only who asks first waits.
        """
        kept = self._kept
        if at_once and kept is not None:
            if self._clock() >= kept[1] and not self._lock.locked():
                threading.Thread(target=self.get, name="kept-value", daemon=True).start()
            return kept[0]
        with self._lock:
            began = self._clock()
            if self._kept is not None and began < self._kept[1]:
                return self._kept[0]
            value = self._compute()
            ended = self._clock()
            took = ended - began
            self._kept = (value, ended + min(took * TIMES, LONGEST_S)) if took > MOMENT_S else None
            return value
