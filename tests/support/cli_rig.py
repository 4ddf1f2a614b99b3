"""Rig of the command line tests: the real `docrelay` as child processes on a separate data folder."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
import uuid
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import psutil
import sqlalchemy as sa
from flow_rig import MARK, QUICK, marked
from flow_tools import eventually, kill_all
from forked_commands import Ended, run_in_fork
from gates import FOLDER, Gates, gates_of

from pipeline import stack
from pipeline.search import search
from pipeline.services import Services
from pipeline.settings import Settings
from pipeline.stack.folder import Folder
from pipeline.stack.lease import FileLock
from pipeline.task_manager import TaskManager
from pipeline.vectorstore.base import Filter

DOCRELAY = str(Path(sys.executable).with_name("docrelay"))
PATIENCE_S = 120


class Cli:
    """`docrelay` on one data folder."""

    def __init__(self, folder: Path, **settings: Any) -> None:
        self.folder = folder
        self.mark = uuid.uuid4().hex
        self.gates = Gates(gates_of(folder))
        self.chosen: dict[str, Any] = {**QUICK, **settings}
        self._started: list[subprocess.Popen[str]] = []

    @property
    def environment(self) -> dict[str, str]:
        chosen = {f"DOCRELAY_{name.upper()}": said(value) for name, value in self.chosen.items()}
        kept = {name: value for name, value in os.environ.items() if name not in ("NO_COLOR", "FORCE_COLOR", "COLUMNS")}
        tests = {MARK: self.mark, FOLDER: str(self.gates.folder)}
        return {**kept, **chosen, **tests, "DOCRELAY_DATA_DIR": str(self.folder), "TERM": "xterm"}

    def start(self, *words: str | Path | bytes, **options: Any) -> subprocess.Popen[str]:
        """Start a command and go on."""
        process: subprocess.Popen[str] = subprocess.Popen(
            [DOCRELAY, *words],
            **{
                "env": self.environment,
                "stdin": subprocess.DEVNULL,
                "stdout": subprocess.PIPE,
                "stderr": subprocess.PIPE,
                "text": True,
                # A shell that runs the tests in the background may have made Ctrl-C ineffective.
                "preexec_fn": lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
                **options,
            },
        )
        self._started.append(process)
        return process

    def run(self, *words: str | Path | bytes, env: dict[str, str] | None = None, **options: Any) -> Ended:
        """Run a command to its end."""
        return self.end(self.start(*words, env={**self.environment, **(env or {})}, **options))

    def end(self, process: subprocess.Popen[str]) -> Ended:
        """Wait for a command."""
        try:
            out, err = process.communicate(timeout=PATIENCE_S)
        finally:
            process.kill()
        return Ended(process.returncode, out, err)

    def quick(self, *words: str | Path | bytes, env: dict[str, str] | None = None) -> Ended:
        """Run a command in a fork of a process that is ready for it."""
        return run_in_fork([os.fsdecode(word) for word in words], {**self.environment, **(env or {})}, Path.cwd())

    def json(self, *words: str | Path, code: int = 0) -> Any:
        """Output of a command with --json, parsed; it must end with this code."""
        ended = self.quick(*words, "--json")
        assert ended.code == code, ended
        return ended.json

    @contextmanager
    def up(self, *options: str) -> Iterator[subprocess.Popen[str]]:
        """`docrelay up`, ready; ended by SIGTERM, and then nothing of it is left."""
        said = self.folder.with_name(f"{self.folder.name}.up")
        with said.open("w") as err:
            process = self.start("up", *options, stdout=subprocess.DEVNULL, stderr=err)
        try:
            assert eventually(
                lambda: "The stack is ready" in said.read_text() or process.poll() is not None, PATIENCE_S
            )
            assert process.poll() is None, said.read_text()
            yield process
            self.gates.open()
            process.terminate()
            assert process.wait(120) == 0
            assert self.gone(), self.left()
        finally:
            self.clear()

    @contextmanager
    def held(self) -> Iterator[None]:
        """Let the private stack that the first command in the block starts run until the block ends.

        A share of the lease is held, as by a command that uses the stack; nothing is started here.
        """
        folder = Folder(self.folder)
        folder.create()
        with FileLock(folder.lease_lock) as lease:
            assert lease.acquire(shared=True, timeout_s=PATIENCE_S)
            yield

    def left(self) -> list[psutil.Process]:
        """Processes that carry this rig's mark."""
        return marked(self.mark, self.folder)

    def gone(self) -> bool:
        """Wait until no process is left; whether that was reached."""
        return eventually(lambda: not self.left(), PATIENCE_S, 0.1)

    def clear(self) -> None:
        """Kill the processes that a failed test left."""
        for process in self._started:
            process.kill()
            process.communicate()
        self._started.clear()
        kill_all(self.left())

    # Reading without the command line

    @property
    def settings(self) -> Settings:
        return Settings(data_dir=self.folder, **self.chosen)

    def rows(self, query: sa.Select[Any]) -> Sequence[Any]:
        """Rows of the catalog; none if there is no catalog yet."""
        if not (self.folder / "catalog.db").exists():
            return []
        engine = sa.create_engine(f"sqlite:///{self.folder}/catalog.db")
        try:
            with engine.connect() as connection:
                return connection.execute(query).all()
        except sa.exc.OperationalError:  # its tables are just being made
            return []
        finally:
            engine.dispose()

    @contextmanager
    def services(self) -> Iterator[Services]:
        """The engine's services on the stack that runs."""
        with stack.peek(self.settings) as attached:
            assert attached is not None
            services = Services(attached)
            try:
                yield services
            finally:
                services.redis.close()
                services.catalog.dispose()

    def count(self, where: Filter | None = None, collection: str = "documents") -> int:
        """Points in the store of the stack that runs."""
        with self.services() as services:
            return services.store.count(collection, where or Filter())

    def search_names(self, words: str, collection: str) -> set[str]:
        """Names of the files that a search by words finds; quicker than a command."""
        with self.services() as services:
            return {Path(hit.source).name for hit in search(services, words, collection, mode="sparse").hits}

    def status(self, document_id: str) -> Any:
        """Status of an id by the TaskManager; quicker than a command."""
        with self.services() as services:
            return TaskManager(services).status(document_id)


def said(value: object) -> str:
    """Value of a setting as text of an environment variable."""
    return ",".join(map(str, value)) if isinstance(value, tuple) else str(value)


@contextmanager
def cli_on(folder: Path, **settings: Any) -> Iterator[Cli]:
    """A rig whose processes do not outlive the block."""
    rig = Cli(folder, **settings)
    try:
        yield rig
    finally:
        rig.clear()


def until(what: Callable[[], object], process: subprocess.Popen[str], seconds: float = PATIENCE_S) -> bool:
    """Whether the condition becomes true while the process lives."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline and process.poll() is None:
        if what():
            return True
        time.sleep(0.02)
    return bool(what())
