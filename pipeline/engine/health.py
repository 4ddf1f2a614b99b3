"""Health check for container engines: `python -m pipeline.engine.health worker` or `... beat`; exit code 0 is healthy.

A worker of this host is healthy while its heartbeat is in Redis; beat is while the reconciler, which it triggers,
finishes.
"""

from __future__ import annotations

import argparse
import socket
import sys
import time

import redis

from pipeline.engine.heartbeat import RECONCILED, living_nodes, text
from pipeline.services import Services
from pipeline.settings import Settings, load_settings

__all__ = ["is_reconciled", "is_working"]

PATIENCE_S = 60.0

EMBEDDED = (
    "There is no worker to check: the setting `redis_url` is not set, so the processes of this data folder are a "
    "private stack. Look at them with: docrelay status"
)


def is_working(services: Services, name: str) -> bool:
    """Whether a living worker has this name, or a default name on the host of this name."""
    names = {node.rpartition("@")[0] for node in living_nodes(services.redis)}
    return any(worker == name or worker.endswith(f"-{name}") for worker in names)


def is_reconciled(services: Services) -> bool:
    """Whether the reconciler has finished lately."""
    last = services.redis.get(RECONCILED)
    return last is not None and time.time() - float(text(last)) < PATIENCE_S + 3 * services.settings.reconcile_s


def main() -> int:
    """Entry of the process."""
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("part", choices=["worker", "beat"])
    options.add_argument("--name", default=socket.gethostname(), help="of the worker; by default any of this host")
    arguments = options.parse_args()
    settings: Settings = load_settings()
    if settings.redis_url is None:
        print(EMBEDDED, file=sys.stderr)
        return 1
    services = Services(settings)
    try:
        healthy = is_working(services, arguments.name) if arguments.part == "worker" else is_reconciled(services)
    except redis.RedisError as error:
        print(f"Redis: {error}", file=sys.stderr)
        return 1
    return 0 if healthy else 1


if __name__ == "__main__":
    sys.exit(main())
