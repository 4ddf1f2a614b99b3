"""What the parent of a pool reports of its processes, and which it kills; with real processes and a real Redis."""

from __future__ import annotations

import os
import signal
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager

import psutil
import pytest
import redis
from flow_tools import eventually
from search_rig import redis_server

from pipeline.catalog.work.ledger import Claim
from pipeline.engine.claims import TIME_LIMIT, note_time_limit, problem_of_endings
from pipeline.engine.heartbeat import HEARD_SINCE, RECONCILED, start_heartbeat
from pipeline.engine.liveness import is_settling, living_runners, node_of, processes_key, settle, sign_on, tasks_at_work
from pipeline.engine.pool_watch import PoolWatch
from pipeline.engine.process_identity import identity, is_living
from pipeline.names import PREFIX
from pipeline.plan import PLAIN
from pipeline.services import Services
from pipeline.settings import Settings
from pipeline.stack.frozen import is_stopped

NODE = "extract@1"


@pytest.fixture(scope="module")
def server() -> Iterator[redis.Redis]:
    with redis_server() as url:
        client = redis.Redis.from_url(url)
        yield client
        client.close()


@pytest.fixture
def connection(server: redis.Redis) -> redis.Redis:
    server.flushall()
    return server


@contextmanager
def sleeping() -> Iterator[subprocess.Popen[bytes]]:
    with subprocess.Popen(["sleep", "600"]) as process:
        try:
            yield process
        finally:
            process.kill()


@contextmanager
def beating(connection: redis.Redis, node: str) -> Iterator[None]:
    sign_off = start_heartbeat(connection, node, 600.0, 600.0)
    try:
        yield
    finally:
        sign_off()


def test_a_process_is_known_by_its_pid_and_its_start() -> None:
    with sleeping() as process:
        name = identity(process.pid)
        assert name is not None
        assert name.startswith(f"{process.pid}-")
        assert is_living(name)
        assert not is_living(f"{process.pid}-1")
        process.send_signal(signal.SIGKILL)
        # Its exit status is not read: it is a zombie.
        assert eventually(lambda: psutil.Process(process.pid).status() == psutil.STATUS_ZOMBIE)
        assert not is_living(name)
        assert identity(process.pid) is None
    assert not is_living(name)
    assert not is_living("nonsense")


def test_a_runner_lives_while_its_process_and_its_worker_do(connection: redis.Redis) -> None:
    with sleeping() as process:
        name = identity(process.pid)
        runner = f"{NODE}/{name}"
        watch = PoolWatch(connection, NODE, lambda: [process.pid], lambda: ["task-1"], 600.0)
        with beating(connection, NODE):
            watch.report()
            assert living_runners(connection) == {NODE, runner}
            assert tasks_at_work(connection, [NODE]) == {"task-1"}
            connection.delete(processes_key(NODE))  # as when Redis was emptied
            watch.report()
            assert runner in living_runners(connection)
            process.kill()
            process.wait()
            watch.report()
            assert living_runners(connection) == {NODE}
            assert runner not in sign_on(connection, "embed@2/1-1")


def test_a_process_that_has_just_begun_is_not_removed_by_its_parent(connection: redis.Redis) -> None:
    """It has entered itself, and the parent's list of its pool is older."""
    with sleeping() as process, beating(connection, NODE):
        runner = f"{NODE}/{identity(process.pid)}"
        sign_on(connection, runner)
        PoolWatch(connection, NODE, list, list, 600.0).report()
        assert runner in living_runners(connection)


def test_a_process_of_the_same_machine_is_looked_up_there(connection: redis.Redis) -> None:
    """It has died a moment ago, and its parent has not reported it."""
    with sleeping() as process, beating(connection, NODE):
        runner = f"{NODE}/{identity(process.pid)}"
        sign_on(connection, runner)
        process.kill()
        process.wait()
        assert runner in sign_on(connection, "embed@2/1-1")
        assert runner not in sign_on(connection, f"{NODE}/{identity(os.getpid())}")


def test_a_runner_of_the_version_before_is_its_node(connection: redis.Redis) -> None:
    assert (node_of("extract@1"), node_of("extract@1/7-1")) == ("extract@1", "extract@1")
    with beating(connection, NODE):
        assert NODE in sign_on(connection, "embed@2/1-1")
    assert NODE not in sign_on(connection, "embed@2/1-1")


def test_a_process_that_stands_still_is_killed_and_a_slow_one_is_not(connection: redis.Redis) -> None:
    with sleeping() as stopped, sleeping() as slow:
        patient = PoolWatch(connection, NODE, lambda: [stopped.pid, slow.pid], list, 600.0)
        strict = PoolWatch(connection, NODE, lambda: [stopped.pid, slow.pid], list, 0.0)
        stopped.send_signal(signal.SIGSTOP)
        assert eventually(lambda: is_stopped(stopped.pid))
        patient.report()
        assert stopped.poll() is None
        strict.report()
        assert stopped.wait() == -signal.SIGKILL
        assert slow.poll() is None


def test_no_death_is_judged_until_every_worker_had_the_time_to_report(connection: redis.Redis) -> None:
    settings = Settings(redis_url="redis://127.0.0.1:1/0", heartbeat_s=600.0, dead_after_s=1800.0)
    settle(connection, settings)  # Redis was emptied, or the reconciler did not run for long
    assert is_settling(connection)
    assert "extract@9/1-1" in sign_on(connection, "embed@2/1-1")
    connection.flushall()
    connection.set(RECONCILED, time.time())
    settle(connection, settings)
    assert not is_settling(connection)
    assert "extract@9/1-1" not in sign_on(connection, "embed@2/1-1")
    for odd in (0.0, time.time() + 3600):  # a clock that was set
        connection.set(RECONCILED, odd)
        settle(connection, settings)
    assert is_settling(connection)


def test_deaths_are_judged_where_only_the_reconciler_was_late(connection: redis.Redis) -> None:
    """Its worker was killed: the heartbeats of the others say that Redis was there all the time."""
    settings = Settings(redis_url="redis://127.0.0.1:1/0", heartbeat_s=600.0, dead_after_s=1800.0)
    connection.set(RECONCILED, time.time() - 7200)
    connection.set(HEARD_SINCE, time.time() - 3600)
    with beating(connection, NODE):  # it is one of many, and begins nothing anew
        settle(connection, settings)
        assert not is_settling(connection)
        connection.delete(HEARD_SINCE)  # a silence of all: Redis was frozen
    with beating(connection, NODE):
        assert 0 < connection.pttl(HEARD_SINCE) <= 600_000
        settle(connection, settings)
        assert is_settling(connection)


def test_judgement_is_not_put_off_for_ever(connection: redis.Redis) -> None:
    """The reconciler is always late on a slow machine: it settles once, then judges."""
    settings = Settings(redis_url="redis://127.0.0.1:1/0", heartbeat_s=0.001)
    settle(connection, settings)
    assert eventually(lambda: not is_settling(connection))
    settle(connection, settings)
    assert not is_settling(connection)


def test_a_process_that_is_about_to_be_killed_is_reported_as_ended(connection: redis.Redis) -> None:
    with sleeping() as process, beating(connection, NODE):
        watch = PoolWatch(connection, NODE, lambda: [process.pid], list, 600.0)
        watch.report()
        assert f"{NODE}/{identity(process.pid)}" in living_runners(connection)
        watch.condemn(process.pid)
        watch.report()
        assert living_runners(connection) == {NODE}


@pytest.mark.parametrize(
    ("cause", "code", "words"),
    [
        (None, "crashed", "Its process died 4 times on it, or its worker fell silent."),
        (TIME_LIMIT, "timeout", "ended 4 times without a result, the last time by the limit of 77 seconds"),
        ("IntegrityError: refused", "internal", "could not be recorded, 4 times: IntegrityError: refused"),
    ],
)
def test_the_cause_of_ends_without_a_result_is_reported(
    connection: redis.Redis, cause: str | None, code: str, words: str
) -> None:
    services = Services(Settings(redis_url=url_of(connection), task_time_limit_s=77))
    claim = Claim("task-1", "batch", "ocr", 0, 5, {}, "job", 5, PLAIN, "request")
    if cause == TIME_LIMIT:
        note_time_limit(connection, "task-1")
    elif cause is not None:
        connection.set(f"{PREFIX}ending:task-1", cause)
    problem = problem_of_endings(services, claim)
    assert problem.code == code
    assert words in problem.message
    services.redis.close()


def url_of(connection: redis.Redis) -> str:
    return f"redis://127.0.0.1:{connection.get_connection_kwargs()['port']}/0"
