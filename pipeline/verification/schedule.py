"""What the periodic task `verify` does: compare the counts, and verify everything once a week in a thread."""

from __future__ import annotations

import threading
import time

import redis
import structlog

from pipeline.catalog.index import checks, indexes
from pipeline.errors import PipelineError
from pipeline.names import PREFIX
from pipeline.retries import is_service_error
from pipeline.services import Services
from pipeline.settings import Settings
from pipeline.verification.counts import compare_counts
from pipeline.verification.verification import VerifyRequest, verify

__all__ = ["is_due", "watch_drift"]

log = structlog.get_logger()

DAY_S = 86400.0
PER_SECOND = 2000.0
"""Points or documents a second at most: searches and uploads go first."""

SAMPLE = 500
LEASE_S = 300.0
"""A process that verifies renews its lease with every page; after so long without it another one begins anew."""


class Runner:
    """The thread of this process that verifies; there is one at most."""

    def __init__(self, _settings: Settings) -> None:
        self._thread: threading.Thread | None = None

    def start(self, services: Services) -> None:
        """Verify everything in a thread, unless it is done already. It dies with the process, and begins anew then."""
        if self._thread is None or not self._thread.is_alive():
            self._thread = threading.Thread(target=_verify, args=(services,), name="verify", daemon=True)
            self._thread.start()


def watch_drift(services: Services) -> None:
    """Compare the counts of points, and begin the verification of everything if it is due."""
    compare_counts(services)
    if is_due(services):
        services.singleton(Runner).start(services)


def is_due(services: Services) -> bool:
    """Whether the last verification, or the oldest index, is older than `verify_days`."""
    days = services.settings.verify_days
    if not days:
        return False
    with services.catalog.connect() as connection:
        before = checks.last(connection, checks.VERIFY)
        created = [index.created_at for index in indexes.list_all(connection)]
    since = before[0] if before else min(created, default=time.time())
    return time.time() - since >= days * DAY_S


def _verify(services: Services) -> None:
    lock = services.redis.lock(f"{PREFIX}verifying", timeout=LEASE_S, blocking=False, thread_local=False)
    try:
        if not lock.acquire():
            return
        try:
            request = VerifyRequest(sample=SAMPLE, per_second=PER_SECOND, report=lambda _what, _number: _renew(lock))
            verify(services, request)
        finally:
            if lock.owned():
                lock.release()
    except Exception as error:  # the entry point of a thread: the next run of the task begins anew
        known = isinstance(error, PipelineError) or is_service_error(error)
        log.warning("verify.failed", error=f"{type(error).__name__}: {error}", exc_info=None if known else error)


def _renew(lock: redis.lock.Lock) -> None:
    lock.reacquire()
