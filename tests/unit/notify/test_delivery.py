"""The delivery loop with a sender for tests: what is stored for each try, and which errors are final."""

from __future__ import annotations

import asyncio
import json
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa

from pipeline.catalog.database import schema as tables
from pipeline.catalog.database.connection import writing
from pipeline.catalog.database.schema import deliveries, hooks
from pipeline.catalog.work import conditions, jobs, outbox
from pipeline.catalog.work import notices as recorded
from pipeline.catalog.work.conditions import Observation, Timing
from pipeline.catalog.work.jobs import Job
from pipeline.catalog.work.outbox import Hook
from pipeline.errors import HookRefused
from pipeline.notify import registry
from pipeline.notify.base import Notification, Sender, SendError
from pipeline.notify.delivery import deliver_until_cancelled
from pipeline.notify.patience import MAX_TRIES, MAX_TRIES_OF_ERRORS, Reports, pause_after
from pipeline.notify.registry import RULE_SENDERS, SENDERS, Senders, check_address
from pipeline.notify.webhook import WebhookSender
from pipeline.services import Services
from pipeline.settings import Settings

HOUR_S = 3600.0
FULL = {"host": "h", "path": "/data", "free_mb": 3, "wanted_mb": 9, "needed_mb": 1, "setting": ""}


class PostBox:
    """A sender for addresses post://name; the name says how a delivery ends."""

    timeout_s = 600.0

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self.sent: list[Notification] = []
        self.closed = False

    def check(self, address: str) -> None:
        if address.endswith("forbidden"):
            raise HookRefused("Nothing goes there.")

    async def send(self, notification: Notification) -> int:
        self.sent.append(notification)
        self.check(notification.address)
        if notification.address.endswith("full"):
            raise SendError("The box is full.", 507)
        if notification.address.endswith("away"):
            raise ConnectionRefusedError("no such street")
        if notification.address.endswith("silent"):
            await asyncio.sleep(600)
        if notification.address.endswith("broken"):
            raise ZeroDivisionError("a fault of the sender")
        return 250

    def close(self) -> None:
        self.closed = True


@pytest.fixture
def services(tmp_path: Path) -> Iterator[Services]:
    opened = Services(Settings(data_dir=tmp_path))
    yield opened
    opened.catalog.dispose()


@pytest.fixture
def boxes(monkeypatch: pytest.MonkeyPatch) -> list[PostBox]:
    made: list[PostBox] = []

    def make(settings: Settings) -> Sender:
        made.append(PostBox(settings))
        return made[-1]

    monkeypatch.setattr(registry, "SENDERS", {**SENDERS, "post": make})
    monkeypatch.setattr(registry, "RULE_SENDERS", {**RULE_SENDERS, "post": make})
    return made


def enqueue(services: Services, address: str, tries: int = 0) -> None:
    """Create a finished job whose end is to be reported to an address."""
    with writing(services.catalog) as connection:
        job = jobs.create(connection, Job("documents", "ingest", 5), "request", 0, closed=True)
        outbox.attach(connection, job.id, Hook(address, "a-long-random-secret"), None)
        outbox.enqueue(connection, job.id)
        connection.execute(deliveries.update().where(deliveries.c.job_id == job.id).values(tries=tries))


def row_of(services: Services, address: str | None = None) -> Any:
    """The only delivery, or the one to an address."""
    query = sa.select(deliveries).join(hooks, hooks.c.id == deliveries.c.hook_id)
    with services.catalog.connect() as connection:
        return connection.execute(query if address is None else query.where(hooks.c.url == address)).one()


async def deliver(services: Services, is_done: Callable[[Any], bool], address: str | None = None) -> Any:
    """Run the loop until the only delivery, or the one to an address, meets the condition. Returns its row."""
    loop = asyncio.create_task(deliver_until_cancelled(services))
    try:
        async with asyncio.timeout(60):
            while not is_done(row := row_of(services, address)):
                await asyncio.sleep(0.02)
    finally:
        loop.cancel()
        await asyncio.gather(loop, return_exceptions=True)
    return row


def ended(row: Any) -> bool:
    return row.ended_at is not None


def tried(row: Any) -> bool:
    return row.tries > 0 and row.state == "waiting"


def test_an_accepted_notification_is_delivered_with_its_status(services: Services, boxes: list[PostBox]) -> None:
    enqueue(services, "post://box")

    row = asyncio.run(deliver(services, ended))

    assert (row.state, row.status, row.error, row.tries) == ("delivered", 250, None, 1)
    (notification,) = boxes[0].sent
    assert (notification.id, notification.address, notification.secret) == (
        row.id,
        "post://box",
        "a-long-random-secret",
    )
    assert json.loads(notification.body)["delivery"] == row.id
    assert json.loads(notification.body)["type"] == "job.finished"
    assert notification.body.decode() == row.body
    assert "a-long-random-secret" not in repr(notification)
    assert boxes[0].closed


@pytest.mark.parametrize(
    ("address", "status", "error"),
    [
        ("post://full", 507, "The box is full."),
        ("post://away", None, "ConnectionRefusedError: no such street"),
        ("post://broken", None, "ZeroDivisionError: a fault of the sender"),
    ],
)
def test_a_transient_delivery_error_is_retried_after_a_pause(
    services: Services, boxes: list[PostBox], address: str, status: int | None, error: str
) -> None:
    enqueue(services, address)

    row = asyncio.run(deliver(services, tried))

    assert (row.status, row.error, row.tries, row.ended_at) == (status, error, 1, None)
    assert row.due_at > row.created_at
    assert row.body is not None


def test_a_message_that_cannot_be_made_is_an_error_that_is_stored(services: Services, boxes: list[PostBox]) -> None:
    enqueue(services, "post://box", tries=MAX_TRIES - 1)
    with writing(services.catalog) as connection:
        connection.execute(tables.jobs.delete())

    row = asyncio.run(deliver(services, ended))

    assert (row.state, row.tries, row.body) == ("failed", MAX_TRIES, None)
    assert row.error.startswith("The message cannot be made: UnknownId: ")
    assert boxes == []


def test_a_delivery_fails_after_its_last_try(services: Services, boxes: list[PostBox]) -> None:
    enqueue(services, "post://full", tries=MAX_TRIES - 1)

    row = asyncio.run(deliver(services, ended))

    assert (row.state, row.status, row.tries) == ("failed", 507, MAX_TRIES)


def pauses(reports: Reports) -> list[float]:
    found: list[float] = []
    while (pause_s := pause_after(len(found) + 1, reports)) is not None and len(found) < 1000:
        found.append(pause_s)
    return found


def test_an_error_is_tried_for_two_days_and_trouble_as_long_as_it_lasts() -> None:
    assert 3 * HOUR_S <= sum(pauses(Reports())) <= 4 * HOUR_S
    assert 47 * HOUR_S <= sum(pauses(Reports(has_error=True))) <= 49 * HOUR_S
    assert pauses(Reports(has_error=True))[-1] == HOUR_S
    assert len(pauses(Reports(lasts=True))) == 1000


@pytest.mark.parametrize("severity", ["warning", "error"])
def test_a_delivery_about_trouble_is_tried_until_the_trouble_is_over(
    services: Services, boxes: list[PostBox], severity: str
) -> None:
    trouble = Observation("disk.low", "/data", present=True, severity=severity, facts=FULL)
    with writing(services.catalog) as connection:
        conditions.observe(connection, [trouble], Timing())
        (notice,) = recorded.list_unrouted(connection, 1)
        recorded.mark_routed(connection, [notice.id])
        outbox.collect(connection, "ops", Hook("post://full", ""), [notice.id], 0.0)
        connection.execute(deliveries.update().values(tries=MAX_TRIES_OF_ERRORS - 1))

    row = asyncio.run(deliver(services, lambda row: row.state == "waiting" and row.tries == MAX_TRIES_OF_ERRORS))
    assert row.status == 507
    assert json.loads(row.body)["severity"] == severity

    with writing(services.catalog) as connection:
        conditions.observe(connection, [replace(trouble, present=False)], Timing(clear_after_s=0.0))
        conditions.observe(connection, [trouble], Timing())  # it is there again, which another notice reports
        connection.execute(deliveries.update().values(due_at=0.0))
    row = asyncio.run(deliver(services, ended))
    assert (row.state, row.tries) == ("failed", MAX_TRIES_OF_ERRORS + 1)


def test_an_address_that_is_refused_is_given_up_at_once(services: Services, boxes: list[PostBox]) -> None:
    enqueue(services, "post://forbidden")

    row = asyncio.run(deliver(services, ended))

    assert (row.state, row.status, row.error, row.tries) == ("failed", None, "Nothing goes there.", 1)


def test_silent_hosts_of_hooks_leave_room_for_what_comes_after_them(services: Services, boxes: list[PostBox]) -> None:
    for number in range(3):
        enqueue(services, "post://a.silent")
        enqueue(services, f"post://{number}.silent")
    enqueue(services, "post://box")

    asyncio.run(deliver(services, ended, "post://box"))

    sent = Counter(notification.address for notification in boxes[0].sent)
    assert (sent["post://a.silent"], sent["post://box"]) == (2, 1)


@pytest.mark.parametrize("address", ["mailto:ops@example.org", "teams+https://example.org/x"])
def test_a_process_without_the_sender_leaves_a_delivery_to_one_that_has_it(
    services: Services, boxes: list[PostBox], address: str
) -> None:
    with writing(services.catalog) as connection:
        recorded.add(connection, "backup.failed", "/backup", "error", {"folder": "/backup", "message": "No."})
        (notice,) = recorded.list_unrouted(connection, 1)
        recorded.mark_routed(connection, [notice.id])
        ours = outbox.collect(connection, "ops", Hook(address, ""), [notice.id], 0.0)
    enqueue(services, "post://box")

    row = asyncio.run(deliver(services, ended, "post://box"))

    assert row.state == "delivered"
    left = row_of(services, address)
    assert (left.id, left.state, left.tries) == (ours, "waiting", 0)


def test_every_scheme_has_a_sender_that_is_made_once(tmp_path: Path) -> None:
    senders = Senders(Settings(data_dir=tmp_path))

    for of_rule in (False, True):
        sender = senders.of("http://example.org/", of_rule=of_rule)
        assert isinstance(sender, WebhookSender)
        assert senders.of("HTTP://example.org/", of_rule=of_rule) is sender
    assert senders.of("http://example.org/", of_rule=False) is not senders.of("http://example.org/", of_rule=True)
    senders.close()


@pytest.mark.parametrize("address", ["", "nothing", "gopher://example.org/", "mailto:a@example.org"])
def test_an_address_that_no_sender_serves_is_refused(tmp_path: Path, address: str) -> None:
    with pytest.raises(HookRefused):
        check_address(address, Settings(data_dir=tmp_path))


def test_an_address_is_checked_by_its_sender(boxes: list[PostBox], tmp_path: Path) -> None:
    check_address("post://box", Settings(data_dir=tmp_path))
    with pytest.raises(HookRefused, match="Nothing goes there"):
        check_address("post://forbidden", Settings(data_dir=tmp_path))
    assert all(box.closed for box in boxes)
