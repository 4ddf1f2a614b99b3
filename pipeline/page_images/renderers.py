"""The sandboxes that draw pages in this process: few at once, kept for a while for the next page."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeVar

from extractors.errors import ExtractError
from pipeline.errors import Busy
from pipeline.errors.problem import copy_of
from pipeline.settings import Settings
from pipeline.stages.sandbox import Sandbox

__all__ = ["AT_ONCE", "Renderers"]

T = TypeVar("T")

AT_ONCE = 2
"""Pages that one process draws at once."""
PATIENCE_S = 30.0
"""A page that cannot be begun within this time is not drawn."""
FAILED_S = 30.0
"""Seconds for which a page that cannot be drawn is not tried again."""
IDLE_S = 60.0
"""Seconds after which a sandbox that nothing is asked of gives its memory back."""


@dataclass(frozen=True, slots=True)
class _Idle:
    sandbox: Sandbox
    since: float


@dataclass(frozen=True, slots=True)
class _Failure:
    error: ExtractError
    at: float


class Renderers:
    """Lends sandboxes, each to one thread at a time.

    A sandbox ends with the thread that started it: the threads that use them should live as long as the process.
    """

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._slots = threading.BoundedSemaphore(AT_ONCE)
        self._lock = threading.Lock()
        self._idle: list[_Idle] = []
        self._failed: dict[str, _Failure] = {}
        self._closer: threading.Thread | None = None

    def use(self, page: str, work: Callable[[Sandbox], T]) -> T:
        """Do something with a sandbox that concerns this page.

        Raises:
            Busy: none is free.
            ExtractError: of the work, or of the last one for the same page: it is not tried again at once.
        """
        self._raise_known(page)
        try:
            return self._with_sandbox(work)
        except ExtractError as error:
            with self._lock:
                self._failed[page] = _Failure(error, time.monotonic())
            raise

    def _raise_known(self, page: str) -> None:
        """Raise the error with which the page failed a moment ago: each try may take all the time that a page has."""
        recent = time.monotonic() - FAILED_S
        with self._lock:
            self._failed = {name: failure for name, failure in self._failed.items() if failure.at > recent}
            known = self._failed.get(page)
        if known is not None:
            raise copy_of(known.error)

    def _with_sandbox(self, work: Callable[[Sandbox], T]) -> T:
        if not self._slots.acquire(timeout=PATIENCE_S):
            raise Busy("The server draws as many pages as it can.")
        try:
            sandbox = self._take()
            try:
                return work(sandbox)
            finally:
                self._give_back(sandbox)
        finally:
            self._slots.release()

    def close(self, idle_s: float = 0.0) -> None:
        """End the sandboxes that nothing was asked of for so long; without an argument all that are not in use."""
        until = time.monotonic() - idle_s
        with self._lock:
            ended = [one for one in self._idle if one.since <= until]
            self._idle = [one for one in self._idle if one.since > until]
        for one in ended:
            one.sandbox.close()

    def _take(self) -> Sandbox:
        with self._lock:
            if self._idle:
                return self._idle.pop().sandbox
        return Sandbox(self._settings.extract_memory_mb, self._settings.data_dir)

    def _give_back(self, sandbox: Sandbox) -> None:
        with self._lock:
            self._idle.append(_Idle(sandbox, time.monotonic()))
            self._watch_idle()

    def _watch_idle(self) -> None:
        """Start the thread that ends idle sandboxes, unless there is one; it lasts as long as there are any."""
        if self._closer is None:
            self._closer = threading.Thread(target=self._close_idle, name="idle-sandboxes", daemon=True)
            self._closer.start()

    def _close_idle(self) -> None:
        while True:
            time.sleep(IDLE_S / 2)
            self.close(IDLE_S)
            with self._lock:
                if not self._idle:
                    self._closer = None
                    return
