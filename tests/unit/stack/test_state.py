"""Writing and reading a launch and the state of a stack."""

from __future__ import annotations

import os
import stat
from dataclasses import replace
from pathlib import Path

import psutil
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.stack import Launch, ProcessSpec, StackState
from pipeline.stack.folder import Folder
from pipeline.stack.lease import FileLock
from pipeline.stack.session import identity
from pipeline.stack.state import ProcessState, current, is_same_process, read, write

STATE = StackState(
    id="1",
    pid=os.getpid(),
    created=1.5,
    started_at="2026-01-01T00:00:00+00:00",
    level="ready",
    port=6379,
    redis_url="redis://:pässword@127.0.0.1:6379/0",
    processes=(ProcessState("embed-1", 12, 3.25, "ready", 2), ProcessState("beat", None, 0.0, "waiting", 0)),
)


@given(st.text(), st.lists(st.builds(ProcessSpec, st.text(), st.lists(st.text()).map(tuple))).map(tuple))
def test_a_launch_survives_json(data_dir: str, specs: tuple[ProcessSpec, ...]) -> None:
    launch = Launch(data_dir, specs, grace_s=1.5, bundled_redis=False)
    assert Launch.from_json(launch.to_json()) == launch


def test_the_state_survives_its_file(tmp_path: Path) -> None:
    path = tmp_path / "stack.json"
    write(path, STATE)
    assert read(path) == STATE
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize("text", ["", "{", "[]", "{}", '{"id": 1}', '{"processes": [{"x": 1}]}', '{"processes": 1}'])
def test_a_malformed_state_file_is_ignored(tmp_path: Path, text: str) -> None:
    (tmp_path / "stack.json").write_text(text, "utf-8")
    assert read(tmp_path / "stack.json") is None


def test_only_a_locked_state_of_a_living_process_is_current(tmp_path: Path) -> None:
    folder = Folder(tmp_path / "data")
    assert current(folder) is None
    folder.create()
    mine = replace(STATE, created=psutil.Process().create_time())
    write(folder.state_file, mine)
    assert current(folder) is None
    with FileLock(folder.stack_lock) as lock:
        assert lock.acquire()
        assert current(folder) == mine
        write(folder.state_file, replace(mine, created=mine.created - 60))
        assert current(folder) is None


def test_a_process_is_the_same_only_with_pid_and_start_time() -> None:
    assert not is_same_process(os.getpid(), 0.0)
    assert not is_same_process(2**22 + 1, 0.0)


@pytest.mark.skipif(not identity(os.getpid()), reason="this system does not tell when a process began")
def test_a_clock_that_was_set_changes_no_process() -> None:
    """The time at which the system says that a process was created moves with the clock."""
    moved = psutil.Process().create_time() + 3600
    assert is_same_process(os.getpid(), moved, identity(os.getpid()))
    assert not is_same_process(os.getpid(), psutil.Process().create_time(), identity(os.getppid()))
    assert replace(STATE, created=moved, identity=identity(os.getpid())).runs
    assert replace(STATE, warden=os.getpid(), warden_created=moved, warden_identity=identity(os.getpid())).warden_runs
    assert ProcessState("beat", os.getpid(), moved, "ready", 0, identity=identity(os.getpid())).runs
    assert not ProcessState("beat", None, moved, "waiting", 0, identity=identity(os.getpid())).runs
    assert identity(2**22 + 1) == ""


def test_a_stack_of_version_0_1_is_understood(tmp_path: Path) -> None:
    """A command of this version meets a stack that an older one has started: files and fields keep their names."""
    folder = Folder(tmp_path)
    files = [folder.lease_lock, folder.stack_lock, folder.warden_lock, folder.state_file]
    files += [folder.services_lock, folder.services_warden_lock, folder.services_file]
    assert [str(path.relative_to(tmp_path)) for path in files] == [
        "run/lease.lock",
        "run/stack.lock",
        "run/warden.lock",
        "run/stack.json",
        "run/doors.lock",
        "run/doors-warden.lock",
        "run/doors.json",
    ]
    folder.create()
    beat = '{"name": "beat", "pid": null, "created": 0.0, "state": "waiting", "restarts": 0}'
    embed = '{"name": "embed-1", "pid": 12, "created": 3.25, "state": "ready", "restarts": 2}'
    folder.state_file.write_text(
        '{"id": "1", "pid": 7, "created": 1.5, "started_at": "2026-01-01T00:00:00+00:00", "level": "ready", '
        f'"port": 6379, "redis_url": "redis://:x@127.0.0.1:6379/0", "processes": [{embed}, {beat}], "error": "", '
        '"hint": "", "settings": {"DOCRELAY_OCR_LANGUAGES": "5f1d0b8f3c1e2a47"}}',
        "utf-8",
    )
    settings = {"DOCRELAY_OCR_LANGUAGES": "5f1d0b8f3c1e2a47"}
    url = "redis://:x@127.0.0.1:6379/0"
    assert read(folder.state_file) == replace(STATE, pid=7, redis_url=url, settings=settings)
