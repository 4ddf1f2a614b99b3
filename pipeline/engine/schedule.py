"""Beat's memory of when each periodic task ran last: a file, and while the disk is full the memory of the process."""

from __future__ import annotations

import dbm
from collections.abc import Callable
from datetime import timedelta
from types import SimpleNamespace
from typing import Any

import structlog
from celery.beat import PersistentScheduler

__all__ = ["Schedule"]

log = structlog.get_logger()

SLACK, LONG_AGO = timedelta(seconds=1), timedelta(days=1)


class Schedule(PersistentScheduler):  # type: ignore[misc]
    """Celery's schedule in a file, which goes on in memory where the file cannot be written.

    Args:
        sent: called whenever the broker has taken a periodic task.
    """

    def __init__(self, *args: Any, sent: Callable[[], None] = lambda: None, **kwargs: Any) -> None:
        self._sent = sent
        super().__init__(*args, **kwargs)

    def setup_schedule(self) -> None:
        """Open the file; without room for it, begin anew in memory."""
        try:
            super().setup_schedule()
        except dbm.error as error:
            log.warning("beat.schedule_in_memory", error=str(error))
            self.persistence = SimpleNamespace(open=lambda *_args, **_options: _Memory())
            super().setup_schedule()

    def tick(self, *args: Any, **kwargs: Any) -> Any:
        """Send what is due. After a clock that was set back, tasks that ran in the future are due now."""
        late = [entry for entry in self.schedule.values() if entry.last_run_at > entry.default_now() + SLACK]
        for entry in late:
            entry.last_run_at = entry.default_now() - LONG_AGO
        if late:
            log.warning("beat.clock_set_back", tasks=len(late))
            self._heap = None  # its times are of the future too
        return super().tick(*args, **kwargs)

    def apply_async(self, *args: Any, **kwargs: Any) -> Any:
        """Send one task. Raises SchedulingError: the broker did not take it."""
        result = super().apply_async(*args, **kwargs)
        self._sent()
        return result

    def sync(self) -> None:
        """Write what has changed; on a full disk a later call does."""
        try:
            super().sync()
        except dbm.error as error:
            log.warning("beat.schedule_not_written", error=str(error))

    def close(self) -> None:
        """Write and close the file."""
        try:
            super().close()
        except dbm.error as error:
            log.warning("beat.schedule_not_written", error=str(error))


class _Memory(dict[str, Any]):
    """What stands in for the file."""

    def sync(self) -> None:
        """Nothing is written."""

    def close(self) -> None:
        """Nothing is open."""
