"""What the parent of a pool does about one task: it takes its time, and reports an end by the limit."""

from __future__ import annotations

from typing import Any

from celery.worker.request import Request

from pipeline.engine.claims import note_time_limit
from pipeline.engine.process import Worker
from pipeline.settings.room import LATER, full_disk
from pipeline.stages.working_time import WorkingTime

__all__ = ["LimitedRequest", "request_class"]


class LimitedRequest(Request):  # type: ignore[misc]  # Celery has no types
    """A request whose time limit counts the time in which its process worked or could have worked."""

    worker: Worker

    def on_accepted(self, pid: int, time_accepted: float) -> None:
        """Start the clock when a process begins the task."""
        self.take_time(WorkingTime(pid))
        super().on_accepted(pid, time_accepted)

    def take_time(self, clock: WorkingTime) -> None:
        """Use this clock; it looks at the process now, and counts from here."""
        clock.seconds()
        self._working_time = clock

    def left_s(self, limit_s: float) -> float:
        """Seconds of working time left of a limit. While the disk is full the task waits for room: it begins anew."""
        clock: WorkingTime | None = getattr(self, "_working_time", None)
        if clock is None:
            return 0.0
        left_s = limit_s - clock.seconds()
        if left_s > 0 or full_disk(self.worker.settings, LATER) is None:
            return left_s
        self.take_time(WorkingTime(self.worker_pid))
        return limit_s

    def on_timeout(self, soft: bool, timeout: Any) -> None:
        """Report the end of the task and of its process."""
        # Celery publishes the errback of the task in the call below, and kills the process after it.
        if not soft:
            note_time_limit(self.worker.runtime().services.redis, self.id)
            if self.worker.watch is not None and self.worker_pid:
                self.worker.watch.condemn(self.worker_pid)
        super().on_timeout(soft, timeout)


def request_class(worker: Worker) -> type[LimitedRequest]:
    """Return the class of the requests of this worker."""
    return type("WorkersRequest", (LimitedRequest,), {"worker": worker})
