"""What the API's process looks at again and again: workers, beat and the disks. Each look makes observations.

A worker that ended as it should has signed off; one whose heartbeat ends without that is dead. The API looks, and not a
periodic task: the worker that would run the task may be the one that is dead.
"""

from __future__ import annotations

import time
from collections.abc import Collection, Mapping
from dataclasses import replace

import redis
import structlog

from pipeline.catalog.work.conditions import Condition, Key, Observation
from pipeline.disk import MB, DiskState
from pipeline.engine.health import is_beating
from pipeline.engine.heartbeat import served_capabilities
from pipeline.engine.liveness import is_settling
from pipeline.names import STAGES
from pipeline.notify.dead_workers import look_for_dead_workers
from pipeline.notify.memory import FORGOTTEN_S
from pipeline.services import Services
from pipeline.settings import Settings
from pipeline.settings.room import disks

__all__ = ["absent_for_long", "disks_with_limits", "look", "missing_stages"]

log = structlog.get_logger()


def look(services: Services, host: str) -> list[Observation]:
    """Look at everything once. What cannot be looked at is left out: nothing is known of it."""
    settings = services.settings
    seen = [_disk(disk, settings, host) for disk in disks_with_limits(settings)]
    try:
        return [*seen, *_processes(services)]
    except redis.RedisError as error:
        log.warning("notify.workers_unknown", error=str(error))
        return seen


def _processes(services: Services) -> list[Observation]:
    """Workers, the stages that they serve, and beat."""
    if is_settling(services.redis):
        return []  # Redis has just come back, and not every heartbeat with it
    missing = missing_stages(served_capabilities(services.redis))
    return [*look_for_dead_workers(services.redis), *_stages(missing), _beat(services)]


def missing_stages(served: Collection[str]) -> list[str]:
    """The built-in stages that no living worker serves."""
    return [stage for stage in STAGES if f"{stage}@{stage}" not in served]


def absent_for_long(
    known: Mapping[Key, Condition], seen: Collection[Observation], hosts: Mapping[str, float] | None, here: str
) -> list[Observation]:
    """Observations that end conditions which no look watches any more.

    These are conditions that others reported as over, and, without a report, those of workers and disks that have not
    been expected for a day: nothing looks on the host of a disk, or the folder is not in use there any more.

    Args:
        known: the conditions.
        seen: what was looked at just now.
        hosts: when a process of each host looked last, in seconds since 1970; None if that is not known.
        here: this host.
    """
    looked_at, now = {observation.key for observation in seen}, time.time()
    are_workers_known = any(key.event == "worker.dead" for key in looked_at)

    def watched_at(key: Key, condition: Condition) -> float:
        """When anything could still tell of a condition that was not looked at; now, where that is not known."""
        host = condition.facts.get("host", "")
        if key.event == "disk.low" and host != here:
            return now if hosts is None else hosts.get(host, condition.since)
        is_out_of_use = key.event == "disk.low" or (key.event == "worker.dead" and are_workers_known)
        return condition.since if is_out_of_use else now

    unseen = {key: condition for key, condition in known.items() if key not in looked_at}
    forgotten = {key for key, condition in unseen.items() if abs(now - watched_at(key, condition)) > FORGOTTEN_S}
    return [
        Observation(*key, present=False, forgotten=key in forgotten)
        for key, condition in unseen.items()
        if key in forgotten or condition.absent_since is not None
    ]


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


def disks_with_limits(settings: Settings) -> list[DiskState]:
    """Each disk that work writes to, named by the first folder on it.

    `needed_bytes` and `setting` are the limit of the disk: less than that is reported.
    """
    by_device: dict[int, DiskState] = {}
    for disk in disks(settings):
        wanted = _with_limit(disk, settings)
        known = by_device.setdefault(disk.device, wanted)
        if known.needed_bytes < wanted.needed_bytes:
            by_device[disk.device] = replace(wanted, path=known.path)
    return list(by_device.values())


def _with_limit(disk: DiskState, settings: Settings) -> DiskState:
    """The disk with the limit of its reports; that of the system's temporary folder, which has no setting, stays."""
    limit = settings.notify_disk_mb * MB
    if not disk.setting or limit <= disk.needed_bytes:
        return disk
    return replace(disk, needed_bytes=limit, setting="notify_disk_mb")


def _disk(disk: DiskState, settings: Settings, host: str) -> Observation:
    facts = {
        "host": host,
        "path": disk.path,
        "free_mb": disk.free_bytes // MB,
        "wanted_mb": disk.needed_bytes // MB,
        "needed_mb": settings.min_free_mb,
        "setting": disk.setting,
    }
    return Observation("disk.low", f"{host}:{disk.path}", disk.full, "error", facts)
