"""The stack under attack: `docrelay up` on a folder of its own, and what is known of its processes."""

from __future__ import annotations

import json
import os
import re
import subprocess
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

from cli_rig import Cli
from flow_rig import MARK, FlowRig
from flow_tools import eventually, kill_all, lives
from gates import Gates

from pipeline.gates_for_tests import HISTORY
from pipeline.settings import Settings
from pipeline.stack import StackState, running

__all__ = ["MARK", "SETTINGS", "Stand", "note"]

SETTINGS: dict[str, Any] = {
    "chunk_tokens": 64,
    "chunk_overlap_tokens": 0,
    "chunk_batch_size": 8,
    "batch_documents": 4,
    "ocr_group_pages": 1,
    "embed_processes": 2,
    "extract_processes": 2,
    "heartbeat_s": 1.0,
    "dead_after_s": 8.0,
    "max_retries": 6,
    "retry_backoff_s": 1.0,
    "retry_backoff_max_s": 60.0,
    "watch_settle_ms": 200,
    "watch_rescan_s": 5.0,
    "api_port": 0,
}
"""Small batches, so that a job is many tasks; the rest as a user has it."""

START_S = 120.0


class Stand:
    """`docrelay up` with API and a watched folder; it is kept between seeds.

    `hands` counts how often the harness had to start it again because it had ended by itself. `hooks` are the faults
    that only this kind of stand has.
    """

    def __init__(self, folder: Path, **settings: Any) -> None:
        self.folder = folder
        self.history = folder / "history"
        self.watched = folder / "watched"
        self.watched.mkdir(parents=True, exist_ok=True)
        self.history.touch()
        watch = json.dumps([{"path": str(self.watched), "collection": "watched"}])
        chosen = {**SETTINGS, "watch": watch, "api_roots": (str(folder),), **settings}
        self.cli = Cli(folder / "data", **chosen)
        self.hands = 0
        self.hooks: dict[str, Callable[[], bool]] = {}
        self.environment: dict[str, str] = {}
        self._up: subprocess.Popen[str] | None = None
        self._rig: FlowRig | None = None

    @property
    def gates(self) -> Gates:
        """Where crash orders are left."""
        return self.cli.gates

    @property
    def state(self) -> StackState | None:
        """What the supervisor reports; None while none runs."""
        return running(self.settings)

    @property
    def rig(self) -> FlowRig:
        """Calls on the stack as it is now: a new supervisor has another Redis."""
        state = self.state
        url = state.redis_url if state is not None else None
        if self._rig is None or (url is not None and self._rig.settings.redis_url != url):
            self._close()
            self._rig = FlowRig(self.settings.model_copy(update={"redis_url": url}), self.gates)
        return self._rig

    @property
    def settings(self) -> Settings:
        """The settings of the stack."""
        return self.cli.settings

    def start(self) -> None:
        """Start `docrelay up` and wait until it is ready."""
        os.environ[HISTORY] = str(self.history)
        with self.folder.joinpath("up.err").open("a") as err:
            environment = {**self.cli.environment, **self.environment}
            self._up = self.cli.start("up", stdout=subprocess.DEVNULL, stderr=err, env=environment)
        self.wait_ready()

    def wait_ready(self) -> None:
        """Wait until every process is ready."""
        if not eventually(lambda: (now := self.state) is not None and now.level == "ready", START_S):
            raise AssertionError(f"the stack is not ready: {self.state}\n{self.said()}")

    def said(self) -> str:
        """The last that `up` has printed."""
        return self.folder.joinpath("up.err").read_text()[-2000:]

    def ensure(self) -> None:
        """Start `up` again if it has ended by itself; `hands` counts it."""
        if self._up is not None and self._up.poll() is not None:
            note(self.history, "hand")
            self.hands += 1
            self.start()

    def stop(self) -> None:
        """End it, however it is."""
        self._close()
        self.gates.open()
        if self._up is not None:
            self._up.terminate()
            with suppress(subprocess.TimeoutExpired):
                self._up.wait(60)
        self.cli.clear()

    def kill_all(self) -> None:
        """SIGKILL for every process at once, as when the machine loses power."""
        if self._up is not None:
            self._up.kill()
        kill_all(self.cli.left())
        if self._up is not None:
            self._up.wait()
        self._up = None
        eventually(lambda: not self.cli.left(), 30)

    def pid(self, part: str) -> int | None:
        """Id of the leading process of a part: a worker, redis, beat, supervisor, api, watch."""
        state = self.state
        if part == "supervisor":
            return state.pid if state is not None else None
        known = {process.name: process.pid for process in state.processes} if state is not None else {}
        services = self.cli.folder / "run" / "doors.json"
        with suppress(OSError, ValueError):
            known |= {entry["name"]: entry["pid"] for entry in _entries(json.loads(services.read_text()))}
        pid = known.get(part)
        return pid if pid is not None and lives(pid) else None

    def api_url(self) -> str | None:
        """Where the API listens now; None while it does not."""
        found = re.findall(r"api is ready: (\S+)", self.folder.joinpath("up.err").read_text())
        return found[-1] if found else None

    def _close(self) -> None:
        if self._rig is not None:
            self._rig.services.catalog.dispose()
            with suppress(Exception):
                self._rig.services.redis.close()
            self._rig = None


def note(history: Path, name: str, **facts: Any) -> float:
    """Add a line of the harness to the history. Returns its monotonic time."""
    now = time.monotonic()
    line = {"at": name, "visitor": "", "node": "harness", "job": "", "pid": os.getpid(), "started": 0}
    with history.open("ab", buffering=0) as file:
        file.write(json.dumps({**line, **facts, "monotonic": now, "wall": time.time()}).encode() + b"\n")
    return now


def _entries(said: Any) -> list[dict[str, Any]]:
    entries = said.get("processes", []) if isinstance(said, dict) else said
    return [entry for entry in entries if isinstance(entry, dict) and "name" in entry and "pid" in entry]
