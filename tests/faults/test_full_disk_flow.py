"""A disk that fills up in the middle of a job: nothing ends, work waits, and goes on by itself when there is room."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from api_rig import Api
from cli_rig import Cli, cli_on
from flow_rig import FlowRig, stack_on
from flow_tools import eventually, write_documents
from small_disk import fill, small_disk

from pipeline.catalog.database.schema import tasks
from pipeline.engine.metrics import counted
from pipeline.task_manager import TaskManager

DISK_MB, MIN_FREE_MB = 600, 32
CHOSEN: dict[str, Any] = {"min_free_mb": MIN_FREE_MB, "chunk_batch_size": 8, "batch_documents": 6}
NUMBER = 24


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Path]:
    """The data folder, a file system of its own; gates and files lie beside it."""
    with small_disk(tmp_path / "data", DISK_MB) as folder:
        yield folder


def paused(rig: FlowRig) -> bool:
    """Whether a task waits for room."""
    outcomes, _seconds = counted(rig.services.redis)
    return any(outcome == "paused" for _stage, outcome in outcomes)


@pytest.mark.parametrize("left_mb", [0, 8], ids=["not a byte left", "too little left"])
def test_a_full_disk_pauses_a_job_which_ends_exact_when_there_is_room(disk: Path, tmp_path: Path, left_mb: int) -> None:
    write_documents(tmp_path / "in", NUMBER, words=270, seed=5 + left_mb)
    chosen: dict[str, Any] = {
        "min_free_mb": MIN_FREE_MB,
        "chunk_batch_size": 8,
        "batch_documents": 6,
        "extract_processes": 1,
    }
    with stack_on(disk, **chosen) as rig:
        manager = TaskManager(rig.services)
        before = {process.name: process.restarts for process in rig.state().processes}
        with rig.gates.closed("upsert"):
            job = rig.submit(tmp_path / "in")
            rig.gates.arrived("upsert")
            fill(disk / "filler", leave_bytes=left_mb << 20)
        assert eventually(lambda: paused(rig))
        system = manager.totals()
        assert system.disk is not None
        assert system.disk.full
        assert not rig.finished(job)
        assert rig.tasks_of(job, tasks.c.state != "done")
        (disk / "filler").unlink()
        assert rig.wait(job) == {"completed": NUMBER}
        rig.assert_at_rest(job)
        rig.assert_exact()
        assert {process.name: process.restarts for process in rig.state().processes} == before
        assert rig.happened(job, "task.retrying") == 0
        assert max(row.starts for row in rig.tasks_of(job)) == 1


@pytest.fixture
def cli(disk: Path) -> Iterator[Cli]:
    with cli_on(disk, min_free_mb=MIN_FREE_MB) as rig:
        yield rig


def test_commands_say_that_the_disk_is_full_and_wait(cli: Cli, disk: Path, tmp_path: Path) -> None:
    write_documents(tmp_path / "in", 2, words=40, seed=6)
    said = tmp_path / "said"
    with cli.held():
        assert cli.json("ingest", tmp_path / "in")["completed"] == 2
        fill(disk / "filler", leave_bytes=8 << 20)
        write_documents(tmp_path / "more", 2, words=40, seed=7)
        for last in (True, False):
            with said.open("w") as err:
                command = cli.start("ingest", tmp_path / "more", "--json", stderr=err)
            assert eventually(lambda: f"disk full: {disk}" in said.read_text()), said.read_text()
            if last:
                command.send_signal(signal.SIGINT)
                assert cli.end(command).code == 130
        status = cli.json("status")
        assert status["disk"]["full"] is True
        assert status["disk"]["message"].startswith(f"disk full: {disk}")
        assert f"disk full: {disk}" in cli.quick("status").out
        assert cli.json("search", "letter")["hits"]
        (disk / "filler").unlink()
        ended = cli.end(command)
        assert ended.code == 0
        assert ended.json["completed"] == 2
    assert "There is room on the disk again" in said.read_text()
    assert cli.json("status")["disk"]["full"] is False


def test_up_and_its_api_survive_a_full_disk(disk: Path, cli: Cli) -> None:
    with cli.up() as process, closing(Api(cli)) as api:
        said = disk.with_name(f"{disk.name}.up")
        fill(disk / "filler")
        assert eventually(lambda: f"disk full: {disk}" in said.read_text())
        upload = api.http.post("/v1/documents", files={"file": ("a.txt", b"some words")})
        paths = api.http.post("/v1/jobs", json={"paths": ["/srv"]})
        for refused in (upload, paths):
            assert (refused.status_code, refused.json()["code"]) == (507, "disk_full"), refused.text
        assert api.http.get("/v1/status").json()["disk"]["full"] is True
        assert api.metrics("docrelay_disk_full")[()] == 1
        assert api.metrics("docrelay_disk_free_bytes")[()] < MIN_FREE_MB << 20
        (disk / "filler").unlink()
        assert eventually(lambda: said.read_text().rstrip().endswith("The stack is ready; Ctrl-C stops it"))
        assert process.poll() is None
        assert api.http.post("/v1/documents", files={"file": ("a.txt", b"some words")}).status_code == 202
