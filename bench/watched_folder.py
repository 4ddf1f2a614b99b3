"""Measure how soon a file dropped into a watched folder is searchable, and whether any of many is missed.

    python bench/watched_folder.py [--files 50] [--burst 2000] [--settle-ms 500]

Runs a real stack with the hashing embedder (what is measured is the watcher and the flow, not the model), a watcher in
a process of its own, and a search by words that is repeated until it finds the file. The files are made up.
"""

from __future__ import annotations

import argparse
import json
import os
import sqlite3
import statistics
import subprocess
import sys
import tempfile
import time
from contextlib import closing
from pathlib import Path

from pipeline import stack
from pipeline.search import search
from pipeline.services import Services
from pipeline.settings import Settings
from pipeline.settings.watch_folders import WatchFolder
from pipeline.stack import settings_environment

PAGE = "The boat yard lies below the old town, and visitors at low tide see keels. "
PAUSE_S = 1.2
LONGEST_S = 900


def main() -> None:
    """Measure and print one JSON document."""
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("--files", type=int, default=50, help="files dropped one by one")
    options.add_argument("--burst", type=int, default=2000, help="files dropped at once")
    options.add_argument("--settle-ms", type=int, default=500)
    asked = options.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder, "root")
        root.mkdir()
        settings = Settings(
            data_dir=Path(folder, "data"),
            embedding_model="hashing",
            watch=(WatchFolder(path=root),),
            watch_settle_ms=asked.settle_ms,
        )
        with stack.connect(settings, until="ready") as connected:
            command = [sys.executable, "-m", "pipeline.watch"]
            with subprocess.Popen(command, env={**os.environ, **settings_environment(connected)}) as watcher:
                services = Services(connected)
                _is_searchable(services, "nothing")
                single = _one_by_one(services, root, asked.files)
                burst = _at_once(services, root, asked.burst)
                watcher.terminate()
    print(json.dumps({"settle_ms": asked.settle_ms, "one_by_one": single, "at_once": burst}, indent=2))


def _one_by_one(services: Services, root: Path, number: int) -> dict[str, float]:
    """Milliseconds from the end of writing to the first search that finds it, without the settle time."""
    (root / "first.txt").write_text("wordfirst " + PAGE * 30, "utf-8")
    while not _is_searchable(services, "wordfirst"):
        time.sleep(0.1)
    latencies_ms = []
    for position in range(number):
        time.sleep(PAUSE_S)
        (root / f"page-{position}.txt").write_text(f"word{position}x " + PAGE * 30, "utf-8")
        began = time.perf_counter()
        while not _is_searchable(services, f"word{position}x"):
            time.sleep(0.005)
        latencies_ms.append((time.perf_counter() - began) * 1000 - services.settings.watch_settle_ms)
    cuts = statistics.quantiles(latencies_ms, n=100)
    return {"files": number, "p50_ms": round(cuts[49]), "p95_ms": round(cuts[94]), "max_ms": round(max(latencies_ms))}


def _at_once(services: Services, root: Path, number: int) -> dict[str, object]:
    folder = root / "burst"
    folder.mkdir()
    before = _count(services, "SELECT count(*) FROM jobs")
    began = time.perf_counter()
    for position in range(number):
        (folder / f"file-{position}.txt").write_text(f"burst{position}y {PAGE}", "utf-8")
    written = time.perf_counter() - began
    inside = f"instr(documents.source, '{folder}') > 0"
    live = f"SELECT count(*) FROM documents WHERE live_version_id IS NOT NULL AND {inside}"
    while _count(services, live) < number and time.perf_counter() - began < LONGEST_S:
        time.sleep(0.5)
    attempts = f"SELECT count(*) FROM attempts JOIN documents ON documents.id = attempts.document_id WHERE {inside}"
    return {
        "files": number,
        "missed": number - _count(services, live),
        "runs": _count(services, attempts),
        "jobs": _count(services, "SELECT count(*) FROM jobs") - before,
        "writing_s": round(written, 2),
        "all_searchable_s": round(time.perf_counter() - began, 1),
    }


def _is_searchable(services: Services, word: str) -> bool:
    """Whether a search by this word finds a passage."""
    return bool(search(services, word, services.settings.collection, mode="sparse", limit=1).hits)


def _count(services: Services, query: str) -> int:
    """The number that a query on the SQLite catalog gives."""
    path = services.settings.data_dir / "catalog.db"
    with closing(sqlite3.connect(f"file:{path}?mode=ro", uri=True, timeout=60)) as connection:
        return int(connection.execute(query).fetchone()[0])


if __name__ == "__main__":
    main()
