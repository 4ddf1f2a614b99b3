"""Parts `workers.GROUP`: does a living worker serve every queue of the group."""

from __future__ import annotations

from collections.abc import Sequence

import redis

from pipeline import stack
from pipeline.engine.heartbeat import Heartbeat, heartbeat_timeout_s, heartbeats
from pipeline.health.finding import Finding, degraded, failed, ok
from pipeline.services import Services

__all__ = ["check_workers", "judge_group"]


def check_workers(group: str, queues: Sequence[str], services: Services, connection: redis.Redis) -> Finding:
    """Compare the queues of a worker group with what the living workers serve. Raises redis.RedisError."""
    settings = services.settings
    living = heartbeats(connection, heartbeat_timeout_s(settings.dead_after_s))
    processes = stack.states(settings) if stack.is_private(settings) else []
    waiting = [
        process.name for process in processes if process.name.partition("-")[0] == group and process.state != "ready"
    ]
    return judge_group(group, queues, living, waiting)


def judge_group(group: str, queues: Sequence[str], living: Sequence[Heartbeat], waiting: Sequence[str]) -> Finding:
    """Judge one worker group.

    Args:
        group: its name.
        queues: those that it serves.
        living: the heartbeats of all workers.
        waiting: names of its processes that their supervisor is just starting.
    """
    serving = [beat for beat in living if set(queues) & _queues_of(beat)]
    unserved = sorted(set(queues).difference(*(_queues_of(beat) for beat in serving)))
    measured = {"workers": float(len(serving)), "queues_unserved": float(len(unserved))}
    if unserved:
        cause = f"No worker that lives serves {', '.join(unserved)}."
        return failed(cause, f"Start one with: docrelay worker {group}, or everything with: docrelay up", **measured)
    age_s = max(beat.age_s for beat in serving)
    if waiting:
        cause = f"Not ready: {', '.join(waiting)}; the supervisor starts it again by itself."
        return degraded(cause, "If it does not come up, its log is in `logs/` of the data folder.", age_s, **measured)
    return ok(age_s, **measured)


def _queues_of(beat: Heartbeat) -> set[str]:
    return {capability.rpartition("@")[2] for capability in beat.capabilities}
