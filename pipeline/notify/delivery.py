"""The delivery loop: claims notifications from the outbox and tries them, with growing pauses, for a limited time."""

from __future__ import annotations

import asyncio
import json
import time
from typing import TypeAlias

import structlog

from pipeline.catalog import Connection
from pipeline.catalog.database.connection import writing
from pipeline.catalog.work import conditions, notices, outbox
from pipeline.catalog.work.due_deliveries import Delivery
from pipeline.engine.metrics import count_notification
from pipeline.gates_for_tests import NOTIFIED, pass_gate
from pipeline.notify.attempt import Answer, send_once
from pipeline.notify.backlog import Backlog
from pipeline.notify.base import Notification
from pipeline.notify.messages import OF_RUNNING_JOBS, body_of
from pipeline.notify.patience import Reports, pause_after
from pipeline.notify.registry import Senders, channel_of
from pipeline.notify.routing import route
from pipeline.results import iso
from pipeline.services import Services
from pipeline.task_manager import TaskManager

__all__ = ["deliver_until_cancelled"]

log = structlog.get_logger()

POLL_S = 1.0
Sending: TypeAlias = dict[asyncio.Task[None], Delivery]


async def deliver_until_cancelled(services: Services) -> None:
    """Route notices, and deliver what is due in the outbox, several notifications at once."""
    running: Sending = {}
    senders, backlog = Senders(services.settings), Backlog(services)
    try:
        while True:
            try:
                await asyncio.to_thread(route, services)
                claimed = await asyncio.to_thread(backlog.claim, list(running.values()))
            except Exception:  # the loop must outlive a catalog that is away
                log.exception("webhook.claim_failed")
                claimed = []
            for delivery in claimed:
                running[asyncio.create_task(_deliver(services, senders, delivery))] = delivery
            running = await _wait(running)
    finally:
        for task in running:
            task.cancel()
        senders.close()


async def _wait(running: Sending) -> Sending:
    """Wait until the next poll, or until a delivery has ended and leaves room for another.

    Returns:
        Those that still run.
    """
    if running:
        await asyncio.wait(running, timeout=POLL_S, return_when=asyncio.FIRST_COMPLETED)
    else:
        await asyncio.sleep(POLL_S)
    for task in running:
        if task.done() and (error := task.exception()) is not None:
            log.error("webhook.failed", exc_info=error)
    return {task: delivery for task, delivery in running.items() if not task.done()}


async def _deliver(services: Services, senders: Senders, delivery: Delivery) -> None:
    """Try once, and store how it went."""
    answer = await _try(services, senders, delivery)
    await asyncio.to_thread(pass_gate, NOTIFIED, delivery.id)
    await asyncio.to_thread(_record, services, delivery, answer)


async def _try(services: Services, senders: Senders, delivery: Delivery) -> Answer:
    try:
        body = await asyncio.to_thread(_body, services, delivery)
    except Exception as failed:  # it counts as a try, as a fault of a sender does, and so has an end
        log.exception("notify.no_body", delivery=delivery.id)
        return Answer(error=f"The message cannot be made: {type(failed).__name__}: {failed}")
    notification = Notification(delivery.id, delivery.url, delivery.secret, body)
    return await send_once(senders, notification, of_rule=delivery.rule is not None)


def _body(services: Services, delivery: Delivery) -> bytes:
    """The body, made and stored at the first try: every further try sends the same."""
    if delivery.body is not None:
        return delivery.body.encode()
    body = _job_body(services, delivery) if delivery.rule is None else _notice_body(services, delivery, delivery.rule)
    with writing(services.catalog) as connection:
        outbox.store_body(connection, delivery.id, body)
    return body.encode()


def _job_body(services: Services, delivery: Delivery) -> str:
    left_out = OF_RUNNING_JOBS - {"active"}  # receivers have always got it, empty
    job = TaskManager(services).job(delivery.job_id).model_dump(exclude=left_out)
    return json.dumps({"type": "job.finished", "delivery": delivery.id, "at": job["finished_at"] or iso(0), "job": job})


def _notice_body(services: Services, delivery: Delivery, rule: str) -> str:
    with services.catalog.connect() as connection:
        return body_of(delivery.id, rule, time.time(), notices.of_delivery(connection, delivery.id))


def _record(services: Services, delivery: Delivery, answer: Answer) -> None:
    """Store the outcome of a try: delivered, to be tried after a pause, or given up."""
    with writing(services.catalog) as connection:
        pause_s = None
        if answer.accepted:
            outbox.mark_delivered(connection, delivery.id, answer.status or 0)
        else:
            pause_s = None if answer.final else pause_after(delivery.tries, _reports(connection, delivery))
            outbox.mark_failed(connection, delivery.id, answer.status, answer.error or "", pause_s)
    outcome = "delivered" if answer.accepted else "failed" if pause_s is None else "retried"
    count_notification(services.redis, channel_of(delivery.url), outcome)
    log.info(
        "webhook.sent",
        delivery=delivery.id,
        job=delivery.job_id,
        rule=delivery.rule,
        status=answer.status,
        error=answer.error,
    )


def _reports(connection: Connection, delivery: Delivery) -> Reports:
    """What a delivery reports; the end of a job is nothing of weight."""
    if delivery.rule is None:
        return Reports()
    return Reports(
        has_error=notices.is_any_reported(connection, delivery.id, "error"),
        lasts=conditions.any_reported_lasts(connection, delivery.id),
    )
