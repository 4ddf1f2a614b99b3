"""Which workers live: a node name is unique to one start of one process, registered, and renewed by a heartbeat."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable

import redis
import structlog

from pipeline.names import PREFIX
from pipeline.settings import LEAST_SILENCE_S

__all__ = [
    "NODES",
    "RECONCILED",
    "count_workers",
    "heartbeat_timeout_s",
    "intake_node",
    "is_alive",
    "living_nodes",
    "served_capabilities",
    "start_heartbeat",
    "text",
    "unacked_key",
]

log = structlog.get_logger()

NODES = f"{PREFIX}nodes"
"""The set of all nodes that hold messages, living or dead."""
RECONCILED = f"{PREFIX}reconciled"
"""When the reconciler last came to its end, in seconds since 1970."""


def start_heartbeat(
    connection: redis.Redis,
    node: str,
    every_s: float,
    ttl_s: float,
    *,
    holds_messages: bool = True,
    serves: Iterable[str] = (),
) -> Callable[[], None]:
    """Say, in a thread, that this node lives; one that holds messages is also found when it has died.

    `serves` are the places of a workflow that the node can do work at, as `Step.place` names them.

    Returns:
        A function that ends the heartbeat and signs the node off.
    """
    ended, places = threading.Event(), ",".join(sorted(serves))

    def beat() -> None:
        while not ended.wait(every_s):
            _sign_on(connection, node, ttl_s, holds_messages, places)

    _sign_on(connection, node, ttl_s, holds_messages, places)
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


def intake_node(job_id: str) -> str:
    """The name under which the heart of a job's intake beats."""
    return f"door:{job_id}"


def is_alive(connection: redis.Redis, node: str) -> bool:
    """Whether this node's heart beats."""
    return bool(connection.exists(_alive_key(node)))


def living_nodes(connection: redis.Redis) -> set[str]:
    """Nodes whose heart beats."""
    return set(_beats(connection))


def served_capabilities(connection: redis.Redis) -> set[str]:
    """The places of workflows at which a living worker works, as `Step.place` names them."""
    return {place for beat in _beats(connection).values() for place in beat.split(",") if place}


def count_workers(connection: redis.Redis, place: str) -> int:
    """How many living workers work at a place."""
    return sum(place in beat.split(",") for beat in _beats(connection).values())


def heartbeat_timeout_s(dead_after_s: float) -> float:
    """How long a heartbeat may be silent: never less than Celery's lease on a chord's body."""
    return max(dead_after_s, LEAST_SILENCE_S)


def _beats(connection: redis.Redis) -> dict[str, str]:
    """Living nodes, and what each says with its heartbeat."""
    nodes = sorted(text(name) for name in connection.smembers(NODES))
    beats = connection.mget([_alive_key(node) for node in nodes]) if nodes else []
    return {node: text(beat) for node, beat in zip(nodes, beats, strict=True) if beat is not None}


def _sign_on(connection: redis.Redis, node: str, ttl_s: float, registered: bool, places: str) -> None:
    try:
        with connection.pipeline() as pipe:
            if registered:
                pipe.sadd(NODES, node)
            pipe.set(_alive_key(node), places, px=int(ttl_s * 1000))
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
