"""How soon a dropped file is searchable, and whether any of many dropped at once is missed: `python -m bench.watching`.

A real stack with the hashing embedder (what is measured is the mirror and the flow, not the model), a watcher as a
process of its own, and a search by words that asks again and again.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import sqlalchemy as sa

from pipeline import stack
from pipeline.catalog.database.schema import attempts, documents, jobs
from pipeline.search import search
from pipeline.services import Services
from pipeline.settings import Settings
from pipeline.settings.watch_folders import WatchFolder
from pipeline.stack import settings_environment

PAGE = "The boat yard lies below the old town, and whoever walks there at low tide sees keels. "
PAUSE_S = 1.2


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
                _found(services, "nothing")
                single = _one_by_one(services, root, asked.files)
                burst = _at_once(services, root, asked.burst)
                watcher.terminate()
    print(json.dumps({"settle_ms": asked.settle_ms, "one_by_one": single, "at_once": burst}, indent=2))


def _one_by_one(services: Services, root: Path, number: int) -> dict[str, float]:
    """Milliseconds from the end of writing to the first search that finds it, without the settle time."""
    (root / "first.txt").write_text("wordfirst " + PAGE * 30, "utf-8")
    while not _found(services, "wordfirst"):
        time.sleep(0.1)
    taken = []
    for position in range(number):
        time.sleep(PAUSE_S)
        (root / f"page-{position}.txt").write_text(f"word{position}x " + PAGE * 30, "utf-8")
        began = time.perf_counter()
        while not _found(services, f"word{position}x"):
            time.sleep(0.005)
        taken.append((time.perf_counter() - began) * 1000 - services.settings.watch_settle_ms)
    cuts = statistics.quantiles(taken, n=100)
    return {"files": number, "p50_ms": round(cuts[49]), "p95_ms": round(cuts[94]), "max_ms": round(max(taken))}


def _at_once(services: Services, root: Path, number: int) -> dict[str, object]:
    folder = root / "burst"
    folder.mkdir()
    before = _count(services, sa.select(sa.func.count()).select_from(jobs))
    began = time.perf_counter()
    for position in range(number):
        (folder / f"file-{position}.txt").write_text(f"burst{position}y {PAGE}", "utf-8")
    written = time.perf_counter() - began
    mine = sa.func.instr(documents.c.source, str(folder)) > 0
    live = sa.select(sa.func.count()).select_from(documents).where(mine, documents.c.live_version_id.is_not(None))
    while _count(services, live) < number and time.perf_counter() - began < 900:
        time.sleep(0.5)
    runs = sa.select(sa.func.count()).select_from(attempts.join(documents, documents.c.id == attempts.c.document_id))
    return {
        "files": number,
        "missed": number - _count(services, live),
        "runs": _count(services, runs.where(mine)),
        "jobs": _count(services, sa.select(sa.func.count()).select_from(jobs)) - before,
        "writing_s": round(written, 2),
        "all_searchable_s": round(time.perf_counter() - began, 1),
    }


def _found(services: Services, word: str) -> bool:
    return bool(search(services, word, services.settings.collection, mode="sparse", limit=1).hits)


def _count(services: Services, query: sa.Select[int]) -> int:
    with services.catalog.connect() as connection:
        return int(connection.execute(query).scalar_one())


if __name__ == "__main__":
    main()
