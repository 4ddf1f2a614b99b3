"""A distributed stack: PostgreSQL, Redis and a stand-in for Qdrant as servers, workers that a watchman starts again.

The watchman does what `restart: unless-stopped` does in docker-compose.yml.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any
from uuid import uuid4

import psutil
import redis
from flow_rig import FlowRig, marked
from flow_tools import eventually, kill_all
from gates import FOLDER, Gates
from postgres_server import Postgres, find_binaries, free_port, start_server
from stand import MARK, SETTINGS, note

from pipeline.gates_for_tests import HISTORY
from pipeline.settings import Settings
from pipeline.stack.process_plan import settings_environment
from pipeline.stack.redis_server import find_server

__all__ = ["DistributedStand"]

STAND_IN = Path(__file__).resolve().parents[2] / "tests" / "support" / "qdrant_stand_in.py"
WORKERS = {"extract-1": "extract", "extract-2": "extract", "embed-1": "embed", "embed-2": "embed", "store-1": "store",
           "store-2": "store", "beat-1": "beat"}  # fmt: skip
DURABLE = ("max_connections=200",)
"""As an administrator runs it: what is committed survives a kill."""

START_S = 120.0
DOWN_S = 3.0
LATE_S = 35.0
"""Longer than the client waits for one request."""


class DistributedStand:
    """The same calls as of `Stand`; there is no API and no watched folder."""

    def __init__(self, folder: Path, **settings: Any) -> None:
        self.folder, self.history, self.gates = folder, folder / "history", Gates(folder / "gates")
        folder.mkdir(parents=True, exist_ok=True)
        self.history.touch()
        self.mark, self.hands = uuid4().hex, 0
        self.ports = {"redis": free_port(), "qdrant": free_port()}
        self.trouble = folder / "trouble.json"
        self._chosen = {**SETTINGS, **settings, "extract_processes": 1}
        self._running: dict[str, subprocess.Popen[bytes]] = {}
        self._lines: dict[str, tuple[list[str], dict[str, Any]]] = {}
        self._ended = threading.Event()
        self._held: set[str] = set()
        self._rig: FlowRig | None = None
        self.hooks: dict[str, Callable[[], bool]] = {
            "postgres down": lambda: self._down("postgres", signal.SIGQUIT),
            "postgres frozen": self._freeze_postgres,
            "qdrant down": lambda: self._down("qdrant", signal.SIGKILL),
            "qdrant errors": lambda: self._tell({"status": 503}, DOWN_S),
            "qdrant late": lambda: self._tell({"late_s": LATE_S, "number": 1}, DOWN_S),
        }

    @property
    def settings(self) -> Settings:
        """The settings of every process."""
        urls = {
            "redis_url": f"redis://127.0.0.1:{self.ports['redis']}/0",
            "qdrant_url": f"http://127.0.0.1:{self.ports['qdrant']}",
            "database_url": self.database,
            "spool_url": str(self.folder / "spool"),
        }
        chosen = {name: value for name, value in self._chosen.items() if name in Settings.model_fields}
        return Settings(data_dir=self.folder / "data", embedding_model="hashing", niceness=1, **{**chosen, **urls})

    @property
    def rig(self) -> FlowRig:
        """Calls on the stack."""
        if self._rig is None:
            self._rig = FlowRig(self.settings, self.gates)
        return self._rig

    def start(self) -> None:
        """Start the servers, then the workers."""
        binaries = self._binaries()
        place = self.folder / "postgres"
        place.mkdir()
        self._running["postgres"], self._port = start_server(binaries, place, 0, DURABLE)
        self.database = Postgres(self._port).create()
        self._spawn("redis", [find_server(), "--port", str(self.ports["redis"]), "--appendonly", "yes", "--save", "",
                              "--dir", str(self.folder)])  # fmt: skip
        self._spawn("qdrant", [sys.executable, str(STAND_IN), "--port", str(self.ports["qdrant"]), "--path",
                               str(self.folder / "points"), "--trouble", str(self.trouble)])  # fmt: skip
        eventually(lambda: redis.Redis(port=self.ports["redis"]).ping(), START_S)
        for name, group in WORKERS.items():
            self._spawn(name, [sys.executable, "-m", "pipeline.engine.worker", group, "--name", name])
        threading.Thread(target=self._watch, daemon=True).start()
        self.wait_ready()

    def wait_ready(self) -> None:
        """Wait until every worker has said that it is ready, with the pid that it has now."""
        ready = eventually(lambda: all(self._is_ready(name) for name in WORKERS), START_S, 0.2)
        assert ready, [name for name in WORKERS if not self._is_ready(name)]

    def ensure(self) -> None:
        """Nothing: the watchman starts what has ended."""

    def said(self) -> str:
        """Nothing is printed."""
        return ""

    def stop(self) -> None:
        """End everything."""
        self._ended.set()
        self.gates.open()
        if self._rig is not None:
            self._rig.services.catalog.dispose()
        for process in self._running.values():
            with suppress(OSError):
                process.send_signal(signal.SIGCONT)
                process.send_signal(signal.SIGINT if process is self._running.get("postgres") else signal.SIGTERM)
        for process in self._running.values():
            with suppress(subprocess.TimeoutExpired):
                process.wait(20)
        kill_all(marked(self.mark, self.folder))

    def pid(self, part: str) -> int | None:
        """Id of a part's process."""
        process = self._running.get(part)
        return process.pid if process is not None and process.poll() is None else None

    def api_url(self) -> str | None:
        """There is none."""
        return None

    def _binaries(self) -> Path:
        binaries = find_binaries()
        if binaries is None:
            raise SystemExit("PostgreSQL is not installed")
        return binaries

    def _is_ready(self, name: str) -> bool:
        said = self.rig.services.redis.get(f"docrelay:ready:{name}")
        return said is not None and int(said) == self.pid(name)

    def _spawn(self, name: str, line: list[str]) -> None:
        known = {"PATH": os.environ["PATH"], "PYTHONPATH": os.environ.get("PYTHONPATH", ""), MARK: self.mark,
                 FOLDER: str(self.gates.folder), HISTORY: str(self.history), "OMP_NUM_THREADS": "1",
                 "HOME": str(self.folder)}  # fmt: skip
        environment = {**known, **settings_environment(self.settings)}
        self._lines[name] = (line, {"env": environment})
        self._begin(name)

    def _begin(self, name: str) -> None:
        line, how = self._lines[name]
        with (self.folder / f"{name}.out").open("ab") as out:
            self._running[name] = subprocess.Popen(
                line, stdout=out, stderr=out, stdin=subprocess.DEVNULL, start_new_session=True, **how
            )

    def _watch(self) -> None:
        while not self._ended.wait(0.3):
            for name in list(self._lines):
                if name not in self._held and self._running[name].poll() is not None:
                    _kill_session(self._running[name].pid)
                    self._begin(name)

    def _down(self, name: str, number: signal.Signals) -> bool:
        """End a server for a while."""
        self._held.add(name)
        self._running[name].send_signal(number)
        self._running[name].wait(30)
        time.sleep(DOWN_S)
        if name == "postgres":
            self._running[name] = start_server(self._binaries(), self.folder / name, self._port, DURABLE)[0]
        else:
            self._begin(name)
        self._held.discard(name)
        return True

    def _freeze_postgres(self) -> bool:
        family = psutil.Process(self._running["postgres"].pid)
        frozen = [family, *family.children(recursive=True)]
        for number in (signal.SIGSTOP, signal.SIGCONT):
            for process in frozen:
                with suppress(psutil.Error):
                    process.send_signal(number)
            if number == signal.SIGSTOP:
                time.sleep(DOWN_S)
        return True

    def _tell(self, trouble: dict[str, Any], seconds: float) -> bool:
        """Let the stand-in answer wrongly, or do what is asked and answer too late."""
        draft = self.trouble.with_suffix(".draft")
        draft.write_text(json.dumps(trouble))
        draft.replace(self.trouble)
        time.sleep(seconds)
        self.trouble.unlink(missing_ok=True)
        note(self.history, "fault", visitor="end of trouble")
        return True


def _kill_session(sid: int) -> None:
    for process in psutil.process_iter():
        with suppress(OSError, psutil.Error):
            if os.getsid(process.pid) == sid:
                process.kill()
