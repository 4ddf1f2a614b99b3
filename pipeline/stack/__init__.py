"""The embedded stack: a private Redis, the workers and beat, on one machine, for as long as a command needs them.

Each command that uses the stack holds a shared lock on the data folder (`lease`). A supervisor process starts the
processes of the stack, restarts those that end, and ends all of them when no command holds the lock any more; a warden
process kills them if the supervisor was killed. Supervisor and warden are modules of this package and must start fast,
so the names below are imported only when they are first used: settings and errors take half a second.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from pipeline.stack.client import check, connect, peek, running, states
    from pipeline.stack.foreground import hold
    from pipeline.stack.process_plan import processes, settings_environment
    from pipeline.stack.spec import Launch, ProcessSpec
    from pipeline.stack.state import ProcessState, StackState

__all__ = [
    "Launch",
    "ProcessSpec",
    "ProcessState",
    "StackState",
    "check",
    "connect",
    "hold",
    "is_private",
    "peek",
    "processes",
    "running",
    "settings_environment",
    "states",
]

_HOMES = {
    "Launch": "spec",
    "ProcessSpec": "spec",
    "ProcessState": "state",
    "StackState": "state",
    "check": "client",
    "connect": "client",
    "hold": "foreground",
    "is_private": "client",
    "peek": "client",
    "processes": "process_plan",
    "running": "client",
    "settings_environment": "process_plan",
    "states": "client",
}


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_HOMES[name]}"), name)
