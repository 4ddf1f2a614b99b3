"""What a worker reports of itself, read by other versions too; with real processes and a real Redis."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.metadata import version
from pathlib import Path

import pytest
import redis
from flow_tools import eventually
from search_rig import redis_server

from pipeline.engine.heartbeat import worker_key
from pipeline.engine.liveness import forget_node
from pipeline.engine.worker_report import KEPT_S, WorkerReport, memory_of, read_reports, start_reporting

FAMILY = """
import subprocess, sys
held = bytearray(40 << 20)
print(1, flush=True)
subprocess.run([sys.executable, "-c", "held = bytearray(80 << 20); print(2, flush=True); input()"])
"""


@pytest.fixture(scope="module")
def connection() -> Iterator[redis.Redis]:
    with redis_server() as url:
        client = redis.Redis.from_url(url)
        yield client
        client.close()


@contextmanager
def family() -> Iterator[int]:
    """A process of 40 MB with a child of 80 MB; the pid of the first."""
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE}
    with subprocess.Popen([sys.executable, "-c", FAMILY], text=True, **pipes) as process:
        assert process.stdout is not None
        assert [process.stdout.readline().strip() for _ in range(2)] == ["1", "2"]
        yield process.pid
        assert process.stdin is not None
        process.stdin.close()


def resident(pid: int) -> int:
    """Bytes of a process and its only child, if it has one, from /proc."""
    own = int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")
    children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    return own + sum(resident(int(child)) for child in children)


def test_report_says_where_the_worker_runs_and_what_it_and_its_children_have_in_memory(connection: redis.Redis) -> None:
    before = time.time()
    with family() as pid:
        end = start_reporting(connection, "extract@1", ["extract", "ocr"], 0.05, pid)
        try:
            assert eventually(lambda: read_reports(connection, ["extract@1"])["extract@1"].at is not None)
            report = read_reports(connection, ["extract@1"])["extract@1"]
            assert report.memory_bytes == pytest.approx(resident(pid), rel=0.05)
            assert report.memory_bytes > 120 << 20
            assert (report.host, report.version, report.queues) == (
                os.uname().nodename,
                version("docrelay"),
                ["extract", "ocr"],
            )
            assert report.started_at is not None
            assert report.at is not None
            assert before <= report.started_at <= report.at <= time.time()
            assert eventually(lambda: (read_reports(connection, ["extract@1"])["extract@1"].at or 0) > (report.at or 0))
        finally:
            end()
    assert 0 < connection.ttl(worker_key("extract@1")) <= KEPT_S
    forget_node(connection, "extract@1")
    assert read_reports(connection, ["extract@1"]) == {"extract@1": WorkerReport()}


def test_memory_of_a_process_that_has_ended_is_none() -> None:
    with family() as pid:
        assert memory_of(pid) > 120 << 20
    assert memory_of(pid) == 0


def test_reports_of_earlier_and_later_versions_are_read(connection: redis.Redis) -> None:
    connection.set(worker_key("later@1"), json.dumps({"host": "tide", "version": "9.0.0", "gpus": 2}))
    reports = read_reports(connection, ["earlier@1", "later@1"])
    assert reports == {"earlier@1": WorkerReport(), "later@1": WorkerReport("tide", "9.0.0")}
    assert read_reports(connection, []) == {}
