"""The dead-man URL: it is called every minute while all is well, so that a service elsewhere notices when it is not."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping

import structlog

from pipeline.catalog.work import notices
from pipeline.engine.health import is_beating, is_reconciling
from pipeline.engine.heartbeat import served_capabilities
from pipeline.errors import HookRefused
from pipeline.names import PREFIX
from pipeline.notify.base import SendError
from pipeline.notify.http_request import CheckedHttp
from pipeline.notify.trouble import missing_stages
from pipeline.services import Services
from pipeline.settings.room import full_disk
from pipeline.vectorstore.remote import RemoteStore

__all__ = ["CALLED", "CHECKS", "EVERY_S", "call_if_well", "call_once", "call_until_cancelled", "problems"]

log = structlog.get_logger()

EVERY_S = 60.0
STORE_TIMEOUT_S = 10.0
HEADERS = {"User-Agent": "Docrelay"}

CALLED = f"{PREFIX}deadman"
"""Redis key that stands after a call: of several processes one calls."""


async def call_until_cancelled(services: Services) -> None:
    """Call the URL every minute in which nothing is wrong; at once if there is no URL, end."""
    url = services.settings.deadman_url
    if url is None:
        return
    http = CheckedHttp(private=True)
    try:
        while True:
            await call_if_well(services, http, url)
            await asyncio.sleep(EVERY_S)
    finally:
        http.close()


async def call_once(url: str) -> int:
    """Call the URL whatever is wrong. Returns and raises as `CheckedHttp.send`."""
    http = CheckedHttp(private=True)
    try:
        return await http.send("GET", url, HEADERS)
    finally:
        http.close()


def problems(services: Services) -> list[str]:
    """What is wrong at this moment; empty while all is well."""
    return [wrong for name, check in CHECKS.items() if (wrong := _result(services, name, check))]


async def call_if_well(services: Services, http: CheckedHttp, url: str) -> None:
    """Call the URL, unless something is wrong, or a process has called it within the last minute."""
    wrong = await asyncio.to_thread(problems, services)
    if wrong:
        log.warning("deadman.not_called", problems=wrong)
        return
    try:
        if await asyncio.to_thread(services.redis.set, CALLED, 1, nx=True, px=int(EVERY_S * 900)):
            status = await http.send("GET", url, HEADERS)
            log.info("deadman.called", status=status)
    except Exception as error:  # the loop must go on: the next minute has another call
        known = isinstance(error, (HookRefused, SendError, OSError))
        log.warning("deadman.failed", error=f"{type(error).__name__}: {error}", exc_info=None if known else error)


def _result(services: Services, name: str, check: Callable[[Services], str | None]) -> str | None:
    try:
        return check(services)
    except Exception as error:  # whatever keeps a check from its answer is what is wrong
        return f"{name}: {type(error).__name__}: {error}"


def _catalog(services: Services) -> None:
    with services.catalog.connect() as connection:
        notices.is_any_unrouted(connection)


def _workers(services: Services) -> str | None:
    missing = missing_stages(served_capabilities(services.redis))
    return f"no worker serves {', '.join(missing)}" if missing else None


def _beat(services: Services) -> str | None:
    return None if is_beating(services.redis, services.settings) else "beat does not run"


def _reconciler(services: Services) -> str | None:
    well = is_reconciling(services.redis, services.settings)
    return None if well else "the reconciler has not finished lately"


def _store(services: Services) -> None:
    store = services.store
    (RemoteStore(services.redis, STORE_TIMEOUT_S) if isinstance(store, RemoteStore) else store).collections()


def _disk(services: Services) -> str | None:
    state = full_disk(services.settings)
    return state.message if state is not None else None


CHECKS: Mapping[str, Callable[[Services], str | None]] = {
    "catalog": _catalog,
    "workers": _workers,
    "beat": _beat,
    "reconciler": _reconciler,
    "store": _store,
    "disk": _disk,
}
"""Each check returns what is wrong, or raises."""
