"""Messages of dead workers on a real Redis, emptied ones among them: they return to their queues."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from search_rig import redis_server

from pipeline.engine.broker import queue_depths
from pipeline.engine.heartbeat import NODES, alive_key, unacked_key
from pipeline.engine.redelivery import restore_dead
from pipeline.names import PREFIX
from pipeline.services import Services
from pipeline.settings import Settings

NODE = "extract@1"


@pytest.fixture
def services(tmp_path: Path) -> Iterator[Services]:
    with redis_server() as url:
        services = Services(Settings(data_dir=tmp_path, embedding_model="hashing", redis_url=url))
        yield services
        services.redis.close()


def receive(services: Services, body: str) -> None:
    """Let a worker receive a message and die."""
    script = f"""
import os, sys
from kombu.connection import Connection
options = {{name + "_key": "{PREFIX}" + name + ":{NODE}" for name in ("unacked", "unacked_index", "unacked_mutex")}}
broker = Connection(sys.argv[1], transport_options=options)
broker.SimpleQueue("extract").put(sys.argv[2])
received = broker.channel().basic_get("extract")
os._exit(0 if received is not None else 1)  # nothing of kombu's own clean-up runs
"""
    subprocess.run([sys.executable, "-c", script, str(services.settings.redis_url), body], check=True)


def test_messages_of_a_worker_that_redis_has_forgotten_return(services: Services) -> None:
    """Redis was emptied, and the worker received a message and died before it registered again."""
    receive(services, "one")
    assert services.redis.hlen(unacked_key(NODE)) == 1
    assert not services.redis.exists(NODES)
    assert restore_dead(services) == 0  # it may be about to register: the next run judges
    assert restore_dead(services) == 1
    assert not services.redis.exists(unacked_key(NODE), NODES)
    assert queue_depths(services)["extract"] == 1


def test_a_worker_that_registers_meanwhile_keeps_its_messages(services: Services) -> None:
    receive(services, "one")
    assert restore_dead(services) == 0
    services.redis.set(alive_key(NODE), "extract")
    assert restore_dead(services) == 0
    assert services.redis.hlen(unacked_key(NODE)) == 1
