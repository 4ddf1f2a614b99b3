"""Which workers live: a node name is unique to one start of one process, registered, and renewed by a heartbeat."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable
from contextlib import suppress
from dataclasses import dataclass

import redis
import structlog

from pipeline.names import PREFIX
from pipeline.settings import LEAST_SILENCE_S

__all__ = [
    "BEAT",
    "HEARD_SINCE",
    "NODES",
    "RECONCILED",
    "Heartbeat",
    "alive_key",
    "beat_age_s",
    "claim_node",
    "count_workers",
    "heartbeat_timeout_s",
    "heartbeats",
    "intake_node",
    "is_alive",
    "living_capabilities",
    "living_nodes",
    "note_beat",
    "reconciled_age_s",
    "registered_nodes",
    "served_capabilities",
    "signed_off",
    "start_heartbeat",
    "text",
    "unacked_key",
    "worker_key",
]

log = structlog.get_logger()

NODES = f"{PREFIX}nodes"
"""Redis key of the set of all nodes that hold messages, living or dead."""

RECONCILED = f"{PREFIX}reconciled"
"""Redis key of the time at which the reconciler last finished, in seconds since 1970."""

HEARD_SINCE = f"{PREFIX}heard_since"
"""Redis key of the time of Redis since when it has heard a heartbeat again and again; it ends with a silence of all."""

BEAT = f"{PREFIX}beat"
"""Redis key of the name of the beat that sent a periodic task last; its time to live tells when."""

BEAT_KEPT_S = 7 * 86400

SIGNED_OFF_S = 90_000
"""For this time it is known of a worker that it ended as it should: longer than a dead one is expected to come back."""

HEAR = """
if redis.call('EXISTS', KEYS[1]) == 0 then
    local now = redis.call('TIME')
    redis.call('SET', KEYS[1], now[1] + now[2] / 1000000)
end
redis.call('PEXPIRE', KEYS[1], ARGV[1])
"""


def start_heartbeat(
    connection: redis.Redis,
    node: str,
    every_s: float,
    ttl_s: float,
    *,
    holds_messages: bool = True,
    serves: Iterable[str] = (),
) -> Callable[[], None]:
    """Renew the heartbeat of a node in a thread.

    Args:
        connection: the Redis of the heartbeats.
        node: the name of the node.
        every_s: seconds between two heartbeats.
        ttl_s: seconds after which a silent node counts as dead.
        holds_messages: whether its messages are redelivered when it dies.
        serves: the capabilities of the node, as `Step.capability` names them.

    Returns:
        A function that ends the heartbeat and signs the node off.
    """
    ended, capabilities = threading.Event(), ",".join(sorted(serves))

    def sign_on() -> None:
        _sign_on(connection, node, ttl_s, holds_messages, capabilities)
        # Two heartbeats sooner than the first worker counts as dead: each of them may be late.
        _hear(connection, max(ttl_s - 2 * every_s, every_s))

    def beat() -> None:
        while not ended.wait(every_s):
            sign_on()

    sign_on()
    thread = threading.Thread(target=beat, name="heartbeat", daemon=True)
    thread.start()

    def end() -> None:
        ended.set()
        thread.join(every_s)  # a heartbeat after the deletion would outlive it
        _sign_off(connection, node, holds_messages)

    return end


def claim_node(connection: redis.Redis, node: str, ttl_s: float) -> bool:
    """Give a node its first heartbeat unless it has one; whether it had none. `start_heartbeat` then renews it."""
    return bool(connection.set(alive_key(node), "", px=int(ttl_s * 1000), nx=True))


@dataclass(frozen=True, slots=True)
class Heartbeat:
    """The last heartbeat of a living node: what the node can do, and seconds since by the clock of Redis."""

    node: str
    capabilities: frozenset[str]
    age_s: float


def heartbeats(connection: redis.Redis, ttl_s: float) -> list[Heartbeat]:
    """The last heartbeats of all living workers.

    Args:
        connection: the Redis of the heartbeats.
        ttl_s: how long a heartbeat lasts, as `start_heartbeat` was given it.
    """
    living = _heartbeats(connection)
    with connection.pipeline(transaction=False) as pipe:
        for node in living:
            pipe.pttl(alive_key(node))
        left_ms = pipe.execute()
    return [
        Heartbeat(node, frozenset(filter(None, value.split(","))), max(ttl_s - left / 1000, 0.0))
        for (node, value), left in zip(living.items(), left_ms, strict=True)
        if left > 0
    ]


def note_beat(connection: redis.Redis, name: str) -> None:
    """Note that beat has just sent a periodic task; nothing is noted while Redis cannot be reached."""
    with suppress(redis.RedisError):
        connection.set(BEAT, name, ex=BEAT_KEPT_S)


def beat_age_s(connection: redis.Redis) -> float | None:
    """Seconds since a beat sent a periodic task, by the clock of Redis; None if none has, for days."""
    left_ms = int(connection.pttl(BEAT))
    return max(BEAT_KEPT_S - left_ms / 1000, 0.0) if left_ms > 0 else None


def reconciled_age_s(connection: redis.Redis) -> float | None:
    """Seconds since the reconciler finished, by the clock of Redis; None if Redis does not know of any run."""
    last = connection.get(RECONCILED)
    if last is None:
        return None
    seconds, microseconds = connection.time()
    return float(seconds) + float(microseconds) / 1e6 - float(text(last))


def intake_node(job_id: str) -> str:
    """The node name of the process that runs a job's intake."""
    return f"door:{job_id}"


def is_alive(connection: redis.Redis, node: str) -> bool:
    """Whether this node has a heartbeat."""
    return bool(connection.exists(alive_key(node)))


def registered_nodes(connection: redis.Redis) -> set[str]:
    """Return the nodes that hold messages, living or dead; a dead one until its messages are back in their queues."""
    return {text(name) for name in connection.smembers(NODES)}


def living_nodes(connection: redis.Redis) -> set[str]:
    """Return the nodes that have a heartbeat."""
    return set(_heartbeats(connection))


def living_capabilities(connection: redis.Redis) -> dict[str, frozenset[str]]:
    """The capabilities of each living node, as `Step.capability` names them; the intake of a job has none."""
    return {node: frozenset(filter(None, value.split(","))) for node, value in _heartbeats(connection).items()}


def served_capabilities(connection: redis.Redis) -> set[str]:
    """Return the capabilities of all living workers, as `Step.capability` names them."""
    lists = (value.split(",") for value in _heartbeats(connection).values())
    return {capability for capabilities in lists for capability in capabilities if capability}


def signed_off(connection: redis.Redis, node: str) -> bool:
    """Whether this worker ended as it should, within the last day."""
    return bool(connection.exists(_signed_off_key(node)))


def count_workers(connection: redis.Redis, capability: str) -> int:
    """Count the living workers that have a capability."""
    return sum(capability in value.split(",") for value in _heartbeats(connection).values())


def heartbeat_timeout_s(dead_after_s: float) -> float:
    """Seconds without a heartbeat after which a worker is dead: never less than Celery's lease on a chord's body."""
    return max(dead_after_s, LEAST_SILENCE_S)


def _heartbeats(connection: redis.Redis) -> dict[str, str]:
    """Return the living nodes, each with its capabilities, joined by commas."""
    nodes = sorted(registered_nodes(connection))
    values = connection.mget([alive_key(node) for node in nodes]) if nodes else []
    return {node: text(value) for node, value in zip(nodes, values, strict=True) if value is not None}


def _sign_on(connection: redis.Redis, node: str, ttl_s: float, registered: bool, capabilities: str) -> None:
    try:
        with connection.pipeline() as pipe:
            if registered:
                pipe.sadd(NODES, node)
            pipe.set(alive_key(node), capabilities, px=int(ttl_s * 1000))
            pipe.execute()
    except redis.RedisError as error:
        log.warning("heartbeat.failed", error=str(error))


def _sign_off(connection: redis.Redis, node: str, registered: bool) -> None:
    try:
        if registered:
            connection.set(_signed_off_key(node), 1, ex=SIGNED_OFF_S)
        connection.delete(alive_key(node))
    except redis.RedisError as error:
        log.warning("heartbeat.failed", error=str(error))


def _hear(connection: redis.Redis, silence_s: float) -> None:
    """Note that Redis has heard a process; after `silence_s` without one the next begins anew."""
    try:
        connection.eval(HEAR, 1, HEARD_SINCE, str(int(silence_s * 1000)))
    except redis.RedisError as error:
        log.warning("heartbeat.failed", error=str(error))


def alive_key(node: str) -> str:
    """Redis key that stands as long as this node has a heartbeat."""
    return f"{PREFIX}alive:{node}"


def _signed_off_key(node: str) -> str:
    return f"{PREFIX}signed_off:{node}"


def worker_key(node: str) -> str:
    """Redis key of what this worker has reported of itself last."""
    return f"{PREFIX}worker:{node}"


def unacked_key(node: str) -> str:
    """Redis key of the messages that this worker has received and not yet acknowledged."""
    return f"{PREFIX}unacked:{node}"


def text(value: bytes | str) -> str:
    """Decode an answer of Redis."""
    return value.decode() if isinstance(value, bytes) else value
