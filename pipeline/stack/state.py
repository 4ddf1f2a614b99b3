"""What a supervisor says about its stack: `run/stack.json`, replaced as a whole, readable by this user only."""

from __future__ import annotations

import json
import os
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Literal

import psutil

from pipeline.stack.folder import Folder
from pipeline.stack.lease import is_locked

__all__ = ["Level", "Phase", "ProcessState", "StackState", "current", "is_same_process", "read", "write"]

Level = Literal["starting", "redis", "ready", "stopping", "stopped", "failed"]
Phase = Literal["starting", "ready", "waiting"]
CLOCK_SLACK_S = 2.0


@dataclass(frozen=True, slots=True)
class ProcessState:
    """One part of the stack: `pid` is None while it waits to be started again; `created` in seconds since 1970."""

    name: str
    pid: int | None
    created: float
    state: Phase
    restarts: int


@dataclass(frozen=True, slots=True)
class StackState:
    """A stack: its supervisor's pid and creation time, how far it is, and its parts.

    Level `redis` means that work may be submitted, `ready` that every worker is up as well.
    `redis_url` holds the password. `error` and `hint` are set at level `failed`.
    `settings` are digests of what its workers are set to.
    """

    id: str
    pid: int
    created: float
    started_at: str
    level: Level
    port: int
    redis_url: str
    processes: tuple[ProcessState, ...] = ()
    error: str = ""
    hint: str = ""
    settings: dict[str, str] = field(default_factory=dict)

    @property
    def usable(self) -> bool:
        """Whether Redis is up: a command may connect, submit and watch."""
        return self.level in ("redis", "ready")


def write(path: Path, state: StackState) -> None:
    """Replace the file: a reader sees the old state or the new one.

    Raises:
        OSError: the folder is gone or full.
    """
    draft = path.with_name(f"{path.name}.{os.getpid()}")
    descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "w", encoding="utf-8") as file:
        json.dump(asdict(state), file)
    draft.replace(path)


def read(path: Path) -> StackState | None:
    """The last state that any supervisor wrote, None when there is none or another release wrote it."""
    try:
        values: dict[str, Any] = json.loads(path.read_text("utf-8"))
        parts = tuple(ProcessState(**part) for part in values.pop("processes"))
        return StackState(**values, processes=parts)
    except (OSError, ValueError, TypeError, KeyError):
        return None


def current(folder: Folder) -> StackState | None:
    """The state of the stack that lives now; None when none does, or when it has not said anything yet."""
    if not is_locked(folder.stack):
        return None
    state = read(folder.state)
    return state if state and is_same_process(state.pid, state.created) else None


def is_same_process(pid: int, created: float) -> bool:
    """Whether `pid` is still the process that was created then, and not a later one with its number."""
    try:
        process = psutil.Process(pid)
        alive = process.status() != psutil.STATUS_ZOMBIE
        return alive and abs(process.create_time() - created) < CLOCK_SLACK_S
    except psutil.Error:
        return False
