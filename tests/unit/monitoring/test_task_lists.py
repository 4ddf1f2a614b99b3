"""Lists of tasks, queues and workers from plain data and from a catalog: order, pages, states, indexes."""

from __future__ import annotations

import uuid
from collections.abc import Iterator, Mapping, Sequence
from itertools import islice
from typing import Any

import pytest
import sqlalchemy as sa
from catalog_tools import undone
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy.engine import Connection, Engine

from pipeline.catalog.database.connection import open_catalog, sqlite_url
from pipeline.catalog.database.cursors import Key, cursor_of, key_of
from pipeline.catalog.database.schema import tasks
from pipeline.catalog.work import ended_since, task_list
from pipeline.engine.broker import QueueContent, Received
from pipeline.engine.worker_report import WorkerReport
from pipeline.errors import BadRequest
from pipeline.monitoring.queues import Rates, drain_s, list_queues, waiting_received
from pipeline.monitoring.tasks import NOTHING, TASK_STATES, Surroundings, TaskQuery, detail_of, find_tasks, state_of
from pipeline.monitoring.workers import list_registered, list_workers, queues_served

STAGES, JOBS, LEDGER = ("extract", "embed"), ("one", "two"), ("held", "due", "running", "done")
ALIVE = "extract@1/7-7"

rows_of_tasks = st.lists(
    st.fixed_dictionaries(
        {
            "id": st.uuids(version=4).map(str),
            "stage": st.sampled_from(STAGES),
            "job_id": st.sampled_from(JOBS),
            "state": st.sampled_from(LEDGER),
            # Few different times: a page may end between tasks of one moment.
            "published_at": st.integers(0, 3).map(float),
            "runner": st.sampled_from([ALIVE, "dead@1/8-8"]),
            "held_by": st.sampled_from(["queue", "worker", "worker until later"]),
        }
    ),
    max_size=25,
    unique_by=lambda row: row["id"],
)
"""Rows of tasks, and who has the message of each."""


@pytest.fixture(scope="module")
def engine(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Engine]:
    opened = open_catalog(sqlite_url(tmp_path_factory.mktemp("catalog")))
    yield opened
    opened.dispose()


def insert(connection: Connection, rows: Sequence[Mapping[str, Any]]) -> Surroundings:
    """Insert tasks. Returns the messages that workers have received."""
    more = {"batch_id": "b", "part": 0, "starts": 0, "detail": {}, "started_at": None, "finished_at": None}
    for row in rows:
        values = {**row, **more}
        del values["held_by"]
        connection.execute(tasks.insert(), values)
    kinds = {"worker": None, "worker until later": 99.0}
    held = {row["id"]: kinds[row["held_by"]] for row in rows if row["held_by"] in kinds}
    received = {task_id: Received("extract@1", "extract", eta) for task_id, eta in held.items()}
    return Surroundings({ALIVE}, received)


def expected_state(row: Mapping[str, Any]) -> str:
    if row["state"] == "running":
        return "active" if row["runner"] == ALIVE else "lost"
    waiting = {"queue": "due", "worker": "reserved", "worker until later": "scheduled"}
    return waiting[row["held_by"]] if row["state"] == "due" else row["state"]


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    rows=rows_of_tasks,
    stage=st.sampled_from([None, *STAGES]),
    job=st.sampled_from([None, *JOBS]),
    state=st.sampled_from([None, *TASK_STATES]),
    limit=st.integers(1, 5),
)
def test_pages_hold_every_task_that_is_meant_once_and_newest_first(
    engine: Engine, rows: list[dict[str, Any]], stage: str | None, job: str | None, state: str | None, limit: int
) -> None:
    meant = [
        row
        for row in rows
        if stage in (None, row["stage"]) and job in (None, row["job_id"]) and state in (None, expected_state(row))
    ]
    query = TaskQuery(stage, state, job)
    with undone(engine) as connection:
        around = insert(connection, rows)
        found: list[Mapping[Any, Any]] = []
        after: Key | None = None
        while page := list(islice(find_tasks(connection, query, around, after, limit), limit)):
            found += page
            after = key_of("time", cursor_of("time", task_list.key_of_row(page[-1])))
    in_order = sorted(meant, key=lambda row: (row["published_at"], row["id"]), reverse=True)
    assert [row["id"] for row in found] == [row["id"] for row in in_order]
    assert [state_of(row, around) for row in found] == [expected_state(row) for row in in_order]


def test_without_a_list_of_messages_a_task_that_was_begun_waits_for_its_retry() -> None:
    blind = Surroundings((), None)
    assert state_of({"id": "a", "state": "due", "started_at": None}, blind) == "due"
    assert state_of({"id": "a", "state": "due", "started_at": 1.0}, blind) == "scheduled"
    assert state_of({"id": "a", "state": "running", "runner": ALIVE}, NOTHING) == "lost"


def test_unknown_state_is_refused() -> None:
    with pytest.raises(BadRequest, match="pending"):
        TaskQuery(state="pending")


CONDITIONS = [
    {"stage": stage, "job_id": job, "state": state}
    for stage in (None, "embed")
    for job in (None, "one")
    for state in (None, "due", "done")
]


def test_no_query_of_a_list_sorts_or_reads_a_whole_table(engine: Engine) -> None:
    """Each condition and their combinations, the counts of the summary and of the rates."""
    asked: list[tuple[str, Any]] = []

    def note(_c: object, _cursor: object, statement: str, parameters: Any, *_: object) -> None:
        asked.append((statement, parameters))

    sa.event.listen(engine, "before_cursor_execute", note)
    with undone(engine) as connection:
        for conditions in CONDITIONS:
            for after in (None, Key(1.0, str(uuid.uuid4()))):
                list(find_tasks(connection, TaskQuery(**conditions), Surroundings((), {}), after, 10))
        task_list.count_open(connection)
        task_list.count_published(connection, 1.0)
        task_list.count_ended(connection, 1.0)
        ended_since.count_completed(connection, {"1h": 2.0, "7d": 1.0})
        ended_since.count_failed(connection, {"1h": 2.0, "7d": 1.0})
        sa.event.remove(engine, "before_cursor_execute", note)
        selects = [(text, values) for text, values in asked if text.startswith("SELECT")]
        plans = [
            [str(row[3]) for row in connection.exec_driver_sql(f"EXPLAIN QUERY PLAN {text}", values)]
            for text, values in selects
        ]
    assert len(plans) > 2 * len(CONDITIONS)
    slow = [plan for plan in plans for step in plan if step.startswith("SCAN") or "ORDER BY" in step]
    assert slow == []


def test_tries_are_one_for_the_errors_of_all_documents_and_one_that_ended_well() -> None:
    error = {"worker": ALIVE, "code": "unavailable", "message": "m", "hint": "h", "transient": True, "trace_id": None}
    errors = [{**error, "started_at": at, "at": at + 1, "kind": "retried"} for at in (10.0, 10.0, 20.0)]
    row = {"id": "t", "stage": "embed", "part": 0, "state": "done", "runner": ALIVE, "job_id": "j", "batch_id": "b"}
    row |= {"starts": 1, "published_at": 1.0, "started_at": 30.0, "finished_at": 31.0, "revoked_at": None}
    counters = dict.fromkeys(task_list.COUNTERS, 2)
    documents = [{"document_id": name, "state": "completed", **counters} for name in "xy"]
    shown = detail_of(row, NOTHING, documents, errors)
    assert [attempt.outcome for attempt in shown.attempts] == ["retried", "retried", "done"]
    assert (shown.worker, shown.documents) == ("extract@1", ["x", "y"])
    assert shown.result is not None
    assert (shown.result.documents, shown.result.pages, shown.result.chunks_upserted) == ({"completed": 2}, 4, 4)
    assert shown.error is None  # the last try has none
    again = detail_of({**row, "state": "due", "started_at": 20.0}, NOTHING, documents, errors)
    assert ([attempt.outcome for attempt in again.attempts], again.result) == (["retried", "retried"], None)
    assert again.error is not None
    assert again.error.code == "unavailable"


@pytest.mark.parametrize(
    ("waiting", "rate_out", "expected"), [(0, 0.0, 0.0), (0, 1.0, 0.0), (10, 0.0, None), (10, 2.0, 5.0), (3, 0.4, 7.5)]
)
def test_what_waits_takes_as_long_as_its_number_and_the_rate_say(
    waiting: int, rate_out: float, expected: float | None
) -> None:
    assert drain_s(waiting, rate_out) == expected


def test_a_queue_that_is_refilled_as_it_empties_is_estimated_with_all_that_is_still_to_come() -> None:
    """Admission keeps the queue as long as it is: by its length alone it would be empty soon, or never."""
    rates, contents = Rates({"extract": 60}, {"extract": 60, "chunk": 30}, {}), {"extract": QueueContent(4)}
    contents["chunk"] = QueueContent(2)
    extract, chunk = list_queues(contents, {}, rates, {"extract": 1, "chunk": 3}, {}, waiting_batches=295)
    assert (extract.rate_in, extract.rate_out, extract.drain_s) == (1.0, 1.0, 300.0)
    assert (chunk.rate_out, chunk.drain_s) == (0.5, 10.0)


def test_queues_of_declared_stages_count_all_their_steps() -> None:
    rates = Rates({"redact": 60, "redact-2": 30, "embed": 6}, {"embed": 120}, {"redact": "text", "mask": "text"})
    contents = {"text": QueueContent(3, {8: 1, 5: 2}, ("a", "b")), "embed": QueueContent(0)}
    received = {"c": Received("w", "text", None), "d": Received("w", "text", None)}
    reserved = waiting_received(received, {"d"})
    text, embed = list_queues(contents, {"a": 5.0, "b": 1.0}, rates, reserved, {"text": 2})
    assert (text.rate_in, text.rate_out, text.drain_s, text.reserved, text.workers) == (1.5, 0.0, None, 1, 2)
    assert (text.priorities, embed.rate_in, embed.rate_out, embed.drain_s) == ({"8": 1, "5": 2}, 0.1, 2.0, 0.0)
    assert (text.oldest_s is not None, embed.oldest_s, embed.workers) == (True, None, 0)


def test_worker_of_an_earlier_version_has_the_queues_of_its_heartbeat() -> None:
    report = WorkerReport("tide", "0.1.0", ("embed",), 5, 1.0, 2.0)
    living = {"old@1": {"extract@extract", "ocr@ocr", "redact@text"}, "new@1": {"embed@embed"}}
    new, old = list_workers(living, {"old@1": WorkerReport(), "new@1": report}, {"old@1": [3, 4]}, ())
    assert (old.alive, old.queues, old.processes, old.memory_bytes, old.last_seen) == (
        True,
        ["extract", "ocr", "text"],
        [3, 4],
        None,
        None,
    )
    assert (new.queues, new.memory_bytes, new.host) == (["embed"], 5, "tide")
    (dead,) = list_workers({}, {"new@1": report}, {}, ())
    assert (dead.alive, dead.queues) == (False, ["embed"])
    assert queues_served("") == []
    registered = [(task.name, task.queue, task.workers) for task in list_registered([*living.values(), {"ocr@ocr"}])]
    assert registered == [
        ("docrelay.embed", "embed", 1),
        ("docrelay.extract", "extract", 1),
        ("docrelay.ocr", "ocr", 2),
        ("docrelay.redact", "text", 1),
    ]
    assert [task.stage for task in list_registered(living.values(), "embed")] == ["embed"]
