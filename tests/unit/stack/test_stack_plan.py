"""The plan of one machine, the settings' way into its processes, and the small parts below the stack."""

from __future__ import annotations

import os
import stat
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import psutil
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.settings import ENV_PREFIX, Settings, load_settings
from pipeline.stack import Launch, ProcessSpec, StackState, processes, settings_environment
from pipeline.stack.folder import Folder, rotate, tail
from pipeline.stack.lease import FileLock, is_locked
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


def _read_back(environment: dict[str, str], monkeypatch: pytest.MonkeyPatch) -> Settings:
    for name in [name for name in os.environ if name.startswith(ENV_PREFIX)]:
        monkeypatch.delenv(name)
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    return load_settings()


def test_every_setting_survives_the_environment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    settings = Settings(
        data_dir=tmp_path / "a b ü",
        redis_url="redis://:x@127.0.0.1:1/0",
        qdrant_url="http://q:6333",
        passwords=("one", "zwei drei"),
        keep_originals=True,
        ocr_timeout_s=0.1,
        embedding_dim=7,
        autoscale="4,1",
    )
    assert _read_back(settings_environment(settings), monkeypatch) == settings
    assert _read_back(settings_environment(Settings(data_dir=tmp_path)), monkeypatch) == Settings(data_dir=tmp_path)


def test_what_is_none_is_not_said() -> None:
    environment = settings_environment(Settings())
    assert "DOCRELAY_REDIS_URL" not in environment
    assert "DOCRELAY_PASSWORDS" not in environment
    assert environment["DOCRELAY_KEEP_ORIGINALS"] == "false"


def test_passwords_with_a_comma_are_left_to_the_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "docrelay.toml").write_text('passwords = ["a,b", "c"]', "utf-8")
    settings = load_settings({"data_dir": tmp_path})
    assert settings.passwords == ("a,b", "c")
    assert _read_back(settings_environment(settings), monkeypatch) == settings


def test_the_plan_of_one_machine() -> None:
    plan = processes(Settings(embed_processes=2))
    assert [spec.name for spec in plan] == ["extract", "embed-1", "embed-2", "store", "beat"]
    assert plan[2].command == (sys.executable, "-m", "pipeline.engine.worker", "embed", "--name", "embed-2")
    assert all(spec.environment["OMP_NUM_THREADS"] == "1" for spec in plan)
    assert all(spec.environment["DOCRELAY_EMBED_PROCESSES"] == "2" for spec in plan)


def test_one_embed_process_per_core() -> None:
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    assert sum(spec.name.startswith("embed-") for spec in processes(Settings())) == cores


def test_nothing_secret_in_a_command() -> None:
    settings = Settings(passwords=("sesame",), qdrant_api_key="sesame", embedding_api_key="sesame")
    assert "sesame" not in repr([spec.command for spec in processes(settings)])


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
def test_a_state_of_another_make_is_none(tmp_path: Path, text: str) -> None:
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


def test_a_pid_alone_proves_nothing() -> None:
    assert not is_same_process(os.getpid(), 0.0)
    assert not is_same_process(2**22 + 1, 0.0)


def test_locks_share_and_exclude(tmp_path: Path) -> None:
    one, two, three = (FileLock(tmp_path / "lock") for _ in range(3))
    with one, two, three:
        assert one.acquire(shared=True)
        assert two.acquire(shared=True)
        assert not three.acquire()
        assert not is_locked(tmp_path / "lock")
        one.release()
        two.release()
        assert three.acquire()
        assert is_locked(tmp_path / "lock")
        assert not one.acquire(shared=True, timeout_s=0.1)
    assert not is_locked(tmp_path / "lock")


def test_a_lock_knows_when_its_file_was_replaced(tmp_path: Path) -> None:
    path = tmp_path / "lock"
    with FileLock(path) as lock:
        assert not lock.intact()
        assert lock.acquire()
        assert lock.intact()
        path.unlink()
        assert not lock.intact()
        path.touch()
        assert not lock.intact()


def test_a_log_is_bounded_while_it_is_written(tmp_path: Path) -> None:
    path = tmp_path / "w.out"
    rotate(path, 10)
    with path.open("ab", buffering=0) as writer:
        writer.write(b"0123456789")
        rotate(path, 10)
        assert path.stat().st_size == 10
        writer.write(b"x")
        rotate(path, 10)
        writer.write(b"new")
    assert path.read_bytes() == b"new"
    assert (tmp_path / "w.out.1").read_bytes() == b"0123456789x"


def test_the_last_lines_of_a_log(tmp_path: Path) -> None:
    path = tmp_path / "w.out"
    assert tail(path) == ""
    path.write_bytes(b"x" * 9000 + b"\n\none\n\xff two\n\n")
    assert tail(path, 2) == "one\n\ufffd two"
    assert len(tail(path)) < 4200


def test_supervisor_and_warden_start_fast() -> None:
    heavy = "{'pydantic', 'pipeline.settings', 'sqlalchemy', 'httpx', 'numpy'}"
    code = f"import pipeline.stack.supervisor, sys; print(sorted({heavy} & set(sys.modules)))"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout == "[]\n"
    code = "import pipeline.stack.warden, sys; print('redis' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout == "False\n"
