"""The entry `health`: whether every part that the work needs answers, once an hour, noted where operators look."""

from __future__ import annotations

import time
import uuid
from collections.abc import Callable
from typing import Any

from pipeline.catalog.work import batches
from pipeline.engine.celery_app import app_of
from pipeline.engine.health import is_reconciled
from pipeline.engine.heartbeat import living_nodes
from pipeline.errors import StackUnavailable
from pipeline.services import Services
from pipeline.settings.room import full_disk

__all__ = ["CHECKS", "check_health"]


def check_health(services: Services) -> dict[str, Any]:
    """Ask every part for something small.

    Returns:
        The seconds that each part took.

    Raises:
        StackUnavailable: at least one part does not answer, or not as it should.
    """
    seconds, wrong = {}, {}
    for name, check in CHECKS.items():
        began = time.monotonic()
        try:
            check(services)
        except Exception as error:  # the other parts are checked, too; all causes are reported together
            wrong[name] = str(error) or type(error).__name__
        seconds[name] = round(time.monotonic() - began, 3)
    if wrong:
        causes = "; ".join(f"{name}: {cause}" for name, cause in wrong.items())
        raise StackUnavailable(causes, "See: docrelay status")
    return {"seconds": seconds}


def _check_catalog(services: Services) -> None:
    with services.catalog.connect() as connection:
        batches.count_waiting(connection)


def _check_redis(services: Services) -> None:
    services.redis.ping()


def _check_broker(services: Services) -> None:
    with app_of(services).connection_for_write() as connection:
        connection.ensure_connection(max_retries=1, timeout=10)


def _check_store(services: Services) -> None:
    services.store.collections()


def _check_spool(services: Services) -> None:
    key = f"batches/health-{uuid.uuid4().hex}"
    services.spool.write(key, b"health")
    try:
        if services.spool.read(key) != b"health":
            raise StackUnavailable("what was written is not what is read")
    finally:
        services.spool.delete(key)


def _check_disk(services: Services) -> None:
    state = full_disk(services.settings)
    if state is not None:
        raise StackUnavailable(state.message)


def _check_workers(services: Services) -> None:
    if not living_nodes(services.redis):
        raise StackUnavailable("no worker lives")
    if not is_reconciled(services):
        raise StackUnavailable("the reconciler has not finished lately: does beat run?")


CHECKS: dict[str, Callable[[Services], None]] = {
    "catalog": _check_catalog,
    "redis": _check_redis,
    "broker": _check_broker,
    "store": _check_store,
    "spool": _check_spool,
    "disk": _check_disk,
    "workers": _check_workers,
}
"""Each part with a function that raises an error if it is not well."""
