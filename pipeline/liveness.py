"""Which workers live, and giving back what a dead worker held.

A worker's node name is unique to one start of one process. It is registered, and renewed by a heartbeat; when
the heartbeat has stopped for `dead_after_s`, the messages that the worker had not acknowledged go back to their
queues. Kombu's own rule goes by the age of a message and took 89 s where this takes a few; see
`docs/architecture.md`.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable

import redis
import structlog
from kombu.connection import Connection as BrokerConnection

from pipeline.services import PREFIX, Services
from pipeline.settings import LEAST_SILENCE_S

__all__ = [
    "RECONCILED",
    "beat_heart",
    "door_of",
    "is_alive",
    "living_nodes",
    "restore_dead",
    "text",
    "unacked_key",
    "wait_time_to_restore",
]

log = structlog.get_logger()

NODES = f"{PREFIX}nodes"
RECONCILED = f"{PREFIX}reconciled"
"""When the reconciler last came to its end, in seconds since 1970."""


def beat_heart(
    connection: redis.Redis, node: str, every_s: float, ttl_s: float, *, holds_messages: bool = True
) -> Callable[[], None]:
    """Say, in a thread, that this node lives; one that holds messages is also found when it has died.

    Returns:
        A function that ends the heartbeat and signs the node off.
    """
    ended = threading.Event()

    def beat() -> None:
        while not ended.wait(every_s):
            _sign_on(connection, node, ttl_s, holds_messages)

    _sign_on(connection, node, ttl_s, holds_messages)
    thread = threading.Thread(target=beat, name="heartbeat", daemon=True)
    thread.start()

    def sign_off() -> None:
        ended.set()
        thread.join(every_s)  # a last beat would outlive the farewell
        try:
            connection.delete(_alive_key(node))
        except redis.RedisError as error:
            log.warning("heartbeat.failed", error=str(error))

    return sign_off


def door_of(job_id: str) -> str:
    """The name under which the heart of a job's intake beats."""
    return f"door:{job_id}"


def is_alive(connection: redis.Redis, node: str) -> bool:
    """Whether this node's heart beats."""
    return bool(connection.exists(_alive_key(node)))


def living_nodes(connection: redis.Redis) -> set[str]:
    """Nodes whose heart beats."""
    nodes = sorted(text(name) for name in connection.smembers(NODES))
    if not nodes:
        return set()
    beats = connection.mget([_alive_key(node) for node in nodes])
    return {node for node, beat in zip(nodes, beats, strict=True) if beat is not None}


def restore_dead(services: Services) -> int:
    """Give back to their queues the messages that dead workers held.

    Returns:
        How many messages went back; none where the broker is no Redis: it does that itself.
    """
    connection, broker = services.redis, services.broker
    alive = living_nodes(connection)
    dead = {text(name) for name in connection.smembers(NODES)} - alive
    restored = 0
    for node in sorted(dead):
        held = broker.hlen(unacked_key(node)) if broker is not None else 0
        if held:
            restored += _restore(services, node)
            log.warning("worker.dead", node=node, messages=held)
        connection.srem(NODES, node)
    return restored


def wait_time_to_restore(dead_after_s: float) -> float:
    """How long a heartbeat may be silent: never less than Celery's lease on a chord's body."""
    return max(dead_after_s, LEAST_SILENCE_S)


def _restore(services: Services, node: str) -> int:
    options = {f"{name}_key": f"{PREFIX}{name}:{node}" for name in ("unacked", "unacked_index", "unacked_mutex")}
    restored = 0
    with BrokerConnection(
        services.settings.broker_url or services.settings.redis_url,
        transport_options={**services.app.conf.broker_transport_options, **options},
    ) as broker:
        channel = broker.default_channel
        for tag in channel.client.hkeys(unacked_key(node)):
            channel.qos.restore_by_tag(text(tag), leftmost=True)
            restored += 1
    return restored


def _sign_on(connection: redis.Redis, node: str, ttl_s: float, registered: bool) -> None:
    try:
        with connection.pipeline() as pipe:
            if registered:
                pipe.sadd(NODES, node)
            pipe.set(_alive_key(node), time.time(), px=int(ttl_s * 1000))
            pipe.execute()
    except redis.RedisError as error:
        log.warning("heartbeat.failed", error=str(error))


def _alive_key(node: str) -> str:
    return f"{PREFIX}alive:{node}"


def unacked_key(node: str) -> str:
    """Where a node's messages lie that it has not acknowledged."""
    return f"{PREFIX}unacked:{node}"


def text(value: bytes | str) -> str:
    """What Redis answered, as text."""
    return value.decode() if isinstance(value, bytes) else value
