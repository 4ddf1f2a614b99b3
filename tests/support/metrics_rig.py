"""Rig of the tests of metrics: a stack in the middle of its work, and what is known of it by other ways.

The catalog is read by raw SQL, the broker by LLEN, processes from /proc, durations from the log files.
"""

from __future__ import annotations

import json
import sqlite3
import threading
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
import redis
from api_rig import Api, api_on
from flow_tools import cmdline, eventually
from prometheus_client.parser import text_string_to_metric_families

from pipeline.engine.admission import admit
from pipeline.engine.dead_letter_queue import put
from pipeline.services import Services
from pipeline.vectorstore.base import Filter

QUEUES = ("extract", "ocr", "chunk", "embed", "upsert", "finalize", "maintenance", "enrich", "redact")
STAGES = QUEUES[:6]
FLOWER_AUTH = ("tester", "a-word-of-the-tests")
MANY = 80
"""Documents of one request, which is one batch."""

ROUNDS = 40
"""So many requests at most, until a batch must wait for its admission."""

Values = dict[Any, float]


class Work:
    """A stack, and ways to count that do not go through Docrelay."""

    def __init__(self, api: Api) -> None:
        self.api = api
        self.folder = api.cli.folder

    def metric(self, name: str) -> Values:
        """Values of a metric by its labels."""
        return self.api.metrics(name)

    def families(self) -> dict[str, str]:
        """The kinds of all metrics of the answer, by their names as they are documented."""
        answer = self.api.http.get("/metrics").raise_for_status()
        found = text_string_to_metric_families(answer.text)
        return {family.name + "_total" * (family.type == "counter"): family.type for family in found}

    def sql(self, query: str) -> list[Any]:
        """Rows of the catalog."""
        return rows_of(self.folder / "catalog.db", query)

    def by_label(self, query: str) -> Values:
        """Rows of the catalog whose last column is a number, by the others: one as it is, several as texts."""
        return {row[0] if len(row) == 2 else tuple(map(str, row[:-1])): float(row[-1]) for row in self.sql(query)}

    def one(self, query: str) -> Values:
        """The only number of a query."""
        return {(): float(self.sql(query)[0][0])}

    @contextmanager
    def redis(self) -> Iterator[redis.Redis]:
        with self.api.cli.services() as services:
            yield services.redis

    def lengths(self) -> dict[tuple[str, int], int]:
        """Lengths of all lists of the broker by queue and step of priority."""
        with self.redis() as connection:
            keys = {
                (queue, step): f"{queue}\x06\x16{step}" if step else queue for queue in QUEUES for step in range(10)
            }
            return {place: int(connection.llen(key)) for place, key in keys.items()}

    def logged(self, event: str) -> list[dict[str, Any]]:
        """Lines of an event in all logs."""
        lines = [line for path in (self.folder / "logs").glob("*.log") for line in path.read_text().splitlines()]
        return [json.loads(line) for line in lines if f'"{event}"' in line and json.loads(line)["event"] == event]

    def durations(self) -> dict[str, list[int]]:
        """Milliseconds of the tasks of each stage, from the logs."""
        found: dict[str, list[int]] = {}
        for line in self.logged("stage.done"):
            found.setdefault(line["stage"], []).append(line["ms"])
        return found

    def requests(self) -> Counter[tuple[str, str, str]]:
        """Requests that the API has logged, by method, route and class of status."""
        served = self.logged("request.served")
        return Counter((line["method"], line["route"], f"{line['status'] // 100}xx") for line in served)

    def worker_processes(self) -> Counter[str]:
        """Processes of the workers by their names, from /proc."""
        names: Counter[str] = Counter()
        for process in self.api.cli.left():
            words = cmdline(process)
            if "pipeline.engine.worker" in words and "beat" not in words:
                names[words[words.index("--name") + 1]] += 1
        return names

    def stack(self) -> dict[str, Any]:
        """What the supervisor and `up` have written down."""
        supervisor: dict[str, Any] = json.loads((self.folder / "run" / "stack.json").read_text())
        services = json.loads((self.folder / "run" / "doors.json").read_text())
        return {**supervisor, "processes": [*supervisor["processes"], *services]}

    def bytes_of(self, *paths: Path) -> int:
        """What files take on the disk."""
        files = [file for path in paths for file in (path, *path.rglob("*")) if file.is_file()]
        return sum(file.stat().st_blocks * 512 for file in files)


def rows_of(database: Path, query: str) -> list[Any]:
    """Rows of a SQLite database."""
    with sqlite3.connect(database) as connection:
        return connection.execute(query).fetchall()


@contextmanager
def operated_stack(folder: Path) -> Iterator[Api]:
    """A stack with all that operators look at: Flower, a watched folder, webhooks, frequent checks of drift."""
    watched = folder.with_name("watched")
    watched.mkdir()
    folders = json.dumps([{"path": str(watched), "collection": "watched"}])
    settings = {"watch": folders, "watch_settle_ms": 100, "webhook_private": True, "drift_check_s": 4.0}
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("FLOWER_PORT", "0")
        patch.setenv("FLOWER_BASIC_AUTH", ":".join(FLOWER_AUTH))
        with api_on(folder, keyed=True, up=("--flower",), **settings) as api:
            yield api


def watched_folder(api: Api) -> Path:
    """The folder that the stack watches."""
    return api.cli.folder.with_name("watched")


def wait_for_counters(api: Api) -> None:
    """Ends of documents are counted from the first run of the reconciler on."""
    with api.cli.services() as services:
        assert eventually(lambda: services.redis.exists("docrelay:metrics:tallied"))


def begin(api: Api, receiver: str) -> None:
    """What has ended: completed, unchanged, cached, failed and rescued documents, a webhook, messages set aside."""
    texts = [(f"letter-{number}.txt", f"Letter {number} of the keeper.".encode()) for number in range(4)]
    api.submit(*texts, ("hollow.txt", b""), webhook={"url": receiver, "secret": "0123456789abcdef"})
    api.submit(texts[0], ("copy.txt", texts[1][1]))
    assert api.http.get("/v1/jobs/nothing").status_code == 404
    for name in ("buoy.txt", "beacon.txt"):
        (watched_folder(api) / name).write_text(f"The {name} stands in the watched folder.")
    message = {"reason": "No worker has it.", "queue": "nowhere", "headers": {"task": "other.task", "id": "7"}}
    with api.cli.services() as services:
        assert put(services, message, b"1")
        assert put(services, message, b"2")
    live = "SELECT count(*) FROM documents WHERE collection = 'watched' AND live_version_id IS NOT NULL"
    assert eventually(lambda: rows_of(api.cli.folder / "catalog.db", live) == [(2,)])


def hold(api: Api) -> None:
    """Hold the embed worker in the middle of a task, with tasks and batches behind it; rescue what is lost there."""
    api.cli.gates.close("embed")
    with api.cli.services() as services:
        api.client.submit(*[(f"rescued-{number}.txt", f"Lost and found, {number}.".encode()) for number in range(2)])
        api.client.submit(*[(f"second-{number}.txt", f"Lost too, {number}.".encode()) for number in range(2)])
        api.cli.gates.arrived("embed")
        assert eventually(lambda: length(services.redis, "embed"))
        for step in range(10):
            services.redis.delete(list_of("embed", step))
        assert eventually(lambda: "task.republished" in (api.cli.folder / "logs" / "store.log").read_text())
        # How much is admitted follows from how long reading and embedding have taken.
        for number in range(ROUNDS):
            submit_many(api, number)
            assert eventually(lambda: is_still(api, services)), open_work(api)
            if "waiting" in dict(open_work(api)["batches"]):
                return
    raise AssertionError(open_work(api))


def submit_many(api: Api, number: int) -> None:
    """Submit a batch of documents."""
    texts = [(f"many-{number}-{place}.txt", f"One of many: {number}, {place}.".encode()) for place in range(MANY)]
    api.client.submit(*texts, priority=8)


def length(connection: redis.Redis, queue: str) -> int:
    """Messages of a queue, of all priorities."""
    return sum(int(connection.llen(list_of(queue, step))) for step in range(10))


def list_of(queue: str, step: int) -> str:
    """Key of the list of a queue for one priority, as kombu names it."""
    return f"{queue}\x06\x16{step}" if step else queue


def is_still(api: Api, services: Services) -> bool:
    """Whether all open tasks wait behind the gate, and nothing more is admitted."""
    admit(services)
    return all(stage == "embed" for stage, *_ in open_work(api)["tasks"])


def open_work(api: Api) -> dict[str, list[tuple[Any, ...]]]:
    """Numbers of open tasks by stage and state, and of batches by state."""
    database = api.cli.folder / "catalog.db"
    tasks = "SELECT stage, state, count(*) FROM tasks WHERE state != 'done' GROUP BY 1, 2"
    return {
        "tasks": rows_of(database, tasks),
        "batches": rows_of(database, "SELECT state, count(*) FROM batches GROUP BY 1"),
    }


def remove_point(api: Api) -> None:
    """Take a point of a watched file out of the store behind the catalog's back; nothing else may be under way."""
    of_watched = "SELECT v.index_name FROM versions v JOIN documents d ON d.live_version_id = v.id"
    (index, *_), *_ = rows_of(api.cli.folder / "catalog.db", f"{of_watched} WHERE d.collection = 'watched'")
    with api.cli.services() as services:
        services.store.delete(index, Filter(point_ids=tuple(services.store.ids(index, Filter(live=True))[:1])))


class Receiver:
    """A server that takes webhooks and counts them."""

    def __init__(self) -> None:
        self.received = 0
        receiver = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                self.rfile.read(int(self.headers["content-length"]))
                receiver.received += 1
                self.send_response(204)
                self.end_headers()

            def log_message(self, *_: Any) -> None:
                return

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_port}/hook"
        threading.Thread(target=self.server.serve_forever, daemon=True).start()


def age_s(at: float) -> float:
    """Seconds since a time."""
    return time.time() - at
