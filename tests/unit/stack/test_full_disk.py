"""A disk without room: logs and states are not written, and nothing ends because of it."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
from small_disk import fill, fill_names, small_disk

from pipeline.disk import disk_state
from pipeline.engine.celery_app import make_app
from pipeline.engine.schedule import Schedule
from pipeline.settings import Settings
from pipeline.stack.folder import open_log, replace_file, rotate

LOGGING = """
import sys
from pipeline.stack.reporting import log
for _ in range(3):
    log("event", field="value")
"""


def test_the_supervisors_log_on_a_full_disk_raises_nothing(tmp_path: Path) -> None:
    with small_disk(tmp_path / "disk", 1) as disk:
        fill(disk / "filler")
        with (disk / "log").open("wb") as log:
            done = subprocess.run([sys.executable, "-c", LOGGING], stdout=log, stderr=subprocess.PIPE, text=True)
    assert (done.returncode, done.stderr) == (0, "")


def test_a_file_that_cannot_be_replaced_keeps_its_text(tmp_path: Path) -> None:
    with small_disk(tmp_path / "disk", 1) as disk:
        replace_file(disk / "state", "old")
        fill(disk / "filler")
        with pytest.raises(OSError, match="No space"):
            replace_file(disk / "state", "new")
        assert sorted(path.name for path in disk.iterdir()) == ["filler", "state"]
        assert (disk / "state").read_text("utf-8") == "old"
        (disk / "filler").unlink()
        replace_file(disk / "state", "new")
        assert (disk / "state").read_text("utf-8") == "new"


def test_a_long_log_is_emptied_where_its_copy_has_no_room(tmp_path: Path) -> None:
    with small_disk(tmp_path / "disk", 1) as disk:
        log = disk / "w.out"
        log.write_bytes(b"x" * 100_000)
        fill(disk / "filler")
        rotate(log, 10)
        assert log.stat().st_size == 0
        assert not log.with_name("w.out.1").exists()


def test_a_log_file_that_cannot_be_made_drops_what_is_written(tmp_path: Path) -> None:
    with small_disk(tmp_path / "disk", 1) as disk:
        fill_names(disk)
        with pytest.raises(OSError, match="No space"):
            (disk / "other").touch()
        with open_log(disk / "w.out") as log:
            log.write(b"a line")


def test_the_room_of_a_folder_that_is_not_there_yet_is_that_of_its_disk(tmp_path: Path) -> None:
    with small_disk(tmp_path / "disk", 4) as disk:
        state = disk_state(disk / "data" / "spool", 2 << 20)
        assert state is not None
        assert not state.full
        assert "setting" not in state.message
        assert 3 << 20 < state.free_bytes <= 4 << 20
        fill(disk / "filler", leave_bytes=1 << 20)
        state = disk_state(disk / "data", 2 << 20, "min_free_mb")
        assert state is not None
        assert state.full
        assert f"disk full: {disk}/data (1 MB free, at least 2 MB are needed: setting min_free_mb)" in state.message


@pytest.mark.skipif(not Path("/proc/self").exists(), reason="a file system of Linux")
def test_a_file_system_that_counts_no_blocks_is_not_full() -> None:
    assert disk_state(Path("/proc/self"), 1 << 20) is None


def test_log_lines_that_find_no_room_are_dropped_and_later_ones_written(tmp_path: Path) -> None:
    with small_disk(tmp_path / "disk", 2) as disk:
        log_file = Path(disk / "logs" / "w.log")
        code = f"""
import logging, os, sys
from pathlib import Path
sys.path.insert(0, {str(Path(__file__).parents[2] / "support")!r})
from small_disk import fill
from pipeline.settings import Settings
from pipeline.stack.logs import log_to_file
log_to_file(Settings(data_dir=Path({str(disk)!r})), "w")
logging.getLogger("a").warning("before")
fill(Path({str(disk / "filler")!r}))
for _ in range(1000):
    logging.getLogger("a").warning("lost" * 100)
os.unlink({str(disk / "filler")!r})
logging.getLogger("a").warning("after")
"""
        done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
        assert (done.returncode, done.stderr) == (0, "")
        text = log_file.read_text("utf-8")
    assert "before" in text
    assert "after" in text


def test_beat_keeps_its_schedule_in_memory_where_the_file_has_no_room(tmp_path: Path) -> None:
    with small_disk(tmp_path / "disk", 1) as disk:
        fill_names(disk)
        app = make_app(Settings(redis_url="redis://127.0.0.1:1/0"))
        schedule = Schedule(app, schedule_filename=str(disk / "beat.schedule"))
        assert {"reconcile", "sweep"} <= schedule.schedule.keys()
        schedule.sync()
        schedule.close()
