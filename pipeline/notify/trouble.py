"""What the API's process looks at again and again: workers, beat and the disk. Each look makes observations.

A worker that ended as it should has signed off; one whose heartbeat ends without that is dead. The API looks, and not a
periodic task: the worker that would run the task may be the one that is dead.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Collection
from functools import partial
from typing import NamedTuple

import redis
import structlog

from pipeline.catalog.work.conditions import Condition, Key, Observation
from pipeline.disk import MB, disk_state
from pipeline.engine.health import is_beating
from pipeline.engine.heartbeat import living_nodes, served_capabilities, signed_off
from pipeline.engine.liveness import is_settling
from pipeline.names import STAGES
from pipeline.services import Services
from pipeline.settings import Settings
from pipeline.settings.room import full_disk

__all__ = ["Workers", "absent_for_long", "look", "missing_stages"]

log = structlog.get_logger()

FORGOTTEN_S = 86400.0
"""A dead worker that did not come back within this time is not expected any more."""


class Workers:
    """The workers that one process has seen alive. A node is one start of the worker of a name."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._seen: dict[str, _Seen] = {}

    def look(self, living: Collection[str], has_signed_off: Callable[[str], bool]) -> list[Observation]:
        """Compare the nodes that live now with those seen before.

        Args:
            living: the nodes that have a heartbeat.
            has_signed_off: whether a node ended as it should.
        """
        now = self._clock()
        self._seen |= {_name(node): _Seen(node, now) for node in living}
        gone = {name: seen for name, seen in self._seen.items() if seen.node not in living}
        for name, seen in list(gone.items()):
            if now - seen.at > FORGOTTEN_S or has_signed_off(seen.node):
                del self._seen[name], gone[name]
        return [_worker(name, dead=name in gone) for name in self._seen]


class _Seen(NamedTuple):
    """The node that a worker had last, and when it was seen."""

    node: str
    at: float


def look(services: Services, workers: Workers) -> list[Observation]:
    """Look at everything once. What cannot be looked at is left out: nothing is known of it."""
    disk = _disk(services.settings)
    seen = [disk] if disk is not None else []
    try:
        return [*seen, *_processes(services, workers)]
    except redis.RedisError as error:
        log.warning("notify.workers_unknown", error=str(error))
        return seen


def _processes(services: Services, workers: Workers) -> list[Observation]:
    """Workers, the stages that they serve, and beat."""
    if is_settling(services.redis):
        return []  # Redis has just come back, and not every heartbeat with it
    nodes = living_nodes(services.redis)
    missing = missing_stages(served_capabilities(services.redis))
    return [*workers.look(nodes, partial(signed_off, services.redis)), *_stages(missing), _beat(services)]


def missing_stages(served: Collection[str]) -> list[str]:
    """The built-in stages that no living worker serves."""
    return [stage for stage in STAGES if f"{stage}@{stage}" not in served]


def absent_for_long(known: dict[Key, Condition], seen: Collection[Observation]) -> list[Observation]:
    """Observations that end conditions which no look watches any more.

    These are conditions that others reported as over, and dead workers that no process of the API remembers.
    """
    looked_at = {observation.key for observation in seen}
    now = time.time()
    return [
        Observation(key.event, key.subject, present=False)
        for key, condition in known.items()
        if key not in looked_at
        and (
            condition.absent_since is not None
            or (key.event == "worker.dead" and abs(now - condition.since) > FORGOTTEN_S)
        )
    ]


def _name(node: str) -> str:
    return node.rpartition("@")[0]


def _worker(name: str, *, dead: bool) -> Observation:
    facts = {
        "title": f"Worker {name} is dead",
        "message": "Its heartbeat ended without a sign-off, and no worker of this name has started since. Its tasks "
        "go to other workers; start it again.",
    }
    return Observation("worker.dead", f"worker {name}", dead, "warning", facts)


def _stages(missing: Collection[str]) -> list[Observation]:
    return [
        Observation(
            "worker.dead",
            f"stage {stage}",
            stage in missing,
            "error",
            {"title": f"No worker serves {stage}", "message": "Documents wait before this stage; start a worker."},
        )
        for stage in STAGES
    ]


def _beat(services: Services) -> Observation:
    facts = {
        "title": "Beat does not run",
        "message": "Periodic tasks have not run for a minute: lost work is not found. Start: docrelay beat",
    }
    return Observation("worker.dead", "beat", not is_beating(services.redis, services.settings), "error", facts)


def _disk(settings: Settings) -> Observation | None:
    """The disk with little room; None where the system cannot say."""
    wanted_mb = max(settings.notify_disk_mb, settings.min_free_mb)
    state = full_disk(settings) or disk_state(settings.data_dir, wanted_mb * MB, "notify_disk_mb")
    if state is None:
        return None
    facts = {
        "path": state.path,
        "free_mb": state.free_bytes // MB,
        "wanted_mb": wanted_mb,
        "needed_mb": settings.min_free_mb,
    }
    return Observation("disk.low", str(settings.data_dir), state.full, "error", facts)
