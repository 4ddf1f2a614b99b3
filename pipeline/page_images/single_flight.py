"""Work that is asked for several times at once is done once, and all who asked get its result."""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import Future
from typing import TypeVar, cast

from pipeline.errors.problem import KNOWN, copy_of
from pipeline.settings import Settings

__all__ = ["SingleFlight"]

T = TypeVar("T")


class SingleFlight:
    """Work under way in this process, by the name of what it makes."""

    def __init__(self, _settings: Settings | None = None) -> None:
        self._lock = threading.Lock()
        self._running: dict[str, Future[object]] = {}

    def run(self, name: str, work: Callable[[], T]) -> T:
        """Do the work, or wait for the thread that does it under this name already.

        Raises:
            Exception: what the work raises; each thread gets an error of its own.
        """
        with self._lock:
            other = self._running.get(name)
            if other is None:
                mine = self._running[name] = Future()
        if other is not None:
            return cast(T, _result_of(other))
        try:
            result = work()
        except BaseException as error:
            mine.set_exception(error)
            raise
        else:
            mine.set_result(result)
            return result
        finally:
            with self._lock:
                del self._running[name]


def _result_of(other: Future[object]) -> object:
    error = other.exception()
    if isinstance(error, KNOWN):
        raise copy_of(error)
    return other.result()
