"""Attacks the control with the same kills: some seeds must fail, or the attack proves nothing."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import tempfile
import time
from contextlib import suppress
from pathlib import Path
from typing import Any
from uuid import uuid4

import psutil
import redis
from flow_rig import MARK, marked
from flow_tools import eventually, kill_all
from gates import FOLDER, Gates
from plan import Planned, plan
from postgres_server import free_port
from stand import note
from tail import Tail

from pipeline.gates_for_tests import HISTORY
from pipeline.stack.redis_server import find_server

__all__ = ["run_control"]

WORKERS, POOL = 3, 2
STILL_S = 30.0
"""No progress for so long, with nothing left in the broker: nothing will ever happen again."""

LONGEST_STILL_S = 120.0
LONGEST_S = 600.0


def run_control(seed: int, documents: int) -> dict[str, Any]:
    """Run a seed of kills on the control. Returns a result as of any seed."""
    with tempfile.TemporaryDirectory(prefix="docrelay-control-") as folder:
        control = _Control(Path(folder), seed, documents)
        try:
            return control.run()
        finally:
            control.close()


class _Control:
    def __init__(self, folder: Path, seed: int, documents: int) -> None:
        self.folder, self.seed, self.documents = folder, seed, documents
        self.mark, self.port = uuid4().hex, free_port()
        self.gates, self.history, self.store = Gates(folder / "gates"), folder / "history", folder / "store"
        self.store.mkdir()
        self.history.touch()
        url = f"redis://127.0.0.1:{self.port}/0"
        own = {"CONTROL_REDIS": url, "CONTROL_STORE": str(self.store), MARK: self.mark, HISTORY: str(self.history)}
        paths = os.pathsep.join([str(Path(__file__).parent), *sys.path])
        self.environment = {**os.environ, **own, FOLDER: str(self.gates.folder), "PYTHONPATH": paths}
        line = [find_server(), "--port", str(self.port), "--save", "", "--dir", str(folder)]
        self.redis = subprocess.Popen(line, stdout=subprocess.DEVNULL, env=self.environment)
        self.client = redis.Redis(port=self.port)
        eventually(self.client.ping, 20)
        self.workers = [self._start(number) for number in range(WORKERS)]
        self.kills = {"worker": 0, "process": 0}

    def run(self) -> dict[str, Any]:
        began, tail = time.monotonic(), Tail(self.history)
        eventually(lambda: len(self.client.client_list()) > WORKERS, 60)
        code = f"from control_app import ingest; ingest({self.documents})"
        subprocess.run([sys.executable, "-c", code], env=self.environment, check=True)
        chance = random.Random(f"control {self.seed}")
        waiting = [entry for entry in plan("kills", self.seed, self.documents * 8) if entry.fault.startswith("kill ")]
        last, still, ended = -1, time.monotonic(), False
        while not (ended := (self.store / "job").exists()) and time.monotonic() - began < LONGEST_S:
            claims = tail.look()
            if claims != last:
                last, still = claims, time.monotonic()
            if waiting and claims >= waiting[0].after:
                self._kill(waiting.pop(0), tail, chance)
            self._watch()
            if time.monotonic() - still > (STILL_S if self._is_empty() else LONGEST_STILL_S):
                break
            time.sleep(0.01)
        batches = len([path for path in self.store.iterdir() if path.name[-1].isdigit()])
        lost = self.documents * 6 - batches
        seconds = round(time.monotonic() - began, 1)
        return {
            "seed": self.seed, "profile": "control", "ok": ended and not lost, "documents": self.documents,
            "hung": [] if ended else ["the job"], "missing_points": lost, "kills": self.kills, "seconds": seconds,
            "executions": tail.claims,
        }  # fmt: skip

    def close(self) -> None:
        kill_all(marked(self.mark, self.folder))
        self.redis.kill()
        self.redis.wait()

    def _start(self, number: int) -> subprocess.Popen[bytes]:
        line = [sys.executable, "-m", "celery", "-A", "control_app", "worker", "-c", str(POOL), "-n", f"w{number}@here",
                "--without-gossip", "--without-mingle", "-l", "ERROR"]  # fmt: skip
        with (self.folder / "workers.out").open("ab") as out:
            return subprocess.Popen(line, env=self.environment, stdout=out, stderr=out, start_new_session=True)

    def _watch(self) -> None:
        for number, worker in enumerate(self.workers):
            if worker.poll() is not None:
                self.workers[number] = self._start(number)

    def _is_empty(self) -> bool:
        """Whether the broker holds no message, neither queued nor unacknowledged."""
        return not self.client.llen("celery") and not self.client.hlen("unacked")

    def _kill(self, planned: Planned, tail: Tail, chance: random.Random) -> None:
        busy = tail.busy()
        if not busy:
            return
        victim = chance.choice(busy)
        is_worker = planned.fault == "kill worker"
        with suppress(OSError, psutil.Error):
            leader = os.getsid(victim.pid)
            family = psutil.Process(leader).children(recursive=True) if is_worker else []
            os.kill(leader if is_worker else victim.pid, signal.SIGKILL)
            for process in family:
                process.kill()
            self.kills["worker" if is_worker else "process"] += 1
            note(self.history, "fault", visitor=planned.fault)
