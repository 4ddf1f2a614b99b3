"""Measure what grows with the number of documents that wait: Redis, the reconciler, the API, and cancelling a job.

    python bench/queued.py [--levels 1000,10000,100000] [--rounds 20] [--requests 300] [--done]

A few documents are ingested; then a Redis, an API and a store worker run on the same data folder, and no worker that
would read a file. At each level the catalog gets so many queued documents by the functions of the intake (without
copies of files, as nothing reads them), the admission fills the broker, and then are measured: Redis' memory, rounds of
the reconciler, requests to the API, and how long `cancel` of a job of 10,000 documents takes. The last column is the
ratio of the last level to the first. With `--done` as many documents of one job are completed beside those that wait,
each with a task of each of five stages.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
import time
import uuid
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from functools import partial
from hashlib import sha256
from pathlib import Path
from typing import Any

import httpx
import redis

from pipeline.catalog import Connection
from pipeline.catalog.database.connection import writing
from pipeline.catalog.documents.versions import FileRecord
from pipeline.catalog.work import jobs
from pipeline.engine.admission import admit
from pipeline.engine.reconciler import reconcile
from pipeline.ingest.content import FileContent
from pipeline.ingest.record import record
from pipeline.ingest.request import Request
from pipeline.ingest.submit import new_job, record_job
from pipeline.services import Services
from pipeline.settings import Settings
from pipeline.stack.redis_server import RedisServer, find_server
from pipeline.task_manager import TaskManager

PROGRAM = str(Path(sys.executable).with_name("docrelay"))
JOB = 1000
"""Documents of a job that waits."""

CANCELLED = 10_000
PER_TRANSACTION = 500


def main() -> None:
    """Measure every level and print the table."""
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("--levels", default="1000,10000,100000", help="numbers of queued documents, ascending")
    options.add_argument("--rounds", type=int, default=20, help="rounds of the reconciler, and cancelled jobs / 4")
    options.add_argument("--requests", type=int, default=300, help="requests of each kind")
    options.add_argument("--done", action="store_true", help="as many completed documents with all their tasks")
    asked = options.parse_args()
    levels = [int(level) for level in asked.levels.split(",")]
    with tempfile.TemporaryDirectory(prefix="docrelay-bench-") as name, ExitStack() as scope:
        folder = Path(name)
        ingest_some(folder)
        services, client = scope.enter_context(serving(folder))
        columns = []
        for level in levels:
            fill(services, level)
            if asked.done:
                complete(services, level)
            columns.append(measured(services, client, asked.rounds, asked.requests))
            print(f"{level} queued: {columns[-1]}", flush=True)
    print_table(levels, columns)


def ingest_some(folder: Path) -> None:
    """Ingest twenty short documents, which the searches find."""
    texts = folder / "texts"
    texts.mkdir()
    for number in range(20):
        (texts / f"{number}.txt").write_text(f"Beacon {number} stands at the harbour of the tide.\n")
    environment = environment_of(folder)
    subprocess.run([PROGRAM, "ingest", str(texts)], env=environment, check=True, capture_output=True)


def environment_of(folder: Path, **settings: str) -> dict[str, str]:
    """The environment of a command on the data folder."""
    chosen = {"DATA_DIR": str(folder / "data"), "EMBEDDING_MODEL": "hashing", **settings}
    return {**os.environ, **{f"DOCRELAY_{name}": value for name, value in chosen.items()}}


@contextmanager
def serving(folder: Path) -> Iterator[tuple[Services, httpx.Client]]:
    """A Redis, a store worker and an API on the data folder; services of this process, and a client of the API."""
    server = RedisServer(find_server(), folder)
    with ExitStack() as scope:
        started = scope.enter_context(running([*server.spec.command], dict(os.environ), server.configuration))
        assert started.poll() is None
        wait(server.answers)
        environment = environment_of(folder, REDIS_URL=server.url, API_PORT="0")
        scope.enter_context(running([PROGRAM, "worker", "store"], environment))
        scope.enter_context(running([sys.executable, "-m", "pipeline.api", "--name", "api", "--embedded"], environment))
        settings = Settings(data_dir=folder / "data", embedding_model="hashing", redis_url=server.url)
        services = Services(settings)
        url = wait(lambda: services.redis.get("docrelay:api")).decode()
        client = scope.enter_context(httpx.Client(base_url=url, timeout=120))
        wait(lambda: client.post("/v1/search", json=SEARCH).status_code == 200)
        yield services, client


@contextmanager
def running(command: list[str], environment: dict[str, str], text: bytes = b"") -> Iterator[subprocess.Popen[bytes]]:
    """A process for the time of the block."""
    quiet = subprocess.DEVNULL
    process = subprocess.Popen(command, env=environment, stdin=subprocess.PIPE, stdout=quiet, stderr=quiet)
    assert process.stdin is not None
    with process.stdin:
        process.stdin.write(text)
    try:
        yield process
    finally:
        process.terminate()
        process.wait(60)


def wait(look: Callable[[], Any]) -> Any:
    """Wait up to two minutes until a look returns something."""
    deadline = time.monotonic() + 120
    while time.monotonic() < deadline:
        try:
            if found := look():
                return found
        except (redis.RedisError, httpx.HTTPError):
            pass
        time.sleep(0.1)
    raise SystemExit("A process of the bench did not start.")


def fill(services: Services, goal: int) -> None:
    """Queue documents until so many wait, in jobs of `JOB`, and let the admission fill the broker."""
    with services.catalog.connect() as connection:
        missing = goal - jobs_waiting(connection)
    while missing > 0:
        queue(services, min(JOB, missing))
        missing -= JOB
    admit(services)


def jobs_waiting(connection: object) -> int:
    """Number of attempts that are not finished."""
    return int(connection.exec_driver_sql("SELECT count(*) FROM attempts WHERE finished_at IS NULL").scalar())  # type: ignore[attr-defined]


def queue(services: Services, number: int) -> str:
    """Record a job of so many new documents; its id."""
    request = Request(())
    job = new_job(services, request)
    with writing(services.catalog) as connection:
        record_job(connection, services, request, [1000] * number, job=job)
    for _ in range(0, number, PER_TRANSACTION):
        contents = [made_up() for _ in range(min(PER_TRANSACTION, number))]
        with writing(services.catalog) as connection:
            record(connection, services, job, contents, {content.key for content in contents})
    with writing(services.catalog) as connection:
        jobs.finish_intake(connection, job.id)
    return job.id


def made_up() -> FileContent:
    """A file that is nowhere."""
    name = uuid.uuid4().hex
    return FileContent(
        FileRecord(f"/bench/{name}.txt", sha256(name.encode()).hexdigest(), 1000, time.time()), b"", None
    )


def complete(services: Services, goal: int) -> None:
    """Complete documents until so many are, as far as the catalog knows, with a task of each stage for every one."""
    with services.catalog.connect() as connection:
        ended = connection.exec_driver_sql("SELECT count(*) FROM attempts WHERE finished_at IS NOT NULL").scalar()
    for _ in range(int(ended or 0), goal, JOB):
        job = queue(services, JOB)
        with writing(services.catalog) as connection:
            add_done_tasks(connection, job)
            for statement in COMPLETED:
                connection.exec_driver_sql(statement, {"job": job, "now": time.time()})


COMPLETED = (
    "UPDATE attempts SET state = 'completed', finished_at = :now, chunks_total = 3 WHERE job_id = :job",
    "UPDATE submissions SET outcome = 'completed' WHERE job_id = :job",
    "UPDATE batches SET state = 'done', finished_at = :now WHERE job_id = :job",
    "UPDATE jobs SET finished_at = :now WHERE id = :job",
)


def add_done_tasks(connection: Connection, job: str) -> None:
    """A task of each stage for every attempt of a job, as if each had been in a batch of its own."""
    ended = time.time() - 86_400  # long ago: what comes and goes within a minute is another measurement
    found = connection.exec_driver_sql("SELECT batch_id FROM attempts WHERE job_id = ?", (job,)).scalars().all()
    rows = [
        (str(uuid.uuid4()), batch, stage, number, "done", 1, ended, ended, ended, job)
        for number, batch in enumerate(found)
        for stage in ("extract", "chunk", "embed", "upsert", "finalize")
    ]
    columns = "id, batch_id, stage, part, state, starts, published_at, started_at, finished_at, job_id"
    connection.exec_driver_sql(f"INSERT INTO tasks ({columns}) VALUES ({', '.join('?' * 10)})", rows)


SEARCH = {"query": "beacon at the harbour", "mode": "sparse"}


def measured(services: Services, client: httpx.Client, rounds: int, requests: int) -> dict[str, float]:
    """All figures of one level, in MB and ms."""
    with services.catalog.connect() as connection:
        job = jobs.unfinished(connection)[0]
    figures = {"Redis memory, MB": services.redis.info("memory")["used_memory"] / 2**20}
    figures |= percentiles("reconciler", [timed(lambda: reconcile(services)) for _ in range(rounds)])
    kinds: dict[str, Callable[[], httpx.Response]] = {
        "status": lambda: client.get("/v1/status").raise_for_status(),
        "job": lambda: client.get(f"/v1/jobs/{job}").raise_for_status(),
        "list": lambda: client.get("/v1/documents", params={"state": "queued", "limit": 50}).raise_for_status(),
        "tasks": lambda: client.get("/v1/tasks").raise_for_status(),
        "tasks done": lambda: client.get("/v1/tasks", params={"state": "done"}).raise_for_status(),
        "tasks of a job": lambda: client.get("/v1/tasks", params={"job_id": job, "stage": "embed"}).raise_for_status(),
        "tasks of OCR": lambda: client.get("/v1/tasks", params={"stage": "ocr"}).raise_for_status(),
        "queues": lambda: client.get("/v1/queues").raise_for_status(),
        "workers": lambda: client.get("/v1/workers").raise_for_status(),
        "summary": lambda: client.get("/v1/summary").raise_for_status(),
        "search": lambda: client.post("/v1/search", json=SEARCH).raise_for_status(),
        "metrics": lambda: client.get("/metrics").raise_for_status(),
    }
    for name, ask in kinds.items():
        figures |= percentiles(name, [timed(ask) for _ in range(requests)])
    jobs_to_cancel = [queue(services, CANCELLED) for _ in range(max(rounds // 4, 1))]
    admit(services)
    cancel = TaskManager(services).cancel
    figures |= percentiles("cancel", [timed(partial(cancel, one)) for one in jobs_to_cancel])
    return figures


def timed(work: Callable[[], object]) -> float:
    """Milliseconds that the work takes."""
    began = time.perf_counter()
    work()
    return (time.perf_counter() - began) * 1000


def percentiles(name: str, times: list[float]) -> dict[str, float]:
    """The median and the 99th percentile."""
    ordered = sorted(times)
    at = {"p50": 0.5, "p99": 0.99}
    return {
        f"{name} {which}, ms": ordered[min(int(len(ordered) * share), len(ordered) - 1)] for which, share in at.items()
    }


def print_table(levels: list[int], columns: list[dict[str, float]]) -> None:
    """Print a line for each figure."""
    print("| |" + "".join(f" {level:,} |" for level in levels) + " ratio |")
    print("|---|" + "--:|" * (len(levels) + 1))
    for name in columns[0]:
        values = [column[name] for column in columns]
        ratio = values[-1] / values[0] if values[0] else 0.0
        print(f"| {name} |" + "".join(f" {value:.1f} |" for value in values) + f" {ratio:.2f} |")


if __name__ == "__main__":
    main()
