"""Run checks side by side, each in a thread of its own, for a bounded time.

A check that does not come back (a frozen server answers nothing) keeps its thread, which dies with the process; until
it comes back, the same check is not begun again. A finding is kept for a moment, so that many callers cost one check.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterable, Mapping
from concurrent.futures import Future
from concurrent.futures import TimeoutError as NoAnswer
from dataclasses import dataclass

from pipeline.health.finding import Finding, failed, finding_of

__all__ = ["Check", "Checks"]

Check = Callable[[], Finding]

NO_ANSWER_HINT = "See whether its process, server or disk is frozen or overloaded."


@dataclass(frozen=True, slots=True)
class _Run:
    """One run of a check, begun at a time of `time.monotonic`."""

    began: float
    future: Future[Finding]


class Checks:
    """Checks by the names of the parts that they check. Thread-safe.

    Args:
        checks: what to run; an error that a check raises is its finding.
        patience_s: seconds after which a check without an answer counts as failed.
        kept_s: seconds for which a finding is given again.
    """

    def __init__(self, checks: Mapping[str, Check], patience_s: float, kept_s: float) -> None:
        self._checks = checks
        self._patience_s = patience_s
        self._kept_s = kept_s
        self._runs: dict[str, _Run] = {}
        self._lock = threading.Lock()

    @property
    def names(self) -> list[str]:
        """The names of all parts, in their order."""
        return list(self._checks)

    def run(self, names: Iterable[str]) -> dict[str, Finding]:
        """Run these checks side by side; their findings, at the latest after `patience_s`."""
        runs = {name: self._begin(name) for name in names}
        return {name: self._wait(run) for name, run in runs.items()}

    def _begin(self, name: str) -> _Run:
        """The run under way, the last one if it is new enough, or a new one."""
        with self._lock:
            run = self._runs.get(name)
            if run is None or (run.future.done() and time.monotonic() - run.began >= self._kept_s):
                run = self._runs[name] = _Run(time.monotonic(), Future())
                thread = threading.Thread(target=_fill, args=(run.future, self._checks[name]), daemon=True)
                thread.name = f"health-{name}"
                thread.start()
            return run

    def _wait(self, run: _Run) -> Finding:
        left_s = run.began + self._patience_s - time.monotonic()
        try:
            return run.future.result(max(left_s, 0.0))
        except NoAnswer:
            waited_s = time.monotonic() - run.began
            return failed(f"The check has had no answer for {waited_s:.0f} s.", NO_ANSWER_HINT)


def _fill(future: Future[Finding], check: Check) -> None:
    try:
        future.set_result(check())
    except Exception as error:  # the entry point of a thread: whatever a check raises is what it has found
        future.set_result(finding_of(error))
