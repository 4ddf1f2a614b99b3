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

from pipeline.engine.broker import held_tasks, queue_depths
from pipeline.engine.celery_app import all_queues, broker_priority, make_app
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
        for queue in all_queues():
            connection.default_channel.queue_delete(queue)


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
