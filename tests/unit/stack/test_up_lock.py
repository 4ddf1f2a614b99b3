"""The lock of `docrelay up`: who is named to a second one, and who is waited for."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from pipeline.errors import AlreadyUp
from pipeline.stack.folder import Folder
from pipeline.stack.lease import FileLock
from pipeline.stack.up_lock import only_up

NEVER = 2**22 + 1
"""A pid that no process has."""


@pytest.fixture
def folder(tmp_path: Path) -> Folder:
    folder = Folder(tmp_path / "a folder")
    folder.create()
    return folder


def refusal(folder: Folder, said: list[str]) -> AlreadyUp:
    with pytest.raises(AlreadyUp) as caught, only_up(folder, said.append, 0.0):
        raise AssertionError("another one holds the lock")
    return caught.value


def test_the_holder_is_named_with_what_to_do(folder: Folder) -> None:
    said: list[str] = []
    with only_up(folder, said.append, 0.0):
        error = refusal(folder, said)
    assert error.code == "already_up"
    assert error.message == f"`docrelay up` runs already on {folder.data_dir} (pid {os.getpid()})."
    assert f"docrelay status --data-dir '{folder.data_dir}'" in error.hint
    assert f"kill {os.getpid()}" in error.hint
    assert said == []


def test_a_holder_that_is_stopping_is_waited_for(folder: Folder) -> None:
    said: list[str] = []
    with only_up(folder, said.append, 0.0) as lock:
        lock.note_stopping()
        error = refusal(folder, said)
    assert said == [f"Waiting for a `docrelay up` that is just stopping (pid {os.getpid()})"]
    assert "is stopping and does not end" in error.message


def test_the_lock_is_free_after_the_block_and_the_file_names_the_next_holder(folder: Folder) -> None:
    with only_up(folder, print, 0.0) as lock:
        lock.note_stopping()
    with only_up(folder, print, 0.0):
        assert "runs already" in refusal(folder, []).message


@pytest.mark.parametrize(
    "text",
    ["", "no json", "[]", "{}", json.dumps({"pid": NEVER, "created": 1.0, "identity": "", "stopping": True})],
)
def test_no_pid_is_named_that_is_not_the_holder(folder: Folder, text: str) -> None:
    """A holder whose disk was full has written nothing."""
    with FileLock(folder.services_lock) as lock:
        assert lock.acquire()
        folder.services_lock.write_text(text)
        error = refusal(folder, [])
    assert error.message == f"`docrelay up` runs already on {folder.data_dir}."
    assert "kill" not in error.hint
