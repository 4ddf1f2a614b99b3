"""Tasks as lists show them: rows of the catalog, joined with what the broker and the workers know."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import TYPE_CHECKING, Any, get_args

from pipeline.catalog import Connection
from pipeline.catalog.database.cursors import Key
from pipeline.catalog.work import task_list
from pipeline.catalog.work.status import worker_of
from pipeline.catalog.work.task_list import COUNTERS, TaskFilter
from pipeline.errors import BadRequest
from pipeline.results import TaskDetail, TaskError, TaskRecord, TaskResult, TaskState, TaskTry, iso

if TYPE_CHECKING:
    from pipeline.engine.broker import Received

__all__ = [
    "NOTHING",
    "REGISTERED",
    "TASK_STATES",
    "Surroundings",
    "TaskQuery",
    "detail_of",
    "find_tasks",
    "record_of",
    "state_of",
]

TASK_STATES: tuple[str, ...] = get_args(TaskState)

REGISTERED = "registered"
"""In the place of a state: the tasks that living workers can do, not those that were submitted."""

IN_LEDGER = {"held": ("held",), "done": ("done",), "active": ("running",), "lost": ("running",)}
"""States of the ledger that a state may be; the others are all `due` there."""


@dataclass(frozen=True, slots=True)
class TaskQuery:
    """Which tasks are listed, all conditions together; None means any."""

    stage: str | None = None
    state: str | None = None
    job_id: str | None = None

    def __post_init__(self) -> None:
        """Check the state. Raises BadRequest."""
        known = (*TASK_STATES, REGISTERED)
        if self.state is not None and self.state not in known:
            raise BadRequest(f"There is no state {self.state}.", f"Take one of: {', '.join(known)}.")


@dataclass(frozen=True, slots=True)
class Surroundings:
    """What the broker and the workers know: the runners that live, and the messages that workers have received.

    `received` is None where the broker cannot list them.
    """

    living: Collection[str]
    received: Mapping[str, Received] | None


NOTHING = Surroundings((), {})
"""Where no stack is known to run."""


def find_tasks(
    connection: Connection, query: TaskQuery, around: Surroundings, after: Key | None, at_once: int
) -> Iterator[Mapping[Any, Any]]:
    """Rows of the tasks that meet the conditions, newest first, read as far as they are consumed.

    Args:
        connection: the catalog.
        query: the conditions.
        around: what the broker and the workers know.
        after: rows after this key; None for all.
        at_once: rows that are read at once.
    """
    states = task_list.STATES if query.state is None else IN_LEDGER.get(query.state, ("due",))
    where = TaskFilter(query.stage, query.job_id, states)
    if query.state in ("reserved", "scheduled") and around.received is not None:
        rows: Iterable[Mapping[Any, Any]] = (
            row
            for row in task_list.list_among(connection, where, around.received.keys())
            if after is None or task_list.key_of_row(row) < after
        )
    else:
        rows = task_list.iterate(connection, where, after, at_once)
    return (row for row in rows if query.state in (None, state_of(row, around)))


def state_of(row: Mapping[Any, Any], around: Surroundings) -> TaskState:
    """What is happening to a task, from its row."""
    if row["state"] == "running":
        return "active" if row["runner"] in around.living else "lost"
    if row["state"] == "held":
        return "held"
    if row["state"] != "due":
        return "done"
    if around.received is None:
        # Without a list of messages a task that was begun and is due again counts as one that waits for its retry.
        return "due" if row["started_at"] is None else "scheduled"
    message = around.received.get(row["id"])
    if message is None:
        return "due"
    return "reserved" if message.eta is None else "scheduled"


def record_of(row: Mapping[Any, Any], around: Surroundings) -> TaskRecord:
    """A task, from its row."""
    return TaskRecord(**_fields(row, around))


def detail_of(
    row: Mapping[Any, Any],
    around: Surroundings,
    documents: Sequence[Mapping[Any, Any]],
    errors: Iterable[Mapping[Any, Any]],
) -> TaskDetail:
    """A task with its documents, their counters, and the errors of its tries, oldest first."""
    fields = _fields(row, around)
    tries = _tries(errors)
    if row["started_at"] is not None and not any(attempt.started_at == fields["started_at"] for attempt in tries):
        tries.append(_last_try(row, fields["state"]))
    last = tries[-1] if tries else None
    return TaskDetail(
        **fields,
        documents=[document["document_id"] for document in documents],
        result=_result(documents) if row["state"] == "done" else None,
        error=last.error if last is not None else None,
        attempts=tries,
    )


def _fields(row: Mapping[Any, Any], around: Surroundings) -> dict[str, Any]:
    message = (around.received or {}).get(row["id"])
    state = state_of(row, around)
    return {
        **{name: row[name] for name in ("id", "stage", "part", "job_id", "batch_id", "starts")},
        "state": state,
        "worker": worker_of(row["runner"]) or (message.node if message is not None and state != "done" else None),
        "eta": iso(message.eta) if message is not None and state == "scheduled" else None,
        **{name: iso(row[name]) for name in ("published_at", "started_at", "finished_at", "revoked_at")},
    }


def _tries(errors: Iterable[Mapping[Any, Any]]) -> list[TaskTry]:
    """One try for the errors of all documents that it failed for."""
    return [
        _failed_try(next(of_try)) for _, of_try in groupby(errors, key=lambda row: (row["started_at"], row["kind"]))
    ]


def _failed_try(row: Mapping[Any, Any]) -> TaskTry:
    return TaskTry(
        worker=worker_of(row["worker"]),
        started_at=iso(row["started_at"]),
        ended_at=iso(row["at"]),
        outcome=row["kind"],
        error=TaskError(**{name: row[name] for name in TaskError.model_fields}),
    )


def _last_try(row: Mapping[Any, Any], state: str) -> TaskTry:
    """The try that is under way or has ended well; a task that is due again was in a process that died."""
    outcome = state if state in ("active", "done") else "lost"
    return TaskTry(
        worker=worker_of(row["runner"]),
        started_at=iso(row["started_at"]),
        ended_at=iso(row["finished_at"]),
        outcome=outcome,
        error=None,
    )


def _result(documents: Sequence[Mapping[Any, Any]]) -> TaskResult:
    pages, *chunks = (sum(document[name] for document in documents) for name in COUNTERS)
    total, embedded, upserted = chunks
    return TaskResult(
        documents=Counter(document["state"] for document in documents),
        pages=pages,
        chunks=total,
        chunks_embedded=embedded,
        chunks_upserted=upserted,
    )
