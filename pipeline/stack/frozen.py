"""Find a process that is frozen: stopped by a signal, or silent without any use of the processor."""

from __future__ import annotations

import time
from dataclasses import dataclass, field

import psutil

__all__ = ["SILENT_S", "STOPPED_S", "Vigil", "is_stopped"]

STOPPED_S = 5.0
"""A process that a signal has stopped (state T) for so long is frozen: no load of the machine brings it there."""

SILENT_S = 60.0
"""A process that gave no pulse and used no processor time for so long is frozen. On a machine under load a process that
has something to do gets its share within seconds."""

GAP_S = 10.0
"""After a pause of its own as long as this, the observer begins anew: the whole machine may have stood still."""


@dataclass
class Vigil:
    """The observation of one process, and of the one that comes in its place; to be looked at about once a second."""

    stopped_s: float = STOPPED_S
    silent_s: float = SILENT_S
    _pid: int | None = None
    _looked: float = field(default=0.0, repr=False)
    _running: float = 0.0
    _heard: float = 0.0
    _sign: tuple[str, float] = ("", 0.0)

    def look(self, pid: int | None, pulse: str | None = None, *, can_hear: bool = False) -> bool:
        """Whether the process is frozen now.

        Args:
            pid: the process; None while there is none.
            pulse: its last sign of life; None if it never gave one, and then its silence means nothing.
            can_hear: whether its signs of life could be read just now.
        """
        now = time.monotonic()
        if pid != self._pid or now - self._looked > GAP_S:
            self._pid, self._running, self._heard = pid, now, now
        self._looked = now
        if pid is None:
            return False
        if not is_stopped(pid):
            self._running = now
        sign = (pulse or "", _processor_time(pid))
        if not can_hear or pulse is None or sign != self._sign:
            self._heard, self._sign = now, sign
        return now - self._running >= self.stopped_s or now - self._heard >= self.silent_s


def is_stopped(pid: int) -> bool:
    """Whether a signal has stopped the process; one that a debugger holds does not count."""
    try:
        return psutil.Process(pid).status() == psutil.STATUS_STOPPED
    except psutil.Error:
        return False


def _processor_time(pid: int) -> float:
    try:
        times = psutil.Process(pid).cpu_times()
    except psutil.Error:
        return 0.0
    return float(times.user + times.system)
