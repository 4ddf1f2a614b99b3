"""The log file of several processes: no line is lost or doubled while they fill it and rename it."""

from __future__ import annotations

import json
import subprocess
import sys
from collections import Counter
from pathlib import Path

import pytest

from pipeline.stack.logs import BACKUPS

FORKS, LINES = 5, 400

WRITING = """
import os, sys
import structlog
from pathlib import Path
from pipeline.settings import Settings
from pipeline.stack import logs

logs.MAX_BYTES, forks, lines = int(sys.argv[2]), int(sys.argv[3]), int(sys.argv[4])
logs.log_to_file(Settings(data_dir=Path(sys.argv[1])), "extract-1")
log = structlog.get_logger()
log.info("parent", number=0)
children = []
for writer in range(forks):
    child = os.fork()
    if child == 0:
        for number in range(lines):
            log.info("child", writer=writer, number=number, text="x" * 40)
        os._exit(0)
    children.append(child)
for number in range(1, lines):
    log.info("parent", number=number)
assert all(os.waitpid(child, 0)[1] == 0 for child in children)
"""
"""The parent opens the file, and its pool inherits it."""


def written(folder: Path, max_bytes: int) -> list[tuple[Path, list[tuple[int | None, int]]]]:
    """The files that the processes leave, the oldest first, with writer and number of each line."""
    line = [sys.executable, "-c", WRITING, str(folder), str(max_bytes), str(FORKS), str(LINES)]
    ended = subprocess.run(line, capture_output=True, text=True)
    assert (ended.returncode, ended.stderr) == (0, "")
    files = sorted((folder / "logs").iterdir(), reverse=True)
    rows = [(path, [json.loads(line) for line in path.read_text("utf-8").splitlines()]) for path in files]
    return [(path, [(row.get("writer"), row["number"]) for row in lines]) for path, lines in rows]


@pytest.fixture(scope="module")
def size(tmp_path_factory: pytest.TempPathFactory) -> int:
    """Bytes of all lines."""
    ((path, _),) = written(tmp_path_factory.mktemp("all") / "data", 1 << 30)
    return path.stat().st_size


def test_no_line_is_lost_or_doubled_while_files_are_renamed(tmp_path: Path, size: int) -> None:
    found = written(tmp_path / "data", size * 2 // (2 * BACKUPS + 1))
    assert len(found) == 1 + BACKUPS
    counted = Counter(line for _, lines in found for line in lines)
    expected = {(writer, number) for writer in (None, *range(FORKS)) for number in range(LINES)}
    assert counted.keys() == expected
    assert set(counted.values()) == {1}


def test_the_newest_lines_are_kept_in_a_bounded_number_of_files(tmp_path: Path, size: int) -> None:
    limit = size // 20
    found = written(tmp_path / "data", limit)
    assert [path.name for path, _ in found] == [*(f"extract-1.log.{n}" for n in range(BACKUPS, 0, -1)), "extract-1.log"]
    longest = 300
    assert all(path.stat().st_size < limit + (1 + FORKS) * longest for path, _ in found)
    kept: dict[int | None, list[int]] = {}
    for _, lines in found:
        for writer, number in lines:
            kept.setdefault(writer, []).append(number)
    # What a process has written last: nothing is missing between the first of its lines that is kept and its end.
    assert all(numbers == list(range(numbers[0], LINES)) for numbers in kept.values())
    assert sum(map(len, kept.values())) > LINES // 20


def test_a_file_that_was_removed_is_made_again(tmp_path: Path) -> None:
    script = WRITING + f'\nos.unlink("{tmp_path}/data/logs/extract-1.log")\nlog.info("after", number=1)\n'
    subprocess.run([sys.executable, "-c", script, str(tmp_path / "data"), "100000", "0", "1"], check=True)
    (line,) = (tmp_path / "data/logs/extract-1.log").read_text("utf-8").splitlines()
    assert json.loads(line)["event"] == "after"
