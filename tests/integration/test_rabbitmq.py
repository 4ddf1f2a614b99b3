"""RabbitMQ as the broker, Redis for results and heartbeats: what holds there, see docs/distributed.md.

Needs a broker whose URL is in DOCRELAY_TEST_RABBITMQ_URL; its virtual host is used as it is, and the queues with the
names of the stages in it are deleted.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from distributed_rig import Cluster, cluster
from flow_tools import eventually, write_documents
from kombu.connection import Connection
from postgres_server import Postgres
from search_rig import redis_server

from pipeline.engine import dead_letter_queue
from pipeline.engine.broker import held_tasks, queue_depths
from pipeline.engine.celery_app import all_queues, broker_priority, make_app
from pipeline.engine.dead_letter_entries import QUEUE
from pipeline.gates_for_tests import WORKED
from pipeline.names import task_name
from pipeline.services import Services
from pipeline.settings import Settings

pytest_plugins = ("postgres_fixture",)
pytestmark = [
    pytest.mark.rabbitmq,
    pytest.mark.skipif("DOCRELAY_TEST_RABBITMQ_URL" not in os.environ, reason="no DOCRELAY_TEST_RABBITMQ_URL"),
]


@pytest.fixture
def broker() -> Iterator[str]:
    """The broker's URL; there are no queues of ours before and after."""
    url = os.environ["DOCRELAY_TEST_RABBITMQ_URL"]
    _delete_queues(url)
    yield url
    _delete_queues(url)


def _delete_queues(url: str) -> None:
    with Connection(url) as connection:
        for queue in (*all_queues(), QUEUE):
            connection.default_channel.queue_delete(queue)


def test_rabbitmq_keeps_dead_letters_until_they_are_sent_again(broker: str, tmp_path: Path) -> None:
    with redis_server() as url:
        services = Services(Settings(data_dir=tmp_path, redis_url=url, broker_url=broker))
        assert dead_letter_queue.depth(services) == 0
        assert dead_letter_queue.peek(services, 10) == []
        message = {"reason": "No worker has it.", "queue": "embed", "headers": {"task": "docrelay.later", "id": "7"}}
        for number in range(3):
            assert dead_letter_queue.put(services, {**message, "properties": {"priority": 4}}, str(number).encode())
        assert eventually(lambda: dead_letter_queue.depth(services) == 3)
        for _ in range(2):
            listed = dead_letter_queue.peek(services, 10)
            assert [found.body for found in listed] == [b"0", b"1", b"2"]
        with make_app(services.settings).connection_for_write() as connection:
            for queue in make_app(services.settings).conf.task_queues:
                queue(connection.default_channel).declare()
        assert dead_letter_queue.reprocess(services, [listed[1].id]) == 1
        assert eventually(lambda: queue_depths(services)["embed"] == 1)
        with Connection(broker) as connection:
            sent = connection.default_channel.basic_get("embed", no_ack=True)
        assert (sent.body, sent.headers["id"], sent.properties["priority"]) == (b"1", "7", 4)
        assert [found.body for found in dead_letter_queue.peek(services, 10)] == [b"0", b"2"]
        assert dead_letter_queue.purge(services) == 2
        assert eventually(lambda: dead_letter_queue.depth(services) == 0)
        services.redis.close()


def test_rabbitmq_queue_depths_and_priorities(broker: str) -> None:
    settings = Settings(redis_url="redis://127.0.0.1:1/0", broker_url=broker)
    services = Services(settings)
    assert held_tasks(services) is None
    assert queue_depths(services) == dict.fromkeys(all_queues(), 0)
    app = make_app(settings)
    for urgency in (1, 5, 10, 3):
        app.signature(task_name("embed"), args=(str(urgency), 0), ignore_result=True).apply_async(
            priority=broker_priority(urgency, settings)
        )
    assert queue_depths(services) == {**dict.fromkeys(all_queues(), 0), "embed": 4}
    assert _drain(broker, "embed") == ["10", "5", "3", "1"]


def _drain(url: str, queue: str) -> list[str]:
    with Connection(url) as connection:
        channel = connection.default_channel
        order: list[str] = []
        while (message := channel.basic_get(queue, no_ack=True)) is not None:
            arguments: Any = json.loads(message.body)[0]
            order.append(arguments[0])
        return order


def test_batch_on_rabbitmq_completes_although_workers_are_killed(
    broker: str, tmp_path: Path, postgres: Postgres
) -> None:
    letters = write_documents(tmp_path / "letters", 14, words=600)
    with cluster(tmp_path / "cluster", postgres, DOCRELAY_BROKER_URL=broker) as services, services.rig() as rig:
        services.gates.close("embed" + WORKED, "upsert" + WORKED)
        command = services.run("ingest", *map(str, letters), "--json")
        killed = [services.kill_in_the_act(rig, stage) for stage in ("embed", "upsert")]
        report = json.loads(command.communicate(timeout=240)[0])
        assert report["completed"] == len(letters)
        rig.assert_exact()
        assert eventually(lambda: not any(queue_depths(rig.services).values()))
        for host in killed:
            services.start(host)
        _is_unchanged(services, letters)


def _is_unchanged(services: Cluster, letters: list[Path]) -> None:
    again = services.answer("ingest", *map(str, letters))
    assert (again["unchanged"], again["failed"]) == (len(letters), 0)
