"""What a worker does with messages that it cannot answer; with a real Redis as the broker."""

from __future__ import annotations

from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any

import pytest
from celery.concurrency.solo import TaskPool
from celery.worker import state
from kombu.asynchronous.timer import Timer
from kombu.common import QoS
from kombu.entity import Queue
from kombu.messaging import Producer
from search_rig import redis_server

from pipeline.catalog.database.connection import writing
from pipeline.catalog.work import batches, jobs, ledger
from pipeline.catalog.work.jobs import Job
from pipeline.engine import dead_letter_queue
from pipeline.engine.celery_app import app_of, make_app
from pipeline.engine.groups import capabilities_of
from pipeline.engine.heartbeat import start_heartbeat
from pipeline.engine.message_version import MESSAGE_VERSION, VERSION_HEADER, version_of
from pipeline.engine.process import Worker
from pipeline.engine.tasks import register
from pipeline.engine.unanswered import (
    HANDED_BACK,
    MOST_HAND_BACKS,
    can_be_answered,
    consumer_class,
    hand_back,
    set_aside,
)
from pipeline.services import Services
from pipeline.settings import Settings

QUEUE = "extract"


@pytest.fixture(scope="module")
def services(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Services]:
    with redis_server() as url:
        made = Services(Settings(data_dir=tmp_path_factory.mktemp("unanswered"), redis_url=url))
        yield made
        made.redis.close()
        made.catalog.dispose()


@pytest.fixture(autouse=True)
def _empty(services: Services) -> None:
    services.redis.flushall()


def publish(services: Services, headers: dict[str, Any], body: str = "[[], {}, {}]") -> None:
    with app_of(services).connection_for_write() as connection:
        Producer(connection).publish(
            body,
            routing_key=QUEUE,
            headers=headers,
            declare=[Queue(QUEUE, routing_key=QUEUE)],
            content_type="application/json",
            content_encoding="utf-8",
            priority=4,
        )


@pytest.fixture
def receive(services: Services) -> Iterator[Any]:
    with app_of(services).connection_for_read() as connection:
        queue = Queue(QUEUE, routing_key=QUEUE, channel=connection.default_channel)
        yield queue.get


def test_a_message_that_is_handed_back_is_the_same_and_counted(services: Services, receive: Any) -> None:
    publish(services, {"task": "docrelay.ghost", "id": "one"})
    for times in range(3):
        message = receive()
        assert message.headers == {"task": "docrelay.ghost", "id": "one", **({HANDED_BACK: times} if times else {})}
        assert (message.body, message.properties["priority"]) == (b"[[], {}, {}]", 4)
        hand_back(services, message)
        assert message.acknowledged
    assert receive() is not None
    assert receive() is None


def test_a_message_that_is_set_aside_is_kept_with_its_reason(services: Services, receive: Any) -> None:
    publish(services, {"task": "other.program", "id": "two"})
    message = receive()
    set_aside(services, message, "It is not ours.")
    assert message.acknowledged
    [kept] = dead_letter_queue.peek(services, 10)
    assert (kept.reason, kept.queue, kept.task, kept.body) == (
        "It is not ours.",
        QUEUE,
        "other.program",
        b"[[], {}, {}]",
    )
    assert dead_letter_queue.reprocess(services) == 1
    assert receive().headers == {"task": "other.program", "id": "two"}


@pytest.mark.parametrize(
    ("headers", "expected"),
    [
        ({"task": "other.program", "id": "x"}, False),
        ({"task": "docrelay.extract", "id": "x"}, False),
        ({"task": "docrelay.ghost", "id": "x"}, True),
        ({"task": "docrelay.ghost", "id": "x", HANDED_BACK: MOST_HAND_BACKS}, False),
        ({"task": "docrelay.ghost", "id": "x", HANDED_BACK: "nonsense"}, False),
    ],
)
def test_a_task_that_a_living_worker_has_can_be_answered(
    services: Services, receive: Any, headers: dict[str, Any], expected: bool
) -> None:
    end = start_heartbeat(services.redis, "new@1", 600.0, 600.0, serves=[f"ghost@{QUEUE}"])
    publish(services, headers)
    assert can_be_answered(services, receive()) is expected
    end()
    publish(services, headers)
    assert not can_be_answered(services, receive())


def test_a_task_that_the_ledger_waits_for_is_not_set_aside(services: Services, receive: Any) -> None:
    """No worker has it: its documents fail after `no_worker_s`, and then the message is of no use."""
    with writing(services.catalog) as connection:
        job = jobs.create(connection, Job("documents", "ingest", 5), "request", 1).id
        batch = batches.create(connection, job, 5, [], active=True)
        ledger.add_due(connection, [(batch, "ghost", 0, None)])
    task = ledger.task_id(batch, "ghost")
    publish(services, {"task": "docrelay.ghost", "id": task})
    assert can_be_answered(services, receive())
    with writing(services.catalog) as connection:
        assert ledger.claim(connection, task, "reconciler", ())
        assert ledger.finish(connection, task, "reconciler")
    publish(services, {"task": "docrelay.ghost", "id": task})
    assert not can_be_answered(services, receive())


@pytest.fixture
def consumer(services: Services) -> Iterator[Any]:
    """The consumer of a worker, not connected; it notes which requests it accepts."""
    worker, accepted = Worker("extract@1", services.settings), list[Any]()
    app = make_app(services.settings)
    register(app, worker)
    parts = {"controller": SimpleNamespace(state=state, use_eventloop=False), "pool": TaskPool(1)}
    made = consumer_class(worker)(accepted.append, app=app, timer=Timer(), **parts)
    made.event_dispatcher, made.accepted, made.qos = None, accepted, QoS(lambda **_: None, 1)
    made.update_strategies()
    yield made
    worker.runtime().services.redis.close()


@pytest.mark.parametrize(
    "headers",
    [
        {"task": "docrelay.extract"},
        {"task": ["docrelay.extract"], "id": "x"},
        {"task": {}, "id": "x"},
        {"task": "docrelay.extract", "id": "x", "eta": {}},
        {"task": "docrelay.extract", "id": ["x"], "expires": 1},
    ],
)
def test_a_message_with_malformed_headers_is_set_aside_and_the_worker_goes_on(
    services: Services, receive: Any, consumer: Any, headers: dict[str, Any]
) -> None:
    publish(services, headers)
    message = receive()
    consumer.create_task_handler()(message)
    assert message.acknowledged
    assert not consumer.accepted
    [kept] = dead_letter_queue.peek(services, 10)
    assert kept.reason.startswith("It is no valid task: ")
    assert kept.headers == headers


def test_a_sound_message_is_accepted(services: Services, receive: Any, consumer: Any) -> None:
    publish(services, {"task": "docrelay.extract", "id": "x"})
    consumer.create_task_handler()(receive())
    assert [request.id for request in consumer.accepted] == ["x"]
    assert dead_letter_queue.depth(services) == 0


def test_a_message_of_a_newer_version_returns_to_its_queue_for_another_worker(
    services: Services, receive: Any, consumer: Any
) -> None:
    end = start_heartbeat(services.redis, "new@1", 600.0, 600.0, serves=[f"extract@{QUEUE}"])
    publish(services, {"task": "docrelay.extract", "id": "x", VERSION_HEADER: MESSAGE_VERSION + 1})
    message = receive()
    consumer.create_task_handler()(message)
    assert not message.acknowledged  # it waits here, and does not go round and round
    for scheduled in list(consumer.timer.queue):
        scheduled.entry()
    assert message.acknowledged
    assert not consumer.accepted
    assert receive().headers[HANDED_BACK] == 1
    assert dead_letter_queue.depth(services) == 0
    end()


def test_a_message_of_a_newer_version_that_no_worker_can_answer_is_set_aside(
    services: Services, receive: Any, consumer: Any
) -> None:
    publish(services, {"task": "docrelay.extract", "id": "x", VERSION_HEADER: MESSAGE_VERSION + 1})
    consumer.create_task_handler()(receive())
    assert not consumer.accepted
    [kept] = dead_letter_queue.peek(services, 10)
    assert kept.reason == f"Its version is newer than {MESSAGE_VERSION}."


def test_every_message_carries_the_version(services: Services, receive: Any) -> None:
    make_app(services.settings).send_task("docrelay.sweep", queue=QUEUE, priority=4)
    message = receive()
    assert message.headers[VERSION_HEADER] == MESSAGE_VERSION == version_of(message.headers)
    assert [version_of(headers) for headers in ({}, None, {VERSION_HEADER: 7}, {VERSION_HEADER: "x"})] == [1, 1, 7, 1]


def test_workers_name_the_maintenance_tasks_that_they_have() -> None:
    assert {"sweep@maintenance", "upsert@upsert"} <= set(capabilities_of(["upsert", "maintenance"]))
