"""What the tests of the command line share: the real `docrelay` as child processes on a data folder of their own."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
import uuid
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psutil
import sqlalchemy as sa
from flow_rig import MARK, QUICK, marked
from flow_tools import eventually

from pipeline import stack
from pipeline.search import search
from pipeline.services import Services
from pipeline.settings import Settings
from pipeline.task_manager import TaskManager
from pipeline.vectorstore.base import Filter

DOCRELAY = str(Path(sys.executable).with_name("docrelay"))
PATIENCE_S = 120
FORKS = """
import json, os, sys, tempfile
import pipeline.cli.commands, pipeline.submission, pipeline.search, pipeline.task_manager
from pipeline.cli import main

for line in sys.stdin:
    words, folder = json.loads(line)
    with tempfile.TemporaryFile() as out, tempfile.TemporaryFile() as err:
        child = os.fork()
        if not child:
            os.dup2(out.fileno(), 1), os.dup2(err.fileno(), 2), os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
            os.chdir(folder)
            sys.argv = ["docrelay", *words]
            main()
        code = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
        told = [(file.seek(0), file.read().decode())[1] for file in (out, err)]
    print(json.dumps({"code": code, "out": told[0], "err": told[1]}), flush=True)
"""
"""The same entry point in forks of one process that has imported everything: a tenth of a command's time."""


@dataclass(frozen=True)
class Ended:
    """What a command said, and how it ended."""

    code: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        """The one JSON document on stdout: anything before or after it is an error."""
        return json.loads(self.out)


class Cli:
    """`docrelay` on one data folder."""

    def __init__(self, folder: Path, **settings: Any) -> None:
        self.folder = folder
        self.mark = uuid.uuid4().hex
        self.chosen: dict[str, Any] = {**QUICK, **settings}
        self._started: list[subprocess.Popen[str]] = []
        self._forks: subprocess.Popen[str] | None = None

    @property
    def environment(self) -> dict[str, str]:
        own = {f"DOCRELAY_{name.upper()}": said(value) for name, value in self.chosen.items()}
        kept = {name: value for name, value in os.environ.items() if name not in ("NO_COLOR", "FORCE_COLOR", "COLUMNS")}
        return {**kept, **own, "DOCRELAY_DATA_DIR": str(self.folder), MARK: self.mark, "TERM": "xterm"}

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
                # Whoever runs the tests in the background may have made Ctrl-C ineffective.
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

    def quick(self, *words: str | Path | bytes) -> Ended:
        """Run a command in a fork of a process that is ready for it."""
        if self._forks is None:
            self._forks = subprocess.Popen(
                [sys.executable, "-c", FORKS],
                env=self.environment,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                text=True,
                bufsize=1,
            )
        assert self._forks.stdin is not None
        assert self._forks.stdout is not None
        self._forks.stdin.write(json.dumps([[os.fsdecode(word) for word in words], str(Path.cwd())]) + "\n")
        return Ended(**json.loads(self._forks.stdout.readline()))

    def json(self, *words: str | Path, code: int = 0) -> Any:
        """What a command answers with --json; it must end with this code."""
        ended = self.quick(*words, "--json")
        assert ended.code == code, ended
        return ended.json

    @contextmanager
    def up(self) -> Iterator[subprocess.Popen[str]]:
        """`docrelay up`, ready; ended by SIGTERM, and then nothing of it is left."""
        said = self.folder.with_name(f"{self.folder.name}.up")
        with said.open("w") as err:
            process = self.start("up", stdout=subprocess.DEVNULL, stderr=err)
        try:
            assert eventually(
                lambda: "The stack is ready" in said.read_text() or process.poll() is not None, PATIENCE_S
            )
            assert process.poll() is None, said.read_text()
            yield process
            self.end_forks()
            process.terminate()
            assert process.wait(60) == 0
            assert self.left() == []
        finally:
            self.clear()

    def end_forks(self) -> None:
        """End the process that makes `quick` quick."""
        if self._forks is not None:
            self._forks.communicate()
            self._forks = None

    def left(self) -> list[psutil.Process]:
        """Processes that carry this rig's mark."""
        return marked(self.mark, self.folder)

    def gone(self) -> bool:
        """Whether, after a while, no process is left."""
        self.end_forks()
        return eventually(lambda: not self.left(), 40, 0.2)

    def clear(self) -> None:
        """End what a failed test left behind."""
        self.end_forks()
        for process in self._started:
            process.kill()
            process.communicate()
        self._started.clear()
        for one in self.left():
            one.kill()

    # Reading, beside the command line

    @property
    def settings(self) -> Settings:
        return Settings(data_dir=self.folder, **self.chosen)

    def rows(self, query: sa.Select[Any]) -> Sequence[Any]:
        """What the catalog holds; none as long as there is no catalog."""
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

    def found(self, words: str, collection: str) -> set[str]:
        """Names of the files that a search by words finds; quicker than a command."""
        with self.services() as services:
            return {Path(hit.source).name for hit in search(services, words, collection, mode="sparse").hits}

    def status(self, identity: str) -> Any:
        """What the TaskManager knows of an id; quicker than a command."""
        with self.services() as services:
            return TaskManager(services).status(identity)


def said(value: object) -> str:
    """A setting as the environment says it."""
    return ",".join(map(str, value)) if isinstance(value, tuple) else str(value)


@contextmanager
def cli_on(folder: Path, **settings: Any) -> Iterator[Cli]:
    """A rig whose processes do not outlive the block."""
    rig = Cli(folder, **settings)
    try:
        yield rig
    finally:
        rig.clear()


def until(what: Callable[[], object], process: subprocess.Popen[str], seconds: float = 60.0) -> bool:
    """Whether it becomes true while the process lives."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline and process.poll() is None:
        if what():
            return True
        time.sleep(0.02)
    return bool(what())
