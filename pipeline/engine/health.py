"""Health check for container engines: `python -m pipeline.engine.health worker` or `... beat`; exit code 0 is healthy.

A worker of this host is healthy while its heartbeat is in Redis; beat is while it sends periodic tasks. The parts of
`pipeline.health` judge by the same functions.
"""

from __future__ import annotations

import argparse
import socket
import sys

import redis

from pipeline.engine.heartbeat import beat_age_s, living_nodes, reconciled_age_s
from pipeline.services import Services
from pipeline.settings import Settings, load_settings

__all__ = ["beat_patience_s", "is_beating", "is_reconciling", "is_working", "reconciler_patience_s"]

BEAT_PATIENCE_S = 15.0
RECONCILER_PATIENCE_S = 60.0

EMBEDDED = (
    "There is no worker to check: the setting `redis_url` is not set, so the processes of this data folder are a "
    "private stack. Look at them with: docrelay status, or docrelay doctor"
)


def beat_patience_s(settings: Settings) -> float:
    """Seconds without a periodic task after which beat counts as dead: the shortest period is `reconcile_s`."""
    return BEAT_PATIENCE_S + 3 * settings.reconcile_s


def reconciler_patience_s(settings: Settings) -> float:
    """Seconds since the reconciler finished after which something keeps it from working: a run may take a while."""
    return RECONCILER_PATIENCE_S + 3 * settings.reconcile_s


def is_working(connection: redis.Redis, name: str) -> bool:
    """Whether a living worker has this name, or a default name on the host of this name."""
    names = {node.rpartition("@")[0] for node in living_nodes(connection)}
    return any(worker == name or worker.endswith(f"-{name}") for worker in names)


def is_beating(connection: redis.Redis, settings: Settings) -> bool:
    """Whether beat has sent a periodic task lately."""
    age_s = beat_age_s(connection)
    return age_s is not None and age_s < beat_patience_s(settings)


def is_reconciling(connection: redis.Redis, settings: Settings) -> bool:
    """Whether the reconciler has finished lately."""
    age_s = reconciled_age_s(connection)
    return age_s is not None and age_s < reconciler_patience_s(settings)


def main() -> int:
    """Entry of the process."""
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("part", choices=["worker", "beat"])
    options.add_argument("--name", default=socket.gethostname(), help="of the worker; by default any of this host")
    arguments = options.parse_args()
    settings = load_settings()
    if settings.redis_url is None:
        print(EMBEDDED, file=sys.stderr)
        return 1
    connection, is_worker = Services(settings).redis, arguments.part == "worker"
    try:
        healthy = is_working(connection, arguments.name) if is_worker else is_beating(connection, settings)
    except redis.RedisError as error:
        print(f"Redis: {error}", file=sys.stderr)
        return 1
    return 0 if healthy else 1


if __name__ == "__main__":
    sys.exit(main())
