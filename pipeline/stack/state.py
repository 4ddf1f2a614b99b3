"""State of a stack: `run/stack.json`, which its supervisor replaces as a whole and only this user may read."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Literal

import psutil

from pipeline.errors import StackUnavailable
from pipeline.stack.folder import Folder, replace_file
from pipeline.stack.lease import is_locked
from pipeline.stack.session import identity as identity_of

__all__ = ["Level", "Phase", "ProcessState", "StackState", "current", "is_same_process", "read", "write"]

Level = Literal["starting", "redis", "ready", "stopping", "stopped", "failed"]
Phase = Literal["starting", "ready", "waiting"]
CLOCK_SLACK_S = 2.0


@dataclass(frozen=True, slots=True)
class ProcessState:
    """One process of the stack: `pid` is None while it waits for a restart; `created` in seconds since 1970.

    `frozen` counts those of the restarts that replaced a process that was frozen; `reason` is why it was started last
    time: empty, `died` or `frozen`. `identity` is that of the process where the system tells it.
    """

    name: str
    pid: int | None
    created: float
    state: Phase
    restarts: int
    frozen: int = 0
    reason: str = ""
    identity: str = ""

    @property
    def runs(self) -> bool:
        """Whether this very process lives."""
        return self.pid is not None and is_same_process(self.pid, self.created, self.identity)


@dataclass(frozen=True, slots=True)
class StackState:
    """A stack, as its supervisor writes it down.

    id              of this run of the supervisor
    pid, created    of the supervisor; `created` in seconds since 1970
    level           `redis`: work may be submitted; `ready`: every worker is up as well
    redis_url       with the password
    error, hint     of `failure`, at level `failed`
    settings        environment variables of the workers, with digests of their values
    warden, warden_created    pid of the warden, 0 before it runs, and when it was created
    identity, warden_identity   of both, where the system tells it: it stays the same when the clock is set
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
    warden: int = 0
    warden_created: float = 0.0
    identity: str = ""
    warden_identity: str = ""

    @property
    def runs(self) -> bool:
        """Whether the supervisor that wrote it lives."""
        return is_same_process(self.pid, self.created, self.identity)

    @property
    def warden_runs(self) -> bool:
        """Whether its warden lives."""
        return is_same_process(self.warden, self.warden_created, self.warden_identity)

    @property
    def usable(self) -> bool:
        """Whether Redis is up: a command may connect, submit and watch."""
        return self.level in ("redis", "ready")

    @property
    def failure(self) -> StackUnavailable | None:
        """Why the stack has failed, as an error to raise; None at all other levels."""
        return StackUnavailable(self.error, self.hint) if self.level == "failed" else None


def write(path: Path, state: StackState) -> None:
    """Replace the file: a reader sees the old state or the new one.

    Raises:
        OSError: the folder is gone or full.
    """
    replace_file(path, json.dumps(asdict(state)))


def read(path: Path) -> StackState | None:
    """The last state that a supervisor wrote; None if there is none, or another release wrote other fields."""
    try:
        values: dict[str, Any] = json.loads(path.read_text("utf-8"))
        processes = tuple(ProcessState(**process) for process in values.pop("processes"))
        return StackState(**values, processes=processes)
    except (OSError, ValueError, TypeError, KeyError):
        return None


def current(folder: Folder) -> StackState | None:
    """The state of the running stack; None if none runs, or if its supervisor has not written the state yet."""
    if not is_locked(folder.stack_lock):
        return None
    state = read(folder.state_file)
    return state if state and state.runs else None


def is_same_process(pid: int, created: float, identity: str = "") -> bool:
    """Whether the process with this pid is the one of this identity, and not a later one with the same pid.

    Without an identity the time decides at which it was created: that changes when the clock is set.
    """
    try:
        process = psutil.Process(pid)
        alive = process.status() != psutil.STATUS_ZOMBIE
        if identity:
            return alive and identity_of(pid) == identity
        return alive and abs(process.create_time() - created) < CLOCK_SLACK_S
    except psutil.Error:
        return False
