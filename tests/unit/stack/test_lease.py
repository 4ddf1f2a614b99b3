"""File locks between processes."""

from __future__ import annotations

from pathlib import Path

from pipeline.stack.lease import FileLock, is_locked


def test_shared_locks_exclude_exclusive_locks(tmp_path: Path) -> None:
    first, second, third = (FileLock(tmp_path / "lock") for _ in range(3))
    with first, second, third:
        assert first.acquire(shared=True)
        assert second.acquire(shared=True)
        assert not third.acquire()
        assert not is_locked(tmp_path / "lock")
        first.release()
        second.release()
        assert third.acquire()
        assert is_locked(tmp_path / "lock")
        assert not first.acquire(shared=True, timeout_s=0.1)
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
