"""The doors: what only `docrelay up` runs, as its own children.

They need the stack and use it like any other command, but nothing needs them: a door that dies is started again,
ever more slowly, and never takes the stack down. One `up` of a data folder runs them; the next one waits for its
lock and takes over. They have a warden of their own, so a killed `up` leaves none behind.
"""

from __future__ import annotations

import json
import os
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict

import redis

from pipeline.settings import Settings
from pipeline.stack.child import Child
from pipeline.stack.client import inherited
from pipeline.stack.folder import Folder
from pipeline.stack.lease import FileLock
from pipeline.stack.redis_server import READY_KEY
from pipeline.stack.session import Session
from pipeline.stack.spec import ProcessSpec
from pipeline.stack.state import ProcessState, is_same_process
from pipeline.stack.warden import Warden

__all__ = ["Doors"]

GRACE_S = 5.0
FIRST_DELAY_S = 0.5
POLL_S = 0.05
ASK_S = 2.0


class Doors:
    """The doors of one `docrelay up`: opened when it gets its turn, ended by `close`."""

    def __init__(self, attached: Settings, specs: Sequence[ProcessSpec], say: Callable[[str], None]) -> None:
        self._folder = Folder(attached.data_dir)
        self._url = str(attached.redis_url)
        self._specs = specs
        self._say = say
        self._lock = FileLock(self._folder.doors)
        self._warden = Warden(self._folder, self._folder.doors_warden)
        self._children: list[Child] = []
        self._written: list[ProcessState] = []
        self._told = ""
        self._redis = redis.Redis.from_url(self._url, socket_timeout=ASK_S, socket_connect_timeout=ASK_S)

    def tick(self) -> None:
        """One look at every door."""
        if not self._specs or not (self._children or self._my_turn()):
            return
        self._warden.ensure(child.sid for child in self._children if child.sid is not None)
        for child in self._children:
            if child.died:
                self._mourn(child)
            if child.due:
                self._start(child)
        self._look_who_is_ready()
        self._write()

    def close(self) -> None:
        """End every door: they may finish within the grace. Must be called while the stack still lives."""
        for child in self._children:
            child.terminate()
        deadline = time.monotonic() + GRACE_S
        while time.monotonic() < deadline and any(one.sid is not None and not one.died for one in self._children):
            time.sleep(POLL_S)
        for child in self._children:
            child.bury()
        if self._children:
            self._write()
        self._warden.close()
        self._lock.release()
        self._redis.close()

    def _my_turn(self) -> bool:
        if self._lock.descriptor is None and not self._lock.acquire():
            return False
        with FileLock(self._folder.doors_warden) as former:
            if not former.acquire():
                return False  # a warden still ends what a killed `up` left
        self._sweep()
        self._children = [Child(spec, self._folder, self._warden, FIRST_DELAY_S) for spec in self._specs]
        return True

    def _start(self, child: Child) -> None:
        try:
            child.start({**inherited(), "DOCRELAY_REDIS_URL": self._url})
        except OSError as error:
            self._tell(f"The process {child.spec.name} cannot be run: {error}")

    def _mourn(self, child: Child) -> None:
        words = child.last_words().splitlines()
        told = f"; the last it said: {words[-1]}" if words else "."
        self._tell(f"The process {child.spec.name} ended and is started again{told}")
        child.mourn()

    def _look_who_is_ready(self) -> None:
        waiting = [child for child in self._children if child.sid is not None and not child.ready]
        if not waiting:
            return
        try:
            answers = self._redis.mget([READY_KEY + child.spec.name for child in waiting])
        except redis.RedisError:
            return
        for child, answer in zip(waiting, answers, strict=True):
            pid, _, words = os.fsdecode(answer or b"").partition(" ")
            child.ready = pid.isdigit() and child.owns(int(pid))
            if child.ready:
                self._tell(f"{child.spec.name} is ready" + (f": {words}" if words else ""))

    def _sweep(self) -> None:
        """End what an earlier `up` left when it was killed together with its warden."""
        try:
            former = [ProcessState(**one) for one in json.loads(self._folder.doors_state.read_text("utf-8"))]
        except (OSError, ValueError, TypeError):
            return
        for one in former:
            if one.pid is not None and is_same_process(one.pid, one.created):
                Session(one.pid).kill()

    def _write(self) -> None:
        now = [child.state() for child in self._children]
        if now != self._written:
            self._folder.doors_state.write_text(json.dumps([asdict(one) for one in now]), "utf-8")
            self._written = now

    def _tell(self, line: str) -> None:
        if line != self._told:
            self._say(line)
            self._told = line
