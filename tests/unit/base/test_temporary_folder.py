"""Temporary folders go with their process, at the latest with the first sweep after its end, and never before."""

from __future__ import annotations

import fcntl
import os
import stat
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from pipeline.disk import temporary_folder as module
from pipeline.disk.temporary_folder import UNLOCKED_S, TemporaryFolder, remove_abandoned, temporary_folder

MAKER = """
import sys, time
from pathlib import Path
from pipeline.disk.temporary_folder import TemporaryFolder
folder = TemporaryFolder(Path(sys.argv[1]))
(folder.path / "picture").write_bytes(b"grey")
print(folder.path, flush=True)
time.sleep(600)
"""


def test_folder_lasts_for_its_block_and_is_closed_to_others(tmp_path: Path) -> None:
    with temporary_folder(tmp_path / "tmp") as folder:
        assert stat.S_IMODE(folder.stat().st_mode) == 0o700
        assert stat.S_IMODE((tmp_path / "tmp").stat().st_mode) == 0o700
        (folder / "picture").write_bytes(b"grey")
        remove_abandoned(tmp_path / "tmp")
        assert (folder / "picture").exists()
    assert list((tmp_path / "tmp").iterdir()) == []


def test_folder_of_a_killed_process_goes_with_the_sweep(tmp_path: Path) -> None:
    maker = subprocess.Popen([sys.executable, "-c", MAKER, str(tmp_path)], stdout=subprocess.PIPE, text=True)
    assert maker.stdout is not None
    folder = Path(maker.stdout.readline().strip())
    remove_abandoned(tmp_path)
    assert (folder / "picture").exists()  # its process lives
    maker.kill()
    maker.wait()
    maker.stdout.close()
    assert (folder / "picture").exists()  # nothing cleaned up after it
    remove_abandoned(tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_lock_that_a_sweep_removes_before_it_is_locked_is_made_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    sweeps: list[None] = []
    real = fcntl.flock

    def flock(descriptor: int, operation: int) -> None:
        if not sweeps:
            sweeps.append(None)
            remove_abandoned(tmp_path)  # a sweep of another process at the worst moment
        real(descriptor, operation)

    monkeypatch.setattr(fcntl, "flock", flock)
    folder = TemporaryFolder(tmp_path)
    assert sweeps
    remove_abandoned(tmp_path)
    assert folder.path.is_dir()
    folder.remove()
    assert list(tmp_path.iterdir()) == []


def test_file_system_without_locks_keeps_what_may_be_in_use(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def flock(descriptor: int, operation: int) -> None:
        raise OSError(95, "not supported")

    monkeypatch.setattr(fcntl, "flock", flock)
    folder = TemporaryFolder(tmp_path)
    remove_abandoned(tmp_path)
    assert folder.path.is_dir()
    folder.remove()


def test_folder_without_a_lock_goes_when_it_is_old(tmp_path: Path) -> None:
    old, young = tmp_path / "old", tmp_path / "young"
    for folder in (old, young):
        folder.mkdir()
    long_ago = time.time() - UNLOCKED_S - 60
    os.utime(old, (long_ago, long_ago))
    remove_abandoned(tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["young"]


def test_a_link_in_the_place_of_a_lock_is_not_followed(tmp_path: Path) -> None:
    precious = tmp_path / "precious"
    precious.mkdir()
    tmp = tmp_path / "tmp"
    tmp.mkdir()
    (tmp / "x.lock").symlink_to(precious / "made")
    remove_abandoned(tmp)
    assert precious.is_dir()
    assert not (precious / "made").exists()


def test_a_fork_leaves_the_folder_to_its_parent(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = TemporaryFolder(tmp_path)
    monkeypatch.setattr(folder, "_owner", os.getppid())
    folder.remove()
    assert folder.path.is_dir()


@pytest.mark.parametrize("remove", [TemporaryFolder.remove, TemporaryFolder.let_go])
def test_a_folder_deeper_than_any_path_is_removed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, remove: Callable[[TemporaryFolder], None]
) -> None:
    folder = TemporaryFolder(tmp_path)
    monkeypatch.chdir(folder.path)
    for _ in range(1500):
        Path("deep").mkdir()
        Path("picture").write_bytes(b"grey")
        os.chdir("deep")
    os.chdir(tmp_path)
    remove(folder)
    remove_abandoned(tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_no_folder_yet_is_nothing_to_remove(tmp_path: Path) -> None:
    module.remove_abandoned(tmp_path / "none")


OWNER = """
import sys
from pathlib import Path
from pipeline.disk.temporary_folder import TemporaryFolder
class Owner: pass
owner, folder = Owner(), TemporaryFolder(Path(sys.argv[1]))
folder.goes_with(owner)
if sys.argv[2] == "collected":
    del owner
    from pipeline.disk.temporary_folder import remove_abandoned
    remove_abandoned(Path(sys.argv[1]))
    assert not folder.path.exists()
"""


@pytest.mark.parametrize("what", ["alive", "collected"])
def test_folder_of_an_object_is_gone_when_the_process_has_ended(tmp_path: Path, what: str) -> None:
    subprocess.run([sys.executable, "-c", OWNER, str(tmp_path), what], check=True)
    assert list(tmp_path.iterdir()) == []
