"""What a worker process holds: its node name, its services, its sandbox. Set once when the worker starts."""

from __future__ import annotations

import gc
import os
import threading
from dataclasses import dataclass, field

from pipeline.services import Services
from pipeline.settings import Settings
from pipeline.stages.sandbox import Sandbox

__all__ = ["Runtime", "freeze", "runtime", "start"]


@dataclass(frozen=True)
class Runtime:
    """One process of a worker; forked children of the worker share the node name and nothing else."""

    node: str
    services: Services
    _local: threading.local = field(default_factory=threading.local)

    @property
    def sandbox(self) -> Sandbox:
        """Where files are read: one for each thread, as it answers one question at a time."""
        if not hasattr(self._local, "sandbox"):
            self._local.sandbox = Sandbox(self.services.settings.extract_memory_mb)
        held: Sandbox = self._local.sandbox
        return held


_plan: tuple[str, Settings, bool] | None = None
_held: tuple[int, Runtime] | None = None


def start(node: str, settings: Settings, *, owner: bool) -> None:
    """Say what this worker is; its processes open their services when they first need them."""
    global _plan
    _plan = (node, settings, owner)


def runtime() -> Runtime:
    """The calling process's runtime: connections do not survive a fork, so each process has its own."""
    global _held
    if _plan is None:
        raise RuntimeError("runtime() was called outside a worker")
    if _held is None or _held[0] != os.getpid():
        node, settings, owner = _plan
        _held = (os.getpid(), Runtime(node, Services(settings, owner)))
    return _held[1]


def freeze() -> None:
    """What a process has loaded by now stays as long as it lives: garbage is not looked for in it any more.

    Looking takes up to a tenth of a second, at any moment: in the middle of a request, or under the write lock.
    """
    gc.collect()
    gc.freeze()
