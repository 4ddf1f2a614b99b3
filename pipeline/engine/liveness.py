"""Which processes hold claims and live: a runner is `NODE/PID-START`, a process of a worker's pool.

Every process is in a set of Redis before it claims anything. The parent of its pool removes it once it has seen that
it ended, and a process of a worker without a heartbeat does not live either. Claims of version 1 name the node alone.
"""

from __future__ import annotations

import time
from collections.abc import Collection, Sequence
from dataclasses import dataclass

import redis

from pipeline.engine.expiries import limit_expiries
from pipeline.engine.heartbeat import (
    HEARD_SINCE,
    NODES,
    RECONCILED,
    alive_key,
    heartbeat_timeout_s,
    text,
    worker_key,
)
from pipeline.engine.process_identity import is_living
from pipeline.names import PREFIX
from pipeline.settings import Settings

__all__ = [
    "KEPT_S",
    "LivingRunners",
    "active_key",
    "forget_node",
    "is_settling",
    "limit_lives",
    "living_runners",
    "node_of",
    "pool_pids_of",
    "processes_key",
    "settle",
    "sign_on",
    "tasks_at_work",
]

SETTLING = f"{PREFIX}settling"
"""Redis key that stands while no death is judged: Redis has just come back, and not every worker has renewed its
heartbeat."""

SETTLED = f"{PREFIX}settled"
"""Redis key that stands for a while after it: a machine that is always slow must not put off the judgement for ever."""

BEATS = 3
"""Within so many heartbeats every living worker has renewed its own."""

SETTLED_S = 60
KEPT_S = 86400
"""A set of processes that no parent renews any more is dropped after this time."""


@dataclass(frozen=True)
class LivingRunners:
    """The runners that live, as one process sees them: those of its own node it looks up on its machine.

    While nothing is known for sure, every runner counts as living: what is held back by that is found again by the
    reconciler.
    """

    node: str
    elsewhere: frozenset[str]
    is_sure: bool = True

    def __contains__(self, runner: object) -> bool:
        if not isinstance(runner, str):
            return False
        if runner == self.node and runner:
            return True
        node, _, process = runner.rpartition("/")
        if node == self.node and node:
            return is_living(process)
        return runner in self.elsewhere or not self.is_sure


def node_of(runner: str) -> str:
    """The node of a runner."""
    return runner.rpartition("/")[0] or runner


def living_runners(connection: redis.Redis) -> set[str]:
    """Return the nodes that have a heartbeat, and the processes of their pools."""
    return _living(connection, [text(node) for node in connection.smembers(NODES)])


def sign_on(connection: redis.Redis, runner: str) -> LivingRunners:
    """Enter this process in its node's set, which it does before each claim. Returns the runners that live."""
    node, _, process = runner.rpartition("/")
    with connection.pipeline(transaction=False) as pipe:
        pipe.smembers(NODES)
        pipe.exists(SETTLING)
        if node:
            pipe.sadd(processes_key(node), process)
            pipe.expire(processes_key(node), KEPT_S)
        nodes, settling, *_ = pipe.execute()
    return LivingRunners(node, frozenset(_living(connection, [text(name) for name in nodes])), not settling)


def pool_pids_of(connection: redis.Redis, nodes: Collection[str]) -> dict[str, list[int]]:
    """Return the living processes of each of these workers, as the parents of their pools know them."""
    names = list(nodes)
    with connection.pipeline(transaction=False) as pipe:
        for node in names:
            pipe.smembers(processes_key(node))
        answers = pipe.execute()
    return {
        node: sorted(int(text(process).partition("-")[0]) for process in processes)
        for node, processes in zip(names, answers, strict=True)
    }


def tasks_at_work(connection: redis.Redis, nodes: Collection[str]) -> set[str]:
    """Return the ids of the tasks that these workers are doing, as the parents of their pools know them."""
    with connection.pipeline(transaction=False) as pipe:
        for node in nodes:
            pipe.smembers(active_key(node))
        return {text(task_id) for names in pipe.execute() for task_id in names}


def forget_node(connection: redis.Redis, node: str) -> None:
    """Drop what is kept of a worker that is dead."""
    connection.delete(processes_key(node), active_key(node), worker_key(node))


def settle(connection: redis.Redis, settings: Settings) -> None:
    """Hold back the judgement of deaths for some heartbeats if Redis was emptied, frozen or away.

    The reconciler writes the time of its last run to Redis: if that is missing or old, so may be the heartbeats. Where
    Redis has heard some worker all the time they are not: then only the reconciler was late, as its worker was killed.
    """
    last = connection.get(RECONCILED)
    patience_s = max(heartbeat_timeout_s(settings.dead_after_s) - settings.heartbeat_s, 2 * settings.reconcile_s)
    if last is not None and 0 <= time.time() - float(text(last)) <= patience_s:
        return
    if _heard_for_s(connection) >= BEATS * settings.heartbeat_s:
        return
    if connection.set(SETTLED, 1, ex=SETTLED_S, nx=True):
        connection.set(SETTLING, 1, px=round(BEATS * settings.heartbeat_s * 1000))


def limit_lives(connection: redis.Redis, settings: Settings) -> None:
    """Let dead workers die in time after a clock that was set back; living ones renew their heartbeats."""
    longest_s = heartbeat_timeout_s(settings.dead_after_s)
    lives = {alive_key(text(node)): longest_s for node in connection.smembers(NODES)}
    settling = {SETTLING: BEATS * settings.heartbeat_s, SETTLED: SETTLED_S}
    limit_expiries(connection, {**lives, **settling, HEARD_SINCE: longest_s})


def is_settling(connection: redis.Redis) -> bool:
    """Whether no death may be judged at the moment."""
    return bool(connection.exists(SETTLING))


def processes_key(node: str) -> str:
    """Redis key of the living processes of a worker's pool."""
    return f"{PREFIX}processes:{node}"


def active_key(node: str) -> str:
    """Redis key of the tasks that a worker is doing."""
    return f"{PREFIX}active:{node}"


def _heard_for_s(connection: redis.Redis) -> float:
    """For how long Redis has heard heartbeats without a silence; 0 if it does not hear any."""
    since = connection.get(HEARD_SINCE)
    seconds, microseconds = connection.time()
    return seconds + microseconds / 1e6 - float(text(since)) if since is not None else 0.0


def _living(connection: redis.Redis, nodes: Sequence[str]) -> set[str]:
    with connection.pipeline(transaction=False) as pipe:
        for node in nodes:
            pipe.exists(alive_key(node))
            pipe.smembers(processes_key(node))
        answers = pipe.execute()
    living: set[str] = set()
    for node, is_alive, names in zip(nodes, answers[::2], answers[1::2], strict=True):
        if is_alive:
            living |= {node, *(f"{node}/{text(name)}" for name in names)}
    return living
