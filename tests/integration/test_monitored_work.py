"""Tasks, queues and workers as the API and the commands show them: every value compared with a count of its own."""

from __future__ import annotations

import json
import os
import signal
import sqlite3
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import closing
from datetime import datetime
from importlib.metadata import version
from pathlib import Path
from typing import Any

import pytest
from api_rig import Api, api_on
from documented_rows import documented_rows
from flow_rig import QUICK
from flow_tools import eventually

from pipeline.engine.celery_app import app_of
from pipeline.errors import UnknownId
from pipeline.names import STAGES, task_name
from pipeline.vectorstore.base import Filter

BATCH = 2
BATCHES = 12
SEPARATOR = "\x06\x16"
ROW_OF_TASK = "SELECT batch_id, runner, started_at, published_at, revoked_at IS NOT NULL FROM tasks WHERE id = ?"
OF_JOB = "SELECT t.id FROM tasks t JOIN batches b ON b.id = t.batch_id WHERE b.job_id = ?"


class Scene:
    """A stack in the middle of its work: processes at a gate, messages that workers have received, others that wait."""

    def __init__(self, api: Api) -> None:
        self.api = api
        self.gates = api.cli.gates
        self.jobs: list[str] = []

    def submit(self, number: int, priority: int = 5, collection: str = "documents") -> str:
        """Ingest so many different texts, in batches of `BATCH`; the job's id."""
        folder = self.api.cli.folder.with_name(f"{collection}-{priority}")
        folder.mkdir()
        for text in range(number):
            (folder / f"{text}.txt").write_text(f"Beacon {text} of {collection} with priority {priority}.")
        options = ("--collection", collection, "--priority", str(priority), "--no-wait")
        self.jobs.append(self.api.cli.json("ingest", folder, *options)["job"])
        return self.jobs[-1]

    def sql(self, query: str, *values: Any) -> list[tuple[Any, ...]]:
        """Rows of the catalog by the driver itself."""
        with closing(sqlite3.connect(f"file:{self.api.cli.folder}/catalog.db?mode=ro", uri=True)) as connection:
            return connection.execute(query, values).fetchall()

    def ids(self, query: str, *values: Any) -> set[str]:
        return {str(row[0]) for row in self.sql(query, *values)}

    def received(self) -> dict[str, dict[str, Any]]:
        """Headers of the messages that workers have received, by task, as they are in Redis."""
        with self.api.cli.services() as services:
            keys = list(services.redis.scan_iter("docrelay:unacked:*"))
            entries = [json.loads(entry)[0] for key in keys for entry in services.redis.hvals(key)]
        return {message["headers"]["id"]: message["headers"] for message in entries}

    def waiting(self, queue: str) -> dict[str, list[bytes]]:
        """Messages that wait in a queue by priority, the oldest first, as they are in Redis."""
        keys = {str(10 - step): f"{queue}{SEPARATOR}{step}" if step else queue for step in range(10)}
        with self.api.cli.services() as services:
            lists = {priority: services.redis.lrange(key, 0, -1)[::-1] for priority, key in keys.items()}
        return {priority: messages for priority, messages in lists.items() if messages}

    def is_still(self) -> bool:
        """Whether nothing has moved for longer than the reconciler's interval."""
        looks = [(self.sql("SELECT id, state FROM tasks"), self.received().keys(), self.waiting("extract"))]
        time.sleep(3 * QUICK["reconcile_s"])  # one round of the reconciler may move something; asked until it does not
        looks.append((self.sql("SELECT id, state FROM tasks"), self.received().keys(), self.waiting("extract")))
        return looks[0] == looks[1]

    def lose(self, queue: str, task_id: str) -> None:
        """Take the message of a task out of its queue."""
        found = [m for messages in self.waiting(queue).values() for m in messages if id_of(m) == task_id]
        with self.api.cli.services() as services:
            keys = [f"{queue}{SEPARATOR}{step}" if step else queue for step in range(10)]
            assert sum(services.redis.lrem(key, 1, message) for key in keys for message in found) == 1

    def logged(self, event: str) -> set[str]:
        """Tasks of the lines of this event in the logs of the workers."""
        texts = [path.read_text() for path in (self.api.cli.folder / "logs").glob("*.log")]
        lines = [line for text in texts for line in text.splitlines()]
        return {json.loads(line)["task"] for line in lines if f'"event": "{event}"' in line}


@pytest.fixture(scope="module")
def api(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Api]:
    small = {"batch_documents": BATCH, "window": BATCHES, "prefetch": 2, "embed_processes": 2}
    with api_on(tmp_path_factory.mktemp("monitored") / "data", **small) as running:
        yield running


@pytest.fixture(scope="module")
def scene(api: Api) -> Iterator[Scene]:
    set_up = Scene(api)
    api.submit(("old.txt", b"Of old."), collection="past")
    api.submit(("hollow.txt", b""), collection="past")
    with closing(sqlite3.connect(api.cli.folder / "catalog.db", timeout=60)) as connection, connection:
        connection.execute("UPDATE attempts SET finished_at = finished_at - 3 * 86400 WHERE state = 'completed'")
    with api.cli.gates.closed("extract"):
        for priority in (8, 3):
            set_up.submit(BATCH * BATCHES // 2, priority)
        api.cli.gates.arrived("extract", 2)
        assert eventually(lambda: len(set_up.received()) > 2)
        assert eventually(set_up.is_still)
        postpone(set_up)
        yield set_up


def postpone(scene: Scene) -> None:
    """Send an idle worker the message of a task that waits, to be done in an hour, as a retry is sent."""
    held = scene.received()
    due = scene.sql("SELECT id, batch_id FROM tasks WHERE state = 'due'")
    task_id, batch = next(row for row in due if row[0] not in held)
    with scene.api.cli.services() as services:
        retry = {"task_id": task_id, "countdown": 3600, "queue": "embed", "routing_key": "embed"}
        app_of(services).send_task(task_name("extract"), [batch], **retry)
    assert eventually(lambda: task_id in scene.received())


def id_of(message: bytes) -> str:
    return str(json.loads(message)["headers"]["id"])


def moment(text: str) -> float:
    return datetime.fromisoformat(text).timestamp()


# The checks of the table. Each takes a function that asks an address, or that runs a command


def check_task_list(scene: Scene, ask: Callable[..., Any]) -> None:
    rows = scene.sql("SELECT id, stage, part, batch_id, starts FROM tasks ORDER BY published_at DESC, id DESC")
    everything = ask(limit=1000)["tasks"]
    assert [(t["id"], t["stage"], t["part"], t["batch_id"], t["starts"]) for t in everything] == rows
    job_of = dict(scene.sql("SELECT id, job_id FROM batches"))
    assert [task["job_id"] for task in everything] == [job_of[row[3]] for row in rows]
    expected = states(scene)
    assert min(len(expected[state]) for state in ("active", "scheduled", "reserved", "due", "done")) > 0
    assert {t["id"]: t["state"] for t in everything} == {i: state for state, ids in expected.items() for i in ids}
    for state, ids in expected.items():
        assert {task["id"] for task in ask(state=state, limit=1000)["tasks"]} == ids, state
    for job in scene.jobs:
        assert {task["id"] for task in ask(job=job)["tasks"]} == scene.ids(OF_JOB, job)
        due = ask(job=job, state="due", stage="extract")["tasks"]
        assert {task["id"] for task in due} == scene.ids(OF_JOB, job) & expected["due"]
    assert ask(stage="upsert", state="active")["tasks"] == []
    assert listed_in_pages(ask, 7) == [row[0] for row in rows]
    registered = {task["name"]: task["workers"] for task in ask(state="registered")["registered"]}
    assert registered.keys() >= {task_name(name) for name in (*STAGES, "reconcile", "sweep")}
    assert [name for name, workers in registered.items() if workers != 1] == ["docrelay.embed"]


def states(scene: Scene) -> dict[str, set[str]]:
    """Ids of the tasks in each state, from the catalog, the broker, and the processes at the gate."""
    due, received = scene.ids("SELECT id FROM tasks WHERE state = 'due'"), scene.received()
    scheduled = {task_id for task_id, headers in received.items() if headers["eta"]}
    return {
        "done": scene.ids("SELECT id FROM tasks WHERE state = 'done'"),
        "active": {visitor.visitor for visitor in scene.gates.waiting("extract")},
        "scheduled": scheduled,
        "reserved": (due & received.keys()) - scheduled,
        "due": due - received.keys(),
        "lost": set(),
        "held": set(),
    }


def listed_in_pages(ask: Callable[..., Any], limit: int) -> list[str]:
    page = ask(limit=limit)
    found = [task["id"] for task in page["tasks"]]
    while page["next"] is not None:
        page = ask(limit=limit, cursor=page["next"])
        assert page["tasks"]
        found += [task["id"] for task in page["tasks"]]
    return found


def check_task(scene: Scene, ask: Callable[[str], Any]) -> None:
    active = scene.gates.waiting("extract")[0]
    shown = ask(active.visitor)
    ((batch, runner, started, published, _),) = scene.sql(ROW_OF_TASK, active.visitor)
    assert (shown["state"], shown["worker"], shown["batch_id"]) == ("active", runner.partition("/")[0], batch)
    assert shown["worker"] == active.node
    assert set(shown["documents"]) == scene.ids("SELECT document_id FROM attempts WHERE batch_id = ?", batch)
    assert (shown["result"], shown["error"]) == (None, None)
    (attempt,) = shown["attempts"]
    assert (attempt["outcome"], attempt["worker"], attempt["ended_at"]) == ("active", active.node, None)
    times = (attempt["started_at"], shown["started_at"], shown["published_at"])
    assert list(map(moment, times)) == pytest.approx([started, started, published], abs=0.001)
    ((postponed, headers),) = [(i, headers) for i, headers in scene.received().items() if headers["eta"]]
    shown = ask(postponed)
    assert moment(shown["eta"]) == pytest.approx(moment(headers["eta"]), abs=0.001)
    assert (shown["state"], shown["attempts"], shown["starts"]) == ("scheduled", [], 0)


def check_queues(scene: Scene, ask: Callable[[], Any]) -> None:
    (before, began), answer, (after, ended) = (rates(scene), time.time()), ask(), (rates(scene), time.time())
    found = {queue["name"]: queue for queue in answer["queues"]}
    assert {*STAGES, "maintenance"} <= found.keys()
    for stage in STAGES:
        queue, waiting = found[stage], scene.waiting(stage)
        assert queue["priorities"] == {priority: len(messages) for priority, messages in waiting.items()}
        assert queue["depth"] == sum(map(len, waiting.values()))
        check_age(scene, queue["oldest_s"], waiting, (began, ended))
        for place, name in enumerate(("rate_in", "rate_out")):
            least, most = sorted((before[place][stage], after[place][stage]))
            assert least / 60 - 0.001 <= queue[name] <= most / 60 + 0.001
        assert queue["workers"] == (2 if stage == "embed" else 1)
        waits = queue["depth"] + queue["reserved"] + (answer["waiting_batches"] if stage == "extract" else 0)
        if waits and queue["rate_out"]:
            assert queue["drain_s"] == pytest.approx(waits / queue["rate_out"], abs=0.1)
        else:
            assert queue["drain_s"] == (None if waits else 0)
    assert found["extract"]["depth"] > 0
    assert "3" in found["extract"]["priorities"]
    at_gate = {visitor.visitor for visitor in scene.gates.waiting("extract")}
    received = scene.ids("SELECT id FROM tasks") & scene.received().keys()  # those of maintenance come and go
    assert (found["extract"]["reserved"], found["embed"]["reserved"]) == (len(received) - len(at_gate) - 1, 1)
    assert answer["waiting_batches"] == scene.sql("SELECT count(*) FROM batches WHERE state = 'waiting'")[0][0]
    assert answer["dead_letters"] == 0


def check_age(scene: Scene, age: float | None, waiting: dict[str, list[bytes]], span: tuple[float, float]) -> None:
    """The age is that of the oldest message at a moment of the span."""
    oldest = [scene.sql(ROW_OF_TASK, id_of(messages[0]))[0][3] for messages in waiting.values()]
    if not oldest:
        assert age is None
    else:
        assert age is not None
        assert span[0] - min(oldest) - 0.01 <= age <= span[1] - min(oldest) + 0.01


def rates(scene: Scene) -> tuple[Counter[str], Counter[str]]:
    """Tasks of each stage that were published, and that ended, in the last minute."""
    counted = "SELECT stage, count(*) FROM tasks WHERE {} >= ? GROUP BY stage"
    since = time.time() - 60
    published, ended = (scene.sql(counted.format(column), since) for column in ("published_at", "finished_at"))
    return Counter(dict(published)), Counter(dict(ended))


def check_workers(scene: Scene, ask: Callable[[], Any]) -> None:
    found = by_name(ask)
    assert {name.rpartition("-")[0] or name for name in found} == {"extract", "embed", "store"}
    for name, worker in found.items():
        assert (worker["alive"], worker["version"], worker["host"]) == (True, version("docrelay"), os.uname().nodename)
        with scene.api.cli.services() as services:
            parent = int(bytes(services.redis.get(f"docrelay:ready:{name}") or b"").split()[0])
        others = set(worker["processes"]) - {parent}
        assert {parent_of(pid) for pid in others} == ({parent} if name == "extract" else set())
        assert len(worker["processes"]) == 1 + len(others) == (3 if name == "extract" else 1)
        seen = moment(worker["last_seen"])
        assert seen > moment(worker["started_at"])
        assert eventually(lambda name=name, seen=seen: moment(by_name(ask)[name]["last_seen"]) > seen)
        assert eventually(lambda name=name, pid=parent: is_about(by_name(ask)[name]["memory_bytes"], resident(pid)))
    assert found["extract"]["queues"][:3] == ["extract", "ocr", "chunk"]
    at_gate = scene.gates.waiting("extract")
    assert {task["id"] for task in found["extract"]["tasks"]} == {visitor.visitor for visitor in at_gate}
    assert {visitor.pid for visitor in at_gate} < set(found["extract"]["processes"])
    assert {visitor.node for visitor in at_gate} == {found["extract"]["node"]}
    assert [worker["tasks"] for name, worker in found.items() if name != "extract"] == [[], [], []]


def by_name(ask: Callable[[], Any]) -> dict[str, Any]:
    return {worker["name"]: worker for worker in ask()["workers"]}


def is_about(reported: int, counted: int) -> bool:
    return abs(reported - counted) < 0.1 * counted


def resident(parent: int) -> int:
    """Resident bytes of a process and of all below it, from /proc."""
    above = {int(path.name): parent_of(int(path.name)) for path in Path("/proc").iterdir() if path.name.isdecimal()}
    family: set[int] = set()
    level = {parent}
    while level:
        family |= level
        level = {pid for pid, over in above.items() if over in level}
    return sum(map(resident_alone, family))


def parent_of(pid: int) -> int:
    try:
        return int(Path(f"/proc/{pid}/stat").read_text("utf-8", "replace").rpartition(")")[2].split()[1])
    except OSError:
        return -1


def resident_alone(pid: int) -> int:
    try:
        return int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")
    except OSError:
        return 0


def check_summary(scene: Scene, ask: Callable[[], Any]) -> None:
    answer = ask()
    documents = scene.sql(
        "SELECT coalesce(a.state, 'failed'), count(*) FROM documents d LEFT JOIN attempts a ON a.id = d.attempt_id"
        " GROUP BY 1"
    )
    assert answer["documents"] == dict(documents)
    tasks: dict[str, dict[str, int]] = {}
    counted = "SELECT stage, state, count(*) FROM tasks WHERE state != 'done' GROUP BY 1, 2"
    for stage, state, number in scene.sql(counted):
        tasks.setdefault(stage, {})[state] = number
    assert answer["tasks"] == tasks
    assert tasks["extract"].keys() == {"due", "running"}
    periods = answer["periods"]
    completed = "SELECT count(*), sum(chunks_total) FROM attempts WHERE state = 'completed' AND finished_at > ?"
    failed = "SELECT code, count(*) FROM attempt_errors WHERE kind = 'failed' AND at > ? GROUP BY 1"
    for name, hours in {"1h": 1, "24h": 24, "7d": 168}.items():
        since = time.time() - hours * 3600
        ((number, chunks),) = scene.sql(completed, since)
        assert (periods[name]["completed"], periods[name]["chunks"]) == (number, chunks or 0)
        assert periods[name]["failed"] == dict(scene.sql(failed, since))
    # What was completed three days ago counts for the week alone.
    assert periods["7d"]["completed"] == periods["24h"]["completed"] + 1
    assert periods["1h"]["failed"] == {"empty": 1}


def check_revoke(scene: Scene, revoke: Callable[[str], int]) -> None:
    """A task is revoked in the middle of its work, another one whose message is lost; a third message is only lost."""
    collection = f"revoked-{time.monotonic_ns()}"
    scene.gates.open("extract")
    for job in scene.jobs:
        scene.api.client.wait(job)
    with scene.gates.closed("embed"):
        job = scene.submit(BATCH * BATCHES, collection=collection)
        at_gate, *_ = scene.gates.arrived("embed", 2)
        assert eventually(lambda: len(in_queue(scene, "embed")) > 1)
        lost, revoked_and_lost, *_ = sorted(in_queue(scene, "embed"))
        for task_id in (lost, revoked_and_lost):
            scene.lose("embed", task_id)
        for task_id in (at_gate.visitor, revoked_and_lost):
            assert (revoke(task_id), revoke(task_id)) == (BATCH, 0)
            ((batch, *_, is_revoked),) = scene.sql(ROW_OF_TASK, task_id)
            assert is_revoked
            assert scene.ids("SELECT state FROM attempts WHERE batch_id = ?", batch) == {"cancelled"}
        outcomes = "SELECT count(*) FROM submissions WHERE job_id = ? AND outcome = 'cancelled'"
        assert scene.sql(outcomes, job) == [(2 * BATCH,)]
    status = scene.api.client.wait(job)
    assert (status.cancelled, status.completed, status.failed) == (2 * BATCH, (BATCHES - 2) * BATCH, 0)
    assert eventually(lambda: not scene.ids(f"{OF_JOB} AND t.state != 'done'", job))
    assert lost in scene.logged("task.republished")
    assert revoked_and_lost not in scene.logged("task.republished")
    assert revoked_and_lost in scene.logged("task.passed_over")
    assert revoke(at_gate.visitor) == 0
    live = "SELECT sum(v.chunks) FROM documents d JOIN versions v ON v.id = d.live_version_id WHERE d.collection = ?"
    assert scene.sql(live, collection) == [((BATCHES - 2) * BATCH,)]
    with scene.api.cli.services() as services:
        assert eventually(lambda: services.store.count(collection, Filter()) == (BATCHES - 2) * BATCH)


def in_queue(scene: Scene, queue: str) -> set[str]:
    """Tasks whose message waits in a queue."""
    return {id_of(message) for messages in scene.waiting(queue).values() for message in messages}


def by_http(path: str) -> Callable[[Scene], Callable[..., Any]]:
    def asking(scene: Scene) -> Callable[..., Any]:
        def ask(*ids: str, **conditions: Any) -> Any:
            params = {{"job": "job_id"}.get(name, name): value for name, value in conditions.items()}
            return scene.api.http.get("/".join((path, *ids)), params=params).raise_for_status().json()

        return ask

    return asking


def by_command(*words: str) -> Callable[[Scene], Callable[..., Any]]:
    def asking(scene: Scene) -> Callable[..., Any]:
        def ask(*ids: str, **conditions: Any) -> Any:
            options = [word for name, value in conditions.items() for word in (f"--{name}", str(value))]
            return scene.api.cli.json(*words, *ids, *options)

        return ask

    return asking


def revoke_by_http(scene: Scene) -> Callable[[str], int]:
    def revoke(task_id: str) -> int:
        answer = scene.api.http.post(f"/v1/tasks/{task_id}/revoke").raise_for_status().json()
        assert answer["id"] == task_id
        return int(answer["cancelled"])

    return revoke


def revoke_by_command(scene: Scene) -> Callable[[str], int]:
    return lambda task_id: int(scene.api.cli.json("tasks", "revoke", task_id)["cancelled"])


CHECKS: dict[str, tuple[Callable[[Scene, Any], None], Callable[[Scene], Any]]] = {
    "GET /v1/tasks": (check_task_list, by_http("/v1/tasks")),
    "GET /v1/tasks/{id}": (check_task, by_http("/v1/tasks")),
    "GET /v1/queues": (check_queues, by_http("/v1/queues")),
    "GET /v1/workers": (check_workers, by_http("/v1/workers")),
    "GET /v1/summary": (check_summary, by_http("/v1/summary")),
    "docrelay tasks list": (check_task_list, by_command("tasks", "list")),
    "docrelay tasks show": (check_task, by_command("tasks", "show")),
    "docrelay queues": (check_queues, by_command("queues")),
    "docrelay workers": (check_workers, by_command("workers")),
    "docrelay summary": (check_summary, by_command("summary")),
    # Last, as they let the work of the scene go on.
    "POST /v1/tasks/{id}/revoke": (check_revoke, revoke_by_http),
    "docrelay tasks revoke": (check_revoke, revoke_by_command),
}


def test_every_row_of_the_table_has_a_check() -> None:
    assert sorted(documented_rows("monitoring.md", "## Tasks, queues and workers")) == sorted(CHECKS)


@pytest.mark.parametrize("row", CHECKS)
def test_row_is_true(scene: Scene, row: str) -> None:
    check, asking = CHECKS[row]
    check(scene, asking(scene))


def test_printed_tables_show_what_there_is(scene: Scene) -> None:
    scene.gates.open("extract")
    job = scene.submit(BATCH, collection="printed")
    scene.api.client.wait(job)
    printed = scene.api.cli.quick("tasks", "list", "--job", job).out
    assert all(task_id in printed for task_id in scene.ids(OF_JOB, job))
    assert "docrelay.extract" in scene.api.cli.quick("tasks", "list", "--state", "registered").out
    assert "finalize" in scene.api.cli.quick("queues").out
    assert {word for word in scene.api.cli.quick("workers").out.split() if "@" in word} == {
        worker.node for worker in scene.api.client.list_workers().workers
    }
    assert "completed" in scene.api.cli.quick("summary").out


def test_tasks_show_their_result_and_their_error(scene: Scene) -> None:
    api = scene.api
    scene.gates.open("extract")
    job = api.submit(("whole.txt", b"A whole text."), ("void.txt", b""), collection="results")
    (extract,) = api.client.all_tasks(job_id=job, stage="extract")
    shown = api.client.task_detail(extract.id)
    assert shown.result is not None
    assert shown.result.documents == {"completed": 1, "failed": 1}
    assert (shown.result.pages, shown.result.chunks, shown.result.chunks_upserted) == (1, 1, 1)
    assert shown.error is not None
    assert shown.error.code == "empty"
    assert [(attempt.outcome, attempt.worker) for attempt in shown.attempts] == [("failed", extract.worker)]
    assert api.cli.json("tasks", "show", extract.id[:12]) == shown.model_dump()
    assert api.cli.json("tasks", "show", extract.id, "--server", api.url) == shown.model_dump()
    assert "no task" in api.cli.quick("tasks", "show", job).err
    assert api.http.get(f"/v1/tasks/{'0' * 36}").status_code == 404
    assert api.http.post(f"/v1/tasks/{'0' * 36}/revoke").status_code == 404
    assert api.http.get("/v1/tasks", params={"job_id": "none"}).status_code == 404
    assert api.http.get("/v1/tasks", params={"state": "pending"}).status_code == 422
    with pytest.raises(UnknownId):
        api.client.revoke_task("0" * 36)


def test_killed_worker_disappears_and_another_takes_its_place(scene: Scene) -> None:
    def named() -> dict[str, Any]:
        workers = scene.api.client.list_workers().workers
        return {worker.node: worker for worker in workers if worker.name == "extract"}

    (before,) = named().values()
    for pid in before.processes:
        os.kill(pid, signal.SIGKILL)
    assert eventually(lambda: before.node not in named() and any(worker.alive for worker in named().values()))
    (after,) = named().values()
    assert set(after.processes).isdisjoint(before.processes)
