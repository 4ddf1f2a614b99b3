"""Turns: of a large document only its share of tasks is due at once, and none of them is forgotten."""

from __future__ import annotations

import sqlalchemy as sa
from catalog_tools import undone
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy.engine import Connection, Engine

from pipeline.catalog.database.schema import tasks
from pipeline.catalog.work import batches, jobs, ledger, turns
from pipeline.catalog.work.jobs import Job
from pipeline.catalog.work.open_tasks import open_tasks

STAGE = "embed"


def batch(connection: Connection, number: int, share: int) -> str:
    """An active batch with so many tasks. Returns its id."""
    job = jobs.create(connection, Job("documents", "ingest", 5), "request", 0)
    name = batches.create(connection, job.id, 5, [], active=True)
    turns.add(connection, name, STAGE, [{"attempts": [str(part)]} for part in range(number)], share)
    return name


def states(connection: Connection, batch_id: str) -> list[str]:
    query = sa.select(tasks.c.state).where(tasks.c.batch_id == batch_id).order_by(tasks.c.part)
    return list(connection.scalars(query))


def end(connection: Connection, batch_id: str, part: int) -> int | None:
    """Do one task, as a worker does. Returns the part that became due."""
    claim = ledger.claim(connection, ledger.task_id(batch_id, STAGE, part), "w", ())
    assert claim is not None
    assert claim.detail["attempts"] == [str(part)]
    assert ledger.finish(connection, claim.task_id, "w")
    return turns.pass_on(connection, batch_id, STAGE) if claim.detail.get(turns.IN_TURN) else None


def test_only_the_share_is_due_and_each_end_makes_the_next_one_due(connection: Connection) -> None:
    name = batch(connection, 5, 2)
    assert states(connection, name) == ["due", "due", "held", "held", "held"]
    assert [task.part for task in open_tasks(connection)] == [0, 1]  # what is held is not missing in the broker
    assert end(connection, name, 1) == 2
    assert states(connection, name) == ["due", "done", "due", "held", "held"]
    assert [end(connection, name, part) for part in (0, 2)] == [3, 4]
    assert ledger.count_unfinished(connection, name, [STAGE]) == 2
    assert [end(connection, name, part) for part in (4, 3)] == [None, None]
    assert ledger.count_unfinished(connection, name, [STAGE]) == 0


def test_a_small_document_takes_no_turns(connection: Connection) -> None:
    name = batch(connection, 2, 2)
    assert states(connection, name) == ["due", "due"]
    assert end(connection, name, 0) is None
    assert not turns.is_any_held(connection)


def test_what_is_held_is_unfinished_until_it_is_dropped(connection: Connection) -> None:
    name = batch(connection, 6, 1)
    assert [detail["attempts"] for detail in turns.held_details(connection, name, STAGE)] == [
        ["1"],
        ["2"],
        ["3"],
        ["4"],
        ["5"],
    ]
    turns.drop(connection, name, STAGE)
    assert states(connection, name) == ["due", "done", "done", "done", "done", "done"]
    assert end(connection, name, 0) is None


def test_a_turn_that_was_not_passed_on_is_resumed(connection: Connection) -> None:
    """The process died between the end of its task and the next one: no task of the stage is left to pass it on."""
    name, other = batch(connection, 3, 1), batch(connection, 3, 1)
    claim = ledger.claim(connection, ledger.task_id(name, STAGE), "w", ())
    assert claim is not None
    assert turns.resume(connection) == 0
    assert ledger.finish(connection, claim.task_id, "w")
    assert turns.resume(connection) == 1
    assert states(connection, name) == ["done", "due", "held"]
    assert states(connection, other) == ["due", "held", "held"]


def test_seconds_are_those_of_the_tasks_that_are_done(connection: Connection) -> None:
    name = batch(connection, 4, 2)
    assert turns.seconds(connection, name, STAGE, 10.0) == 0
    end(connection, name, 0)
    turns.drop(connection, name, STAGE)  # what never began has taken no time
    connection.execute(tasks.update().where(tasks.c.started_at.is_not(None)).values(started_at=10.0, finished_at=12.5))
    assert turns.seconds(connection, name, STAGE, 10.0) == 2.5
    assert turns.seconds(connection, name, STAGE, 2.0) == 2.0  # the clock was set on
    end(connection, name, 1)
    set_back = tasks.update().where(tasks.c.id == ledger.task_id(name, STAGE, 1))
    connection.execute(set_back.values(started_at=3610.0, finished_at=10.0))
    assert turns.seconds(connection, name, STAGE, 10.0) == 2.5


@given(number=st.integers(0, 12), share=st.integers(1, 5), order=st.randoms(use_true_random=False))
def test_every_part_is_done_once_and_never_more_than_the_share_is_due(
    engine: Engine, number: int, share: int, order: object
) -> None:
    with undone(engine) as connection:
        name = batch(connection, number, share)
        done = list[int]()
        while due := [part for part, state in enumerate(states(connection, name)) if state == "due"]:
            assert len(due) <= share
            part = order.choice(due)  # type: ignore[attr-defined]
            end(connection, name, part)
            done.append(part)
        assert sorted(done) == list(range(number))
