"""The runtime of a worker process: its services and its sandboxes."""

from __future__ import annotations

import gc
import os
import threading
from dataclasses import dataclass, field

from pipeline.engine.pool_watch import PoolWatch
from pipeline.engine.process_identity import identity
from pipeline.services import Services
from pipeline.settings import Settings
from pipeline.stages.sandbox import Sandbox

__all__ = ["Runtime", "Worker", "freeze"]


@dataclass(frozen=True)
class Runtime:
    """One process of a worker. Processes that the worker forked share its node name and nothing else.

    `runner` is its name in the claims of tasks.
    """

    node: str
    runner: str
    services: Services
    _local: threading.local = field(default_factory=threading.local)

    @property
    def sandbox(self) -> Sandbox:
        """The sandbox that reads files: one for each thread, as it reads one file at a time."""
        if not hasattr(self._local, "sandbox"):
            self._local.sandbox = Sandbox(self.services.settings.extract_memory_mb, self.services.settings.data_dir)
        sandbox: Sandbox = self._local.sandbox
        return sandbox


class Worker:
    """A worker with its pool: each of its processes opens a runtime when it first needs one.

    Args:
        node: the worker's name, unique to this start.
        settings: its settings.
        owner: whether it opens the vectors of the data folder itself (embedded mode).
    """

    def __init__(self, node: str, settings: Settings, *, owner: bool = False) -> None:
        self.node = node
        self.settings = settings
        self._owner = owner
        self._opened: tuple[int, Runtime] | None = None
        self.watch: PoolWatch | None = None
        """Reports the pool; only in its parent, once the worker is ready."""

    def runtime(self) -> Runtime:
        """Return the runtime of the calling process. Connections do not survive a fork: each process has its own."""
        if self._opened is None or self._opened[0] != os.getpid():
            runner = f"{self.node}/{identity(os.getpid())}"
            self._opened = (os.getpid(), Runtime(self.node, runner, Services(self.settings, self._owner)))
        return self._opened[1]


def freeze() -> None:
    """Exempt what the process has loaded so far from garbage collection: it stays as long as the process lives.

    A collection takes up to a tenth of a second, at any moment: in the middle of a request, or under the write lock.
    """
    gc.collect()
    gc.freeze()
