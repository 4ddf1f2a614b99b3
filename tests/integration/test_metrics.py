"""Each metric against a count of its own; Prometheus, its alerts, Flower and Celery's commands on a stack at work."""

from __future__ import annotations

import json
import math
import os
import subprocess
import sys
from collections import Counter
from collections.abc import Callable, Iterator
from itertools import product
from pathlib import Path
from typing import Any

import httpx
import pytest
from api_rig import Api
from documented_rows import documented_rows
from flow_rig import QUICK
from flow_tools import eventually
from metrics_rig import (
    FLOWER_AUTH,
    QUEUES,
    STAGES,
    Receiver,
    Values,
    Work,
    age_s,
    begin,
    hold,
    rows_of,
    wait_for_counters,
    watched_folder,
)

RECONCILE_S = QUICK["reconcile_s"]

GROUP_OF = {"embed": "embed", "upsert": "store", "finalize": "store", "maintenance": "store"}
"""The worker group of each queue; the others are those of the group `extract`."""

ENDS = {"document.completed", "document.unchanged", "document.failed", "document.cancelled"}


@pytest.fixture(scope="module")
def receiver() -> Iterator[Receiver]:
    found = Receiver()
    yield found
    found.server.shutdown()
    found.server.server_close()


@pytest.fixture(scope="module")
def work(operated: Api, receiver: Receiver) -> Iterator[Work]:
    """The stack, of which the embed worker is held in the middle of a task."""
    wait_for_counters(operated)
    begin(operated, receiver.url)
    hold(operated)
    yield Work(operated)
    operated.cli.gates.open()


# Every metric


Check = Callable[[Work, Values], Values]
"""What the values of a metric must be; the values are given for those that can only be compared roughly."""


def of_stages(work: Work, found: Values) -> Values:
    """Tasks that the ledger knows as done."""
    done = work.by_label("SELECT stage, count(*) FROM tasks WHERE state = 'done' GROUP BY stage")
    sums: Counter[str] = Counter()
    for (outcome, stage), number in found.items():
        sums[stage] += int(number) if outcome in ("done", "failed") else 0
    assert {stage: number for stage, number in sums.items() if number} == done
    return found


def stage_seconds(work: Work, found: Values) -> Values:
    times = {stage: work.durations().get(stage, []) for stage in STAGES}
    return {stage: pytest.approx(sum(took) / 1000, abs=0.001 * len(took) + 0.001) for stage, took in times.items()}


def near(values: Values, share: float = 0.01, least: float = 0.0) -> Values:
    return {key: pytest.approx(value, rel=share, abs=least) for key, value in values.items()}


def ends(work: Work, found: Values) -> Values:
    kinds = Counter(kind.partition(".")[2] for (kind,) in work.sql("SELECT kind FROM events") if kind in ENDS)
    return {**dict.fromkeys(("completed", "unchanged", "failed", "cancelled"), 0), **kinds}


def failed_codes(work: Work, found: Values) -> Values:
    return Counter(
        json.loads(data)["code"] for (data,) in work.sql("SELECT data FROM events WHERE kind='document.failed'")
    )


def priorities(work: Work, found: Values) -> Values:
    return {(str(10 - step), queue): number for (queue, step), number in work.lengths().items()}


def messages(work: Work, found: Values) -> Values:
    sums: Counter[str] = Counter(dict.fromkeys(QUEUES, 0))
    for (queue, _), number in work.lengths().items():
        sums[queue] += number
    return sums


def running(work: Work, found: Values) -> Values:
    rows = work.by_label("SELECT stage, count(*) FROM tasks WHERE state = 'running' GROUP BY stage")
    return {**dict.fromkeys(STAGES, 0), **rows}


def ages(query: str) -> Check:
    """Ages of rows that a query gives with a time at their end; a moment passes between the two looks."""
    return lambda work, _: {key: pytest.approx(age_s(at), abs=30) for key, at in work.by_label(query).items()}


def rescued(work: Work, found: Values) -> Values:
    logged = Counter(line["stage"] for line in work.logged("task.republished"))
    assert logged["embed"] > 0
    return {**dict.fromkeys(STAGES, 0), **logged}


def groups(work: Work, found: Values) -> Values:
    names = work.worker_processes()
    return {group: sum(name.partition("-")[0] == group for name in names) for group in ("extract", "embed", "store")}


def queue_workers(work: Work, found: Values) -> Values:
    of_groups = groups(work, found)
    return {queue: of_groups[GROUP_OF.get(queue, "extract")] for queue in QUEUES}


def worker_tasks(work: Work, found: Values) -> Values:
    runners = Counter(
        runner.partition("@")[0] for (runner,) in work.sql("SELECT runner FROM tasks WHERE state = 'running'")
    )
    return {**dict.fromkeys(work.worker_processes(), 0), **runners}


def pool_processes(work: Work, found: Values) -> Values:
    """Without the parent of a pool; only the worker `extract` has one."""
    return {name: number - (name == "extract") for name, number in work.worker_processes().items()}


def beat_age(work: Work, found: Values) -> Values:
    """The key of beat lasts for a week from each periodic task on."""
    with work.redis() as connection:
        return {(): pytest.approx(7 * 86400 - connection.pttl("docrelay:beat") / 1000, abs=30)}


def reconciler_age(work: Work, found: Values) -> Values:
    with work.redis() as connection:
        return {(): pytest.approx(age_s(float(connection.get("docrelay:reconciled") or 0)), abs=30)}


def redis_memory(work: Work, found: Values) -> Values:
    with work.redis() as connection:
        return near({(): connection.info("memory")["used_memory"]}, 0.5)


def disk_free(work: Work, found: Values) -> Values:
    state = os.statvfs(work.folder)
    return near({(): state.f_bavail * state.f_frsize}, 0.2)


def drifting(sign: int) -> Check:
    """Collections whose numbers of points differ, as beat has written it down."""

    def expected(work: Work, _: Values) -> Values:
        (result,) = work.sql("SELECT result FROM checks WHERE name = 'counts'")[0]
        rows = json.loads(result)["collections"]
        return {row["collection"]: max(sign * (row["expected"] - row["points"]), 0) for row in rows}

    return expected


def ends_of_entries(work: Work, found: Values) -> Values:
    """The ends of all entries that have run, of which there is one at least; none has failed."""
    rows = work.sql("SELECT name, ended_at, outcome FROM scheduled WHERE ended_at IS NOT NULL")
    if not rows:
        work.api.client.run_schedule("expiry")
    assert rows
    assert {outcome for _, _, outcome in rows} == {"done"}
    return {name: pytest.approx(ended_at, abs=0.001) for name, ended_at, _ in rows}


CHECKS: dict[str, Check] = {
    "docrelay_up": lambda work, _: {"redis": 1, "catalog": 1},
    "docrelay_stage_tasks_total": of_stages,
    "docrelay_stage_seconds_total": stage_seconds,
    "docrelay_documents_ended_total": ends,
    "docrelay_document_failures_total": failed_codes,
    "docrelay_open_failures": lambda work, _: work.by_label(
        "SELECT code, stage, count(*) FROM failures GROUP BY code, stage"
    ),
    "docrelay_failures": lambda work, _: work.one("SELECT count(*) FROM failures"),
    "docrelay_documents": lambda work, _: work.by_label(
        "SELECT coalesce(attempts.state, 'failed'), count(*) FROM documents "
        "LEFT JOIN attempts ON attempts.id = documents.attempt_id GROUP BY 1"
    ),
    "docrelay_outdated": lambda work, _: {},
    "docrelay_chunks": lambda work, _: work.by_label(
        "SELECT documents.collection, sum(versions.chunks) FROM documents "
        "JOIN versions ON versions.id = documents.live_version_id GROUP BY 1"
    ),
    "docrelay_chunks_embedded_total": lambda work, _: {
        (): rows_of(work.folder / "cache.db", "SELECT count(*) FROM vectors")[0][0]
    },
    "docrelay_chunks_cached_total": lambda work, _: work.one("SELECT sum(chunks_cached) FROM attempts"),
    "docrelay_rescued_tasks_total": rescued,
    "docrelay_queue_messages": messages,
    "docrelay_queue_priority_messages": priorities,
    "docrelay_tasks_due": lambda work, _: {
        (str(int(float(priority))), stage): number
        for (priority, stage), number in work.by_label(
            "SELECT batches.priority, tasks.stage, sum(tasks.state = 'due') FROM tasks JOIN batches "
            "ON batches.id = tasks.batch_id WHERE tasks.state != 'done' GROUP BY 1, 2"
        ).items()
    },
    "docrelay_tasks_running": running,
    "docrelay_oldest_task_seconds": ages(
        "SELECT batches.priority, tasks.stage, min(tasks.published_at) FROM tasks JOIN batches "
        "ON batches.id = tasks.batch_id WHERE tasks.state = 'due' GROUP BY 1, 2"
    ),
    "docrelay_waiting_batches": lambda work, _: work.one("SELECT count(*) FROM batches WHERE state = 'waiting'"),
    "docrelay_oldest_waiting_batch_seconds": ages(
        "SELECT CAST(priority AS TEXT), min(created_at) FROM batches WHERE state = 'waiting' GROUP BY 1"
    ),
    "docrelay_workers": lambda work, _: {(): len(work.worker_processes())},
    "docrelay_queue_workers": queue_workers,
    "docrelay_group_workers": groups,
    "docrelay_worker_tasks": worker_tasks,
    "docrelay_worker_processes": pool_processes,
    "docrelay_beat_age_seconds": beat_age,
    "docrelay_beat_patience_seconds": lambda work, _: {(): 15 + 3 * RECONCILE_S},
    "docrelay_reconciler_age_seconds": reconciler_age,
    "docrelay_reconciler_patience_seconds": lambda work, _: {(): 60 + 3 * RECONCILE_S},
    "docrelay_process_ready": lambda work, _: {
        process["name"]: process["state"] == "ready" for process in work.stack()["processes"]
    },
    "docrelay_process_restarts_total": lambda work, _: {
        process["name"]: process["restarts"] for process in work.stack()["processes"]
    },
    "docrelay_catalog_bytes": lambda work, _: near(
        {(): work.bytes_of(*work.folder.glob("catalog.db*"))}, least=1 << 20
    ),
    "docrelay_cache_bytes": lambda work, _: near({(): work.bytes_of(*work.folder.glob("cache.db*"))}, least=1 << 20),
    "docrelay_store_bytes": lambda work, _: near({(): work.bytes_of(work.folder / "vectors")}, least=1 << 20),
    "docrelay_spool_bytes": lambda work, _: near({(): work.bytes_of(work.folder / "spool")}),
    "docrelay_redis_memory_bytes": redis_memory,
    "docrelay_disk_free_bytes": disk_free,
    "docrelay_disk_needed_bytes": lambda work, _: {(): 256 << 20},
    "docrelay_disk_full": lambda work, _: {(): 0},
    "docrelay_points_missing": drifting(1),
    "docrelay_points_surplus": drifting(-1),
    "docrelay_drift": lambda work, _: {},
    "docrelay_watch_files": lambda work, _: {str(watched_folder(work.api)): 2},
    "docrelay_watch_held_deletions": lambda work, _: {str(watched_folder(work.api)): 0},
    "docrelay_watch_trouble": lambda work, _: {str(watched_folder(work.api)): 0},
    "docrelay_dead_letter_messages": lambda work, _: {(): 2},
    "docrelay_dead_letters_total": lambda work, _: {"received": 2, "dropped": 0, "reprocessed": 0},
    "docrelay_schedule_last_run_timestamp_seconds": ends_of_entries,
    "docrelay_schedule_last_success_timestamp_seconds": ends_of_entries,
}

HISTOGRAMS = ("docrelay_stage_duration_seconds", "docrelay_document_duration_seconds")
HTTP = "docrelay_http_request_duration_seconds"
NOTIFICATIONS = "docrelay_notifications_total"


def test_every_metric_is_documented_and_checked(work: Work) -> None:
    documented = documented_rows("monitoring.md", "## Metrics")
    assert len(documented) == len(set(documented))
    assert set(documented) == set(CHECKS) | {*HISTOGRAMS, HTTP, NOTIFICATIONS}
    # On a busy machine, a scrape may come before the first count has ended.
    assert eventually(lambda: set(documented) == set(work.families())), set(documented) ^ set(work.families())


@pytest.mark.parametrize("name", CHECKS)
def test_a_metric_is_what_another_count_says(work: Work, name: str) -> None:
    def both() -> tuple[Values, Values]:
        found = work.metric(name)
        return found, CHECKS[name](work, found)

    def agree() -> bool:
        try:
            found, expected = both()
        except AssertionError:
            return False
        return found == dict(expected)

    if not eventually(agree, 30):
        found, expected = both()
        assert found == dict(expected)


def test_the_histogram_of_stages_has_the_durations_that_the_logs_have(work: Work) -> None:
    buckets = work.metric("docrelay_stage_duration_seconds_bucket")
    for stage, times in work.durations().items():
        assert buckets["+Inf", stage] == len(times) == work.metric("docrelay_stage_duration_seconds_count")[stage]
        for (bound, _), number in {key: value for key, value in buckets.items() if key[1] == stage}.items():
            # The log rounds to milliseconds.
            limit_ms = 1000 * float(bound)
            assert sum(ms < limit_ms - 1 for ms in times) <= number <= sum(ms <= limit_ms + 1 for ms in times)
    assert work.metric("docrelay_stage_duration_seconds_sum") == stage_seconds(work, {})


def test_the_histogram_of_documents_has_the_times_that_the_catalog_has(work: Work) -> None:
    rows = work.sql("SELECT state, finished_at - created_at FROM attempts WHERE finished_at IS NOT NULL")
    times = {state: [seconds for found, seconds in rows if found == state] for state, _ in rows}
    counts = work.metric("docrelay_document_duration_seconds_count")
    assert {"completed"} <= set(times)
    # Two documents were found unchanged or refused at intake, and took no time.
    assert counts["completed"] == len(times["completed"])
    sums = work.metric("docrelay_document_duration_seconds_sum")
    assert sums["completed"] == pytest.approx(sum(times["completed"]), rel=0.01, abs=0.1)
    buckets = work.metric("docrelay_document_duration_seconds_bucket")
    assert buckets["+Inf", "completed"] == len(times["completed"])
    assert [buckets[key] for key in sorted((key for key in buckets if key[1] == "completed"), key=bound_of)] == sorted(
        buckets[key] for key in buckets if key[1] == "completed"
    )


def bound_of(labels: tuple[str, str]) -> float:
    return math.inf if labels[0] == "+Inf" else float(labels[0])


def test_the_histogram_of_requests_has_the_requests_that_the_log_has(work: Work) -> None:
    assert work.api.http.get("/v1/formats").status_code in (200, 404)
    assert work.api.http.request("BREW", "/coffee").status_code in (404, 405)
    unlogged = {"/metrics", "/v1/jobs/{job_id}/events", "-"}

    def agree() -> bool:
        logged = {key: number for key, number in work.requests().items() if key[1] not in unlogged}
        counted = work.metric(f"{HTTP}_count")
        return logged == {key: number for key, number in counted.items() if key[1] not in unlogged} and bool(logged)

    assert eventually(agree, 30), (work.requests(), work.metric(f"{HTTP}_count"))
    counted = work.metric(f"{HTTP}_count")
    assert counted["GET", "/v1/jobs/{job_id}", "4xx"] == 1
    assert any(key[0] == "OTHER" for key in counted)


def test_a_webhook_that_was_delivered_is_counted(work: Work, receiver: Receiver) -> None:
    channels, outcomes = ("webhook", "mail", "slack", "ntfy"), ("delivered", "retried", "failed")
    expected = {**dict.fromkeys(product(channels, outcomes), 0), ("webhook", "delivered"): 1}
    assert eventually(lambda: work.metric(NOTIFICATIONS) == expected, 30), work.metric(NOTIFICATIONS)
    assert receiver.received == 1


# Celery's own tools


def celery(work: Work, *words: str) -> Any:
    """The answer of `celery inspect` by worker."""
    command = [
        sys.executable,
        "-m",
        "celery",
        "-A",
        "pipeline.engine.app",
        "inspect",
        *words,
        "--json",
        "--timeout",
        "20",
    ]
    ended = subprocess.run(command, env=work.api.cli.environment, capture_output=True, text=True, timeout=120)
    assert ended.returncode == 0, ended.stderr
    return json.loads(ended.stdout[ended.stdout.index("{") :])


def test_celery_inspect_answers_what_the_catalog_says(work: Work) -> None:
    # The embed worker has one process, which is held in the middle of a task: it does not answer.
    extract = next(iter(celery(work, "ping", "--destination", node_of(work, "extract"))))
    for what in ("active", "registered", "stats"):
        (answer,) = celery(work, what, "--destination", extract).values()
        if what == "active":
            assert answer == []
        if what == "registered":
            assert {"docrelay.extract", "docrelay.embed", "docrelay.finalize"} <= set(answer)
        if what == "stats":
            totals = {name.removeprefix("docrelay."): number for name, number in answer["total"].items()}
            starts = work.by_label("SELECT stage, count(*) FROM tasks WHERE state = 'done' GROUP BY stage")
            assert totals == {stage: starts[stage] for stage in ("extract", "chunk")}
            assert answer["broker"]["transport"] == "redis"
            assert len(answer["pool"]["processes"]) == work.worker_processes()["extract"] - 1


def node_of(work: Work, name: str) -> str:
    with work.redis() as connection:
        return next(
            node.decode() for node in connection.smembers("docrelay:nodes") if node.startswith(f"{name}@".encode())
        )


def test_celery_commands_say_what_to_do_where_no_stack_runs(tmp_path: Path) -> None:
    environment = {**os.environ, "DOCRELAY_DATA_DIR": str(tmp_path)}
    command = [sys.executable, "-m", "celery", "-A", "pipeline.engine.app", "inspect", "ping"]
    ended = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=120)
    assert ended.returncode != 0
    assert "docrelay up" in ended.stderr + ended.stdout


@pytest.fixture(scope="module")
def flower(work: Work) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=work.api.announced("flower"), auth=FLOWER_AUTH, timeout=60) as client:
        yield client


def test_flower_shows_the_queues_workers_and_tasks_that_the_catalog_has(work: Work, flower: httpx.Client) -> None:
    assert flower.get("/api/workers", auth=("tester", "wrong")).status_code == 401
    lengths = messages(work, {})
    assert lengths["embed"] > 0
    assert eventually(lambda: flower_lengths(flower) == lengths, 30), (flower_lengths(flower), lengths)
    # The embed worker does not answer while it is held.
    assert eventually(lambda: flower_workers(flower) >= {"extract", "store"}, 30), flower_workers(flower)
    tasks = flower_tasks(flower)
    unended = {task_id for task_id, task in tasks.items() if task["state"] in ("PENDING", "RECEIVED", "STARTED")}
    assert unended == {task_id for (task_id,) in work.sql("SELECT id FROM tasks WHERE state != 'done'")}
    done = Counter(task["name"].removeprefix("docrelay.") for task in tasks.values() if task["state"] == "SUCCESS")
    assert done == work.by_label("SELECT stage, count(*) FROM tasks WHERE state = 'done' GROUP BY stage")


def test_flower_shows_a_task_while_it_runs_and_leaves_it_alone(work: Work, flower: httpx.Client) -> None:
    with work.api.cli.gates.closed("extract"):
        work.api.client.submit(("live.txt", b"Seen live."), priority=10)
        work.api.cli.gates.arrived("extract")
        running = "SELECT id FROM tasks WHERE state = 'running' AND stage = 'extract'"
        ((task_id,),) = work.sql(running)
        assert eventually(lambda: flower_tasks(flower).get(task_id, {}).get("state") == "STARTED", 60)
        assert flower.post(f"/api/task/revoke/{task_id}").status_code == 403
        assert work.sql(running) == [(task_id,)]


def flower_tasks(flower: httpx.Client) -> dict[str, Any]:
    """Tasks of stages as Flower knows them, by their ids."""
    found = flower.get("/api/tasks", params={"limit": 10_000}).raise_for_status().json()
    stages = {f"docrelay.{stage}" for stage in STAGES}
    return {task_id: task for task_id, task in found.items() if task["name"] in stages}


def flower_workers(flower: httpx.Client) -> set[str]:
    answer = flower.get("/api/workers", params={"refresh": "1"}).raise_for_status()
    return {name.partition("@")[0] for name in answer.json()}


def flower_lengths(flower: httpx.Client) -> dict[str, int]:
    rows = flower.get("/api/queues/length").raise_for_status().json()["active_queues"]
    return {row["name"]: row["messages"] for row in rows if row["name"] in QUEUES}
