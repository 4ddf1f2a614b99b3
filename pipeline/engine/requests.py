"""What the parent of a pool does about one task: when the time limit ends it, it reports that before the kill."""

from __future__ import annotations

from typing import Any

from celery.worker.request import Request

from pipeline.engine.claims import note_time_limit
from pipeline.engine.process import Worker

__all__ = ["request_class"]


def request_class(worker: Worker) -> type[Request]:
    """Return the class of the requests of this worker."""

    class LimitedRequest(Request):  # type: ignore[misc]  # Celery has no types
        def on_timeout(self, soft: bool, timeout: Any) -> None:
            # Celery publishes the errback of the task in the call below, and kills the process after it.
            if not soft:
                note_time_limit(worker.runtime().services.redis, self.id)
                if worker.watch is not None and self.worker_pid:
                    worker.watch.condemn(self.worker_pid)
            super().on_timeout(soft, timeout)

    return LimitedRequest
