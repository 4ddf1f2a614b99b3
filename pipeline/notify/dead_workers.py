"""Which workers are dead: those that were seen alive, have no heartbeat, did not sign off, and were not replaced.

A node is one start of a worker. Several workers may have one name, so nodes are compared: each node that appears takes
the place of one of its name that is gone. The nodes that were seen are kept in Redis, so that an API that starts knows
of a worker that died while none ran.
"""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from functools import partial

import redis

from pipeline.catalog.work.conditions import Observation
from pipeline.engine.heartbeat import living_nodes, signed_off, text
from pipeline.names import PREFIX
from pipeline.notify.memory import FORGOTTEN_S, KEPT_S

__all__ = ["SEEN", "Comparison", "compare", "look_for_dead_workers"]

SEEN = f"{PREFIX}notify_nodes"
"""Redis key of a hash: when each node was last seen alive, in seconds since 1970."""


@dataclass(frozen=True, slots=True)
class Comparison:
    """What a look at the nodes has found.

    `living` and `dead` count nodes by the name of their worker; `forgotten` are names of which a dead node is not
    expected any more; `dropped` are the nodes that need not be known any more.
    """

    living: Mapping[str, int]
    dead: Mapping[str, int]
    forgotten: Collection[str]
    dropped: Collection[str]


def look_for_dead_workers(connection: redis.Redis) -> list[Observation]:
    """Look which workers live, and remember it.

    Raises:
        redis.RedisError: Redis does not answer.
    """
    with connection.pipeline() as pipe:
        while True:
            try:
                return observations(_compare_and_remember(connection, pipe))
            except redis.WatchError:
                continue  # another process has changed the hash meanwhile: what that has dropped must not come back


def _compare_and_remember(connection: redis.Redis, pipe: redis.client.Pipeline) -> Comparison:
    """Compare the nodes, and store what is known now, unless the hash is changed meanwhile (redis.WatchError)."""
    pipe.watch(SEEN)
    seen = {text(node): float(text(at)) for node, at in pipe.hgetall(SEEN).items()}
    living, now = living_nodes(connection), time.time()
    found = compare(seen, living, partial(signed_off, connection), now)
    pipe.multi()
    if living:
        pipe.hset(SEEN, mapping=dict.fromkeys(living, str(now)))
    if found.dropped:
        pipe.hdel(SEEN, *found.dropped)
    pipe.expire(SEEN, KEPT_S)
    pipe.execute()
    return found


def compare(
    seen: Mapping[str, float], living: Collection[str], has_signed_off: Callable[[str], bool], now: float
) -> Comparison:
    """Compare the nodes that live with those that were seen.

    Args:
        seen: when each node was last seen alive, in seconds since 1970.
        living: the nodes that have a heartbeat.
        has_signed_off: whether a node ended as it should.
        now: seconds since 1970.
    """
    absent = sorted((at, node) for node, at in seen.items() if node not in living)
    ended = {node for _, node in absent if has_signed_off(node)}
    forgotten = {node for at, node in absent if abs(now - at) > FORGOTTEN_S} - ended
    new = Counter(_name(node) for node in living if node not in seen)
    replaced = set()
    for _, node in absent:
        if node not in ended | forgotten and new[_name(node)] > 0:
            new[_name(node)] -= 1
            replaced.add(node)
    dropped = ended | forgotten | replaced
    return Comparison(
        living=Counter(map(_name, living)),
        dead=Counter(_name(node) for _, node in absent if node not in dropped),
        forgotten={_name(node) for node in forgotten},
        dropped=dropped,
    )


def observations(found: Comparison) -> list[Observation]:
    """One for each name of workers of which anything is known."""
    return [
        _observation(name, found.dead.get(name, 0), found.living.get(name, 0), forgotten=name in found.forgotten)
        for name in sorted({*found.living, *found.dead, *found.forgotten})
    ]


def _observation(name: str, dead: int, living: int, *, forgotten: bool) -> Observation:
    others = f"{living} of this name live. " if living else ""
    facts = {
        "title": f"Worker {name} is dead" if dead < 2 else f"{dead} workers {name} are dead",
        "message": f"The heartbeat ended without a sign-off, and no worker of this name has started since. {others}The "
        "tasks go to other workers; start it again.",
    }
    return Observation("worker.dead", f"worker {name}", dead > 0, "warning", facts, forgotten and dead == 0)


def _name(node: str) -> str:
    return node.rpartition("@")[0]
