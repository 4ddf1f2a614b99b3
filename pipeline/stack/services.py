"""The services: processes that only `docrelay up` runs, as its children, such as the API and the watcher.

They use the stack as commands do, and no process of the stack needs them: a service that ends is restarted, with
growing delays, and never ends the stack. They have a warden of their own: none outlives a killed `docrelay up`.
"""

from __future__ import annotations

import json
import os
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import asdict

import redis

from pipeline.settings import Settings
from pipeline.stack.child import Child
from pipeline.stack.folder import Folder, replace_file
from pipeline.stack.frozen import STOPPED_S, Vigil
from pipeline.stack.launcher import inherited_environment
from pipeline.stack.lease import FileLock
from pipeline.stack.pulse import PULSE_KEY, READY_KEY
from pipeline.stack.session import Session
from pipeline.stack.spec import ProcessSpec
from pipeline.stack.state import ProcessState
from pipeline.stack.warden import Warden

__all__ = ["ServiceRunner", "service_states"]

GRACE_S = 5.0
LOOK_S = 1.0
FIRST_DELAY_S = 0.5
POLL_S = 0.05
REDIS_TIMEOUT_S = 2.0


class ServiceRunner:
    """Runs the services of the one `docrelay up` of a data folder, which holds the lock, until `close`."""

    def __init__(
        self,
        attached: Settings,
        specs: Sequence[ProcessSpec],
        say: Callable[[str], None],
        stopped_s: float = STOPPED_S,
    ) -> None:
        self._folder = Folder(attached.data_dir)
        self._url = str(attached.redis_url)
        self._specs = specs
        self._say = say
        self._warden = Warden(self._folder, self._folder.services_warden_lock)
        self._children: list[Child] = []
        self._written: list[ProcessState] = []
        self._last_line = ""
        self._trouble: dict[str, str] = {}
        self._stopped_s = stopped_s
        self._looked = 0.0
        self._redis = _connect(self._url)

    @property
    def waiting(self) -> list[str]:
        """Names of the services that this process runs and that are not ready."""
        return [child.spec.name for child in self._children if not child.ready]

    @property
    def trouble(self) -> dict[str, str]:
        """The last line of each service that has ended before it was ready, and is not ready yet, by its name."""
        return dict(self._trouble)

    def use(self, attached: Settings) -> None:
        """End every service and start it again on another stack, which runs in the place of one that was killed."""
        for child in self._children:
            child.kill()
        self._redis.close()
        self._url = str(attached.redis_url)
        self._redis = _connect(self._url)

    def tick(self) -> None:
        """Check every service once: restart those that have ended, and see which are ready."""
        if not self._specs or not (self._children or self._begin()):
            return
        self._warden.ensure(child.sid for child in self._children if child.sid is not None)
        for child in self._children:
            if child.has_exited:
                self._handle_exit(child)
            if child.is_due:
                self._start(child)
        self._replace_frozen()
        self._update_ready()
        self._write_states()

    def close(self) -> None:
        """End every service; each may finish within the grace. Call it while the stack still runs."""
        for child in self._children:
            child.terminate()
        deadline = time.monotonic() + GRACE_S
        while time.monotonic() < deadline and any(
            child.sid is not None and not child.has_exited for child in self._children
        ):
            time.sleep(POLL_S)
        for child in self._children:
            child.kill()
        if self._children:
            self._write_states()
        self._warden.close()
        self._redis.close()

    def _begin(self) -> bool:
        """Prepare the services; False while the warden of a `docrelay up` that was killed is there."""
        with FileLock(self._folder.services_warden_lock) as former:
            if not former.acquire():
                return False  # it still kills the services of that one
        self._kill_leftovers()
        self._children = [
            Child(spec, self._folder, self._warden, FIRST_DELAY_S, Vigil(self._stopped_s)) for spec in self._specs
        ]
        return True

    def _replace_frozen(self) -> None:
        """Kill the services that are frozen, about once a second; they are started again as those that ended."""
        if time.monotonic() - self._looked < min(LOOK_S, self._stopped_s / 4):
            return
        try:
            values = self._redis.mget([PULSE_KEY + child.spec.name for child in self._children])
        except redis.RedisError:
            values = []
        self._looked = time.monotonic()
        pulses = dict(zip((child.spec.name for child in self._children), values, strict=False))
        for child in self._children:
            pulse = pulses.get(child.spec.name)
            if child.vigil.look(child.sid, os.fsdecode(pulse) if pulse else None, can_hear=bool(values)):
                child.replace_frozen()
                self._say_once(f"{child.spec.name} was frozen and is replaced")

    def _start(self, child: Child) -> None:
        try:
            child.start({**inherited_environment(), "DOCRELAY_REDIS_URL": self._url})
        except OSError as error:
            self._say_once(f"The process {child.spec.name} cannot be run: {error}")

    def _handle_exit(self, child: Child) -> None:
        lines = child.last_output().splitlines()
        reason = f"; the last it said: {lines[-1]}" if lines else "."
        self._say_once(f"The process {child.spec.name} ended and is started again{reason}")
        if not child.ready:
            self._trouble[child.spec.name] = lines[-1] if lines else "it ended"
        child.handle_exit()

    def _update_ready(self) -> None:
        """Note the services whose pid stands in Redis, and say so."""
        waiting = [child for child in self._children if child.sid is not None and not child.ready]
        if not waiting:
            return
        try:
            values = self._redis.mget([READY_KEY + child.spec.name for child in waiting])
        except redis.RedisError:
            return
        for child, value in zip(waiting, values, strict=True):
            pid, _, note = os.fsdecode(value or b"").partition(" ")
            child.ready = pid.isdigit() and child.owns(int(pid))
            if child.ready:
                self._trouble.pop(child.spec.name, None)
                self._say_once(f"{child.spec.name} is ready" + (f": {note}" if note else ""))

    def _kill_leftovers(self) -> None:
        """Kill services of an earlier `docrelay up` that was killed together with its warden."""
        for state in service_states(self._folder):
            if state.pid is not None:
                Session(state.pid).kill()

    def _write_states(self) -> None:
        states = [child.state() for child in self._children]
        if states != self._written:
            with suppress(OSError):  # a full disk: it is written at a later tick
                replace_file(self._folder.services_file, json.dumps([asdict(state) for state in states]))
                self._written = states

    def _say_once(self, line: str) -> None:
        if line != self._last_line:
            self._say(line)
            self._last_line = line


def service_states(folder: Folder) -> list[ProcessState]:
    """The services that run, as the `docrelay up` that runs them wrote them down."""
    try:
        states = [ProcessState(**fields) for fields in json.loads(folder.services_file.read_text("utf-8"))]
    except (OSError, ValueError, TypeError):
        return []
    return [state for state in states if state.runs]


def _connect(url: str) -> redis.Redis:
    return redis.Redis.from_url(url, socket_timeout=REDIS_TIMEOUT_S, socket_connect_timeout=REDIS_TIMEOUT_S)
