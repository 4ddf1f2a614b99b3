"""Group commit, and the queue of the writers of one catalog file."""

from __future__ import annotations

import fcntl
import math
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
from flow_tools import eventually
from sqlalchemy.engine import Engine

from pipeline.catalog.api import keys
from pipeline.catalog.database.connection import open_catalog, sqlite_url
from pipeline.catalog.database.group_commit import MAX_CHANGES, GroupWriter
from pipeline.catalog.database.write_queue import WriteQueue


@pytest.fixture
def engine(tmp_path: Path) -> Iterator[Engine]:
    engine = open_catalog(sqlite_url(tmp_path))
    yield engine
    engine.dispose()


def count_commits(engine: Engine) -> list[sa.Connection]:
    """A list that grows by one connection with every commit of the engine."""
    commits: list[sa.Connection] = []
    sa.event.listen(engine, "commit", commits.append)
    return commits


def test_changes_are_committed_together_and_fail_alone(engine: Engine) -> None:
    """While one change is being written, 60 others wait: they are committed in two groups."""
    writer, released = GroupWriter(engine), threading.Event()
    results: dict[int, Any] = {}
    commits = count_commits(engine)

    def change(number: int) -> None:
        def write(connection: sa.Connection) -> int:
            keys.create(connection, str(number), ["read"], 0)
            if number % 3 == 0:
                raise ValueError(number)
            return number

        try:
            results[number] = writer.run(write)
        except ValueError as error:
            results[number] = error

    first = threading.Thread(target=writer.run, args=(lambda connection: released.wait(),), daemon=True)
    threads = [threading.Thread(target=change, args=(number,)) for number in range(60)]
    first.start()
    assert eventually(lambda: writer._commit_lock.locked() and writer._waiting.empty())
    for thread in threads:
        thread.start()
    assert eventually(lambda: writer._waiting.qsize() == len(threads))
    released.set()
    for thread in (first, *threads):
        thread.join()
    with engine.connect() as connection:
        names = {int(key.name) for key in keys.list_keys(connection)}

    assert len(commits) == 1 + math.ceil(60 / MAX_CHANGES)
    assert names == {number for number in range(60) if number % 3}
    assert all(isinstance(results[number], ValueError) for number in range(0, 60, 3))


@contextmanager
def locked(path: Path) -> Iterator[None]:
    """The system's lock of a file, which releases it when the block ends."""
    with path.open("a") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


def waiting_for(lock: Path) -> int | None:
    """Number of threads that wait for the lock of this file; None except on Linux, where it is not known."""
    try:
        locks = Path("/proc/locks").read_text()
    except FileNotFoundError:
        return None
    return sum("->" in line and f":{lock.stat().st_ino} " in line for line in locks.splitlines())


def test_an_urgent_writer_goes_before_those_at_the_gate(tmp_path: Path) -> None:
    """A worker that has written releases the turn first, then the gate: in between only the urgent writer can go on."""
    order: list[str] = []
    path, gate_file, turn_file = (tmp_path / f"catalog.db{end}" for end in ("", ".gate", ".turn"))
    queue = WriteQueue(str(path))

    def write(name: str, urgent: bool) -> None:
        with queue.turn(urgent=urgent):
            order.append(name)

    threads = [threading.Thread(target=write, args=(f"worker {n}", False)) for n in range(4)]
    with locked(gate_file):
        with locked(turn_file):
            for thread in threads:
                thread.start()
            assert eventually(lambda: waiting_for(gate_file) in (4, None))
            threads.append(threading.Thread(target=write, args=("urgent", True)))
            threads[-1].start()
            assert eventually(lambda: waiting_for(turn_file) in (1, None))
            assert order == []
        assert eventually(lambda: order == ["urgent"])
        assert waiting_for(gate_file) in (4, None)
    for thread in threads:
        thread.join()

    assert order.index("urgent") == 0
    assert len(order) == 5


def test_a_worker_holds_the_gate_as_long_as_its_turn(tmp_path: Path) -> None:
    path = tmp_path / "catalog.db"
    queue = WriteQueue(str(path))
    with queue.turn(urgent=False):
        for end in (".gate", ".turn"):
            with path.with_name(path.name + end).open("a") as file, pytest.raises(BlockingIOError):
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    with queue.turn(urgent=True), locked(path.with_name("catalog.db.gate")):
        pass
