"""Run functions side by side, each in a thread of its own, for a bounded time.

A function that does not come back (a frozen server answers nothing) keeps its thread, which dies with the process;
until it comes back, the same function is not begun again. A result may be kept for a moment, so that many callers cost
one run.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterable, Mapping
from concurrent.futures import Future
from concurrent.futures import TimeoutError as NoAnswer
from dataclasses import dataclass
from typing import Generic, TypeVar

from pipeline.health.finding import Finding, failed, finding_of

__all__ = ["Check", "Checks", "SideBySide"]

T = TypeVar("T")

Check = Callable[[], Finding]

NO_ANSWER_HINT = "See whether its process, server or disk is frozen or overloaded."


@dataclass(frozen=True, slots=True)
class _Run(Generic[T]):
    """One run of a function, begun at a time of `time.monotonic`."""

    began: float
    future: Future[T]


class SideBySide(Generic[T]):
    """Functions by name. Thread-safe.

    Args:
        functions: what to run.
        failure: the result of a function that has raised an error.
        no_answer: the result of one that has not come back in time, after these seconds.
        patience_s: seconds after which a function has not come back in time.
        kept_s: seconds for which a result is given again.
    """

    def __init__(
        self,
        functions: Mapping[str, Callable[[], T]],
        failure: Callable[[Exception], T],
        no_answer: Callable[[float], T],
        patience_s: float,
        kept_s: float = 0.0,
    ) -> None:
        self._functions = functions
        self._failure = failure
        self._no_answer = no_answer
        self._patience_s = patience_s
        self._kept_s = kept_s
        self._runs: dict[str, _Run[T]] = {}
        self._lock = threading.Lock()

    @property
    def names(self) -> list[str]:
        """The names of all functions, in their order."""
        return list(self._functions)

    def run(self, names: Iterable[str]) -> dict[str, T]:
        """Run these functions side by side; their results, at the latest after `patience_s`."""
        runs = {name: self._begin(name) for name in names}
        return {name: self._wait(run) for name, run in runs.items()}

    def _begin(self, name: str) -> _Run[T]:
        """The run under way, the last one if it is new enough, or a new one."""
        with self._lock:
            run = self._runs.get(name)
            if run is None or (run.future.done() and time.monotonic() - run.began >= self._kept_s):
                run = self._runs[name] = _Run(time.monotonic(), Future())
                thread = threading.Thread(target=self._fill, args=(run.future, self._functions[name]), daemon=True)
                thread.name = f"side-by-side-{name}"
                thread.start()
            return run

    def _wait(self, run: _Run[T]) -> T:
        left_s = run.began + self._patience_s - time.monotonic()
        try:
            return run.future.result(max(left_s, 0.0))
        except NoAnswer:
            return self._no_answer(time.monotonic() - run.began)

    def _fill(self, future: Future[T], function: Callable[[], T]) -> None:
        try:
            future.set_result(function())
        except Exception as error:  # the entry point of a thread: whatever a function raises is its result
            future.set_result(self._failure(error))


class Checks(SideBySide[Finding]):
    """Checks by the names of the parts that they check; an error that a check raises is its finding.

    Args:
        checks: what to run.
        patience_s: seconds after which a check without an answer counts as failed.
        kept_s: seconds for which a finding is given again.
    """

    def __init__(self, checks: Mapping[str, Check], patience_s: float, kept_s: float) -> None:
        super().__init__(checks, finding_of, _without_answer, patience_s, kept_s)


def _without_answer(waited_s: float) -> Finding:
    return failed(f"The check has had no answer for {waited_s:.0f} s.", NO_ANSWER_HINT)
