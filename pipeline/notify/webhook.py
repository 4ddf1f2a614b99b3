"""Sending what the outbox holds: bounded, without redirects, with growing pauses, until taken or given up."""

from __future__ import annotations

import asyncio
import json
from concurrent.futures import Executor, ThreadPoolExecutor
from functools import partial

import httpx
import structlog

from pipeline.catalog.api import outbox
from pipeline.catalog.api.outbox import Delivery
from pipeline.catalog.database.connection import writing
from pipeline.errors import HookRefused
from pipeline.notify.webhook_address import Target, resolve
from pipeline.notify.webhook_signature import headers
from pipeline.results import iso
from pipeline.services import Services
from pipeline.task_manager import TaskManager

__all__ = ["deliver_for_ever"]

log = structlog.get_logger()

AT_ONCE = 8
LOOKUPS = 32
"""Threads that look names up: one that hangs outlives its delivery's time, and must leave room for others."""

EVERY_S = 1.0
TIMEOUT_S = 10.0
"""Longest time of one try, from the first packet to the last header of the answer."""

FIRST_PAUSE_S = 5.0
LONGEST_PAUSE_S = 3600.0
MOST_TRIES = 10
"""The last try comes about three hours after the first."""


async def deliver_for_ever(services: Services) -> None:
    """Look into the outbox again and again, until cancelled."""
    under_way: set[asyncio.Task[None]] = set()
    # Lookups cannot be interrupted: in threads of their own they keep nobody else waiting.
    lookups = ThreadPoolExecutor(LOOKUPS, "webhook-lookup")
    try:
        while True:
            try:
                due = await asyncio.to_thread(_claim, services, AT_ONCE - len(under_way))
            except Exception:  # this loop is a door: whatever happened to one look, the next one begins
                log.exception("webhook.look_failed")
                due = []
            under_way |= {asyncio.create_task(_deliver(services, one, lookups)) for one in due}
            under_way = await _some(under_way)
    finally:
        for task in under_way:
            task.cancel()
        lookups.shutdown(wait=False, cancel_futures=True)


async def _some(under_way: set[asyncio.Task[None]]) -> set[asyncio.Task[None]]:
    """Wait a little, or until a place is free; those that are still under way."""
    if len(under_way) < AT_ONCE:
        await asyncio.sleep(EVERY_S)
    else:
        await asyncio.wait(under_way, return_when=asyncio.FIRST_COMPLETED)
    for task in under_way:
        if task.done() and (error := task.exception()) is not None:
            log.error("webhook.failed", exc_info=error)
    return {task for task in under_way if not task.done()}


async def _deliver(services: Services, delivery: Delivery, lookups: Executor) -> None:
    status, error, in_vain = None, "", False
    try:
        body = await asyncio.to_thread(_body, services, delivery)
        async with asyncio.timeout(TIMEOUT_S):
            private = services.settings.webhook_private
            looking = partial(resolve, delivery.url, private=private)
            target = await asyncio.get_running_loop().run_in_executor(lookups, looking)
            status = await _post(target, body, headers(delivery.secret, delivery.id, body))
    except HookRefused as refused:
        error, in_vain = refused.message, True
    except (OSError, TimeoutError, httpx.HTTPError, ValueError) as trouble:
        error = f"{type(trouble).__name__}: {trouble}"
    taken = status is not None and 200 <= status < 300
    told = None if taken else error or f"The answer was {status}."
    await asyncio.to_thread(_note, services, delivery, status, told, last=in_vain or delivery.tries >= MOST_TRIES)


async def _post(target: Target, body: bytes, signed: dict[str, str]) -> int:
    """Send to the checked address, under the host's own name; the answer's body is not read."""
    extensions = {"sni_hostname": target.host} if target.scheme == "https" else {}
    async with (
        httpx.AsyncClient(timeout=TIMEOUT_S, trust_env=False, follow_redirects=False) as client,
        client.stream(
            "POST",
            target.url,
            content=body,
            headers={**signed, "Host": target.authority},
            extensions=extensions,
        ) as answer,
    ):
        return answer.status_code


def _claim(services: Services, most: int) -> list[Delivery]:
    with services.catalog.connect() as connection:
        waiting = outbox.any_due(connection)
    if not waiting:
        return []
    with writing(services.catalog) as connection:
        return outbox.claim(connection, most)


def _body(services: Services, delivery: Delivery) -> bytes:
    if delivery.body is not None:
        return delivery.body.encode()
    job = TaskManager(services).job(delivery.job_id).model_dump(exclude={"stages", "eta_s", "documents_per_s"})
    body = json.dumps({"type": "job.finished", "delivery": delivery.id, "at": job["finished_at"] or iso(0), "job": job})
    with writing(services.catalog) as connection:
        outbox.write_down(connection, delivery.id, body)
    return body.encode()


def _note(services: Services, delivery: Delivery, status: int | None, error: str | None, *, last: bool) -> None:
    pause_s = min(FIRST_PAUSE_S * 3 ** (delivery.tries - 1), LONGEST_PAUSE_S)
    with writing(services.catalog) as connection:
        if error is None and status is not None:
            outbox.delivered(connection, delivery.id, status)
        else:
            outbox.failed(connection, delivery.id, status, error or "", None if last else pause_s)
    log.info("webhook.sent", delivery=delivery.id, job=delivery.job_id, status=status, error=error)
