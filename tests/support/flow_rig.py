"""Rig of the flow tests: a running stack, submitting and waiting, and checks of a stack at rest."""

from __future__ import annotations

import json
import os
import uuid
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import psutil
import pytest
import sqlalchemy as sa
from flow_tools import cmdline, eventually, kill_all, lives
from gates import FOLDER, Gates, gates_of
from kombu.connection import Connection as BrokerConnection

import extractors
from pipeline.catalog.database.connection import writing
from pipeline.catalog.database.schema import attempts, batches, documents, events, submissions, tasks, versions
from pipeline.catalog.work import jobs
from pipeline.catalog.work.jobs import Job
from pipeline.ingest.intake import ingest_files
from pipeline.ingest.walk import Candidate, path_of, walk
from pipeline.names import PREFIX, STAGES
from pipeline.services import Services
from pipeline.settings import Settings
from pipeline.stack import Launch, ProcessSpec, StackState, connect, processes, running
from pipeline.stages.chunking import chunk_id, cut
from pipeline.vectorstore.base import Filter

MARK = "DOCRELAY_TEST_FLOW"
QUICK: dict[str, Any] = {
    "embedding_model": "hashing",
    # Two stacks and two testers share the machine; a worker that gave way to all of them would be taken for dead.
    "niceness": 1,
    "heartbeat_s": 0.5,
    "dead_after_s": 1.0,
    "reconcile_s": 1.0,
    "retry_backoff_s": 0.2,
    "retry_backoff_max_s": 0.5,
    "max_retries": 2,
    "extract_processes": 2,
    "embed_processes": 1,
    "batch_documents": 8,
    "chunk_batch_size": 32,
    "api_port": 0,
}
"""A stack that starts fast and notices faults fast."""


Arrange = Callable[[Settings, list[ProcessSpec]], Launch]
"""Makes another stack of the usual processes."""


class FlowRig:
    """A running stack with the calls that tests make. Every wait has a limit."""

    def __init__(self, settings: Settings, gates: Gates | None = None) -> None:
        self.settings = settings
        self.services = Services(settings)
        self.gates = gates or Gates(gates_of(settings.data_dir))

    # Submitting and waiting

    def submit(self, *paths: Path, collection: str = "documents", priority: int = 5) -> str:
        """Ingest files and folders as a job. Returns its id."""
        files = list(walk(paths, self.settings.max_file_mb << 20, self.settings.data_dir))
        return self.take(files, collection, priority)

    def take(self, files: list[Candidate], collection: str, priority: int = 5) -> str:
        """Ingest the files of a walk."""
        with writing(self.services.catalog) as connection:
            size = sum(file.size for file in files)
            job = jobs.create(connection, Job(collection, "ingest", priority), uuid.uuid4().hex[:8], size).id
        ingest_files(self.services, job, files)
        return job

    def wait(self, job: str, seconds: float = 240.0) -> dict[str, int]:
        """Wait until the job is finished. Returns the number of documents by outcome."""
        if not eventually(lambda: self.finished(job), seconds):
            raise AssertionError(f"job not finished: {self.describe(job)}")
        return self.counts(job)

    def ingest(self, *paths: Path, collection: str = "documents", seconds: float = 240.0) -> dict[str, int]:
        """Submit and wait."""
        return self.wait(self.submit(*paths, collection=collection), seconds)

    def finished(self, job: str) -> bool:
        return bool(self.scalar(sa.select(sa.func.count()).where(sa.text("finished_at IS NOT NULL")), job))

    def counts(self, job: str) -> dict[str, int]:
        query = (
            sa.select(submissions.c.outcome, sa.func.count())
            .where(submissions.c.job_id == job)
            .group_by(submissions.c.outcome)
        )
        return {str(outcome): number for outcome, number in self.rows(query)}

    def codes(self, job: str) -> dict[str, str]:
        """Name of each file of a job and how it ended: its code where it failed, else its outcome."""
        return {source.rpartition("/")[2]: code for source, code in self.codes_by_source(job).items()}

    def codes_by_source(self, job: str) -> dict[str, str]:
        """Outcome or error code by source."""
        query = sa.select(submissions.c.source, submissions.c.outcome, submissions.c.code)
        rows = self.rows(query.where(submissions.c.job_id == job))
        return {source: code or str(outcome) for source, outcome, code in rows}

    def describe(self, job: str) -> str:
        """Text of a failed wait: the state of the job."""
        states = self.rows(
            sa.select(tasks.c.stage, tasks.c.state, tasks.c.runner, tasks.c.starts, batches.c.state)
            .join(batches, batches.c.id == tasks.c.batch_id)
            .where(batches.c.job_id == job, tasks.c.state != "done")
        )
        return f"{self.counts(job)}; open tasks: {[tuple(row) for row in states]}; broker: {self.messages()}"

    # Reading

    def rows(self, query: sa.Select[Any]) -> Sequence[Any]:
        with self.services.catalog.connect() as connection:
            return connection.execute(query).all()

    def scalar(self, query: sa.Select[Any], job: str | None = None) -> Any:
        from pipeline.catalog.database.schema import jobs as table

        if job is not None:
            query = query.select_from(table).where(table.c.id == job)
        return self.rows(query)[0][0]

    def tasks_of(self, job: str, *conditions: sa.ColumnElement[bool]) -> Sequence[Any]:
        """Rows of the ledger that belong to a job."""
        query = sa.select(tasks).join(batches, batches.c.id == tasks.c.batch_id)
        return self.rows(query.where(batches.c.job_id == job, *conditions))

    def happened(self, job: str, kind: str) -> int:
        """How often something happened in a job."""
        query = sa.select(sa.func.count()).where(events.c.job_id == job, events.c.kind == kind)
        return int(self.scalar(query))

    def logged(self, event: str) -> list[dict[str, Any]]:
        """Every line of this event in the workers' logs."""
        lines = (line for path in (self.settings.data_dir / "logs").glob("*.log") for line in _lines(path))
        return [line for line in lines if line.get("event") == event]

    def state(self) -> StackState:
        """The state that the stack reports."""
        state = running(self.settings.model_copy(update={"redis_url": None}))
        assert state is not None
        return state

    def part(self, name: str) -> Any:
        """One process of the stack."""
        return next(process for process in self.state().processes if process.name == name)

    def stored(self, collection: str = "documents", live: bool | None = None) -> list[str]:
        """Ids of the points in the store."""
        return self.services.store.ids(collection, Filter(live=live))

    def expected(self, collection: str = "documents") -> set[str]:
        """Expected ids of the points: every live document extracted, chunked and named again from its file."""
        query = sa.select(documents.c.source, documents.c.live_version_id)
        query = query.where(documents.c.collection == collection, documents.c.live_version_id.is_not(None))
        return {name for source, version in self.rows(query) for name in self.chunk_ids(path_of(source), version)}

    def chunk_ids(self, path: Path, version: str) -> list[str]:
        """Ids of the chunks of a file as this version of its document."""
        document = extractors.read(path, self.settings.options)
        cuts = cut(document, self.services.tokenizer, self.services.chunk_tokens, self.settings.chunk_overlap_tokens)
        return [chunk_id(version, chunk.order, chunk.text) for chunk in cuts]

    # The broker

    def messages(self) -> dict[str, int]:
        """Messages of stages that the broker still holds: queued by queue, unacknowledged by worker."""
        counts: dict[str, int] = {}
        for key in self.services.redis.scan_iter("*"):
            name = key.decode()
            queue = name.partition("\x06\x16")[0]
            if queue in STAGES:
                counts[queue] = counts.get(queue, 0) + int(self.services.redis.llen(key))
            elif name.startswith(f"{PREFIX}unacked:"):
                held = [json.loads(entry)[0] for entry in self.services.redis.hvals(key)]
                number = sum(message["headers"]["task"].partition(".")[2] in STAGES for message in held)
                counts |= {name: number} if number else {}
        return counts

    def broker(self) -> BrokerConnection:
        """A connection to the broker, for a test that meddles with messages."""
        return BrokerConnection(self.settings.redis_url)

    # What must hold

    def assert_at_rest(self, job: str, seconds: float = 120.0) -> None:
        """Nothing is left of a finished job: no message, no open task, no artifact; it finished once."""
        assert eventually(lambda: not self.messages(), seconds), self.messages()
        assert eventually(lambda: not self.tasks_of(job, tasks.c.state != "done"), seconds), self.describe(job)
        open_batches = sa.select(batches.c.id).where(batches.c.job_id == job, batches.c.state != "done")
        assert eventually(lambda: not self.rows(open_batches), seconds), "batches are open"
        assert self.happened(job, "job.finished") == 1
        ended = sa.select(attempts.c.id).where(attempts.c.job_id == job, attempts.c.finished_at.is_(None))
        assert not self.rows(ended)

    def assert_exact(self, collection: str = "documents") -> None:
        """The store holds exactly the points of the live versions, each once and live."""
        stored, expected = self.stored(collection), self.expected(collection)
        assert len(stored) == len(set(stored))
        assert set(stored) == expected, f"{len(expected - set(stored))} missing, {len(set(stored) - expected)} too many"
        assert set(self.stored(collection, live=True)) == expected
        query = sa.select(sa.func.sum(versions.c.chunks)).join(documents, documents.c.live_version_id == versions.c.id)
        assert len(expected) == (self.scalar(query.where(documents.c.collection == collection)) or 0)

    # Killing

    def processes(self, part: str, word: str = "") -> list[psutil.Process]:
        """Living processes of a part of the stack whose command line has the word."""
        sid = self.part(part).pid
        members = [process for process in psutil.process_iter() if _sid(process.pid) == sid and lives(process.pid)]
        return [process for process in members if word in " ".join(cmdline(process))]


@contextmanager
def stack_on(folder: Path, launch: Arrange | None = None, **settings: Any) -> Iterator[FlowRig]:
    """A ready stack on its own data folder; after the block no process of it is left."""
    chosen = Settings(data_dir=folder, **{**QUICK, **settings})
    wanted = launch(chosen, processes(chosen)) if launch is not None else None
    mark = uuid.uuid4().hex
    gates = Gates(gates_of(folder))
    gates.open()
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv(MARK, mark)
        patch.setenv(FOLDER, str(gates.folder))
        try:
            with connect(chosen, timeout_s=120, until="ready", launch=wanted) as attached:
                try:
                    yield FlowRig(attached, gates)
                finally:
                    gates.open()
            assert eventually(lambda: running(chosen) is None and not marked(mark, folder)), marked(mark, folder)
        finally:
            kill_all(marked(mark, folder))


def marked(mark: str, folder: Path) -> list[psutil.Process]:
    """Every living process that inherited the mark, or that works in the stack's folder for Redis."""
    extractors.end_processes()  # those with which the test itself has read what it expects
    return [
        process for process in psutil.process_iter() if process.pid != os.getpid() and _is_marked(process, mark, folder)
    ]


def _is_marked(process: psutil.Process, mark: str, folder: Path) -> bool:
    try:
        if process.status() == psutil.STATUS_ZOMBIE:
            return False
        return process.environ().get(MARK) == mark or process.cwd() == f"{folder}/run/redis"
    except psutil.Error:
        return False


def _lines(path: Path) -> Iterator[dict[str, Any]]:
    for line in path.read_text("utf-8").splitlines():
        try:
            yield json.loads(line)
        except ValueError:  # the last line of a process that was killed
            continue


def _sid(pid: int) -> int:
    try:
        return os.getsid(pid)
    except OSError:
        return -1
