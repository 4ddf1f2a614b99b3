"""Measure the lists of documents and jobs: every combination of filters, in every order, in a catalog of 100,000.

    python bench/lists.py [--documents 100000] [--sample 60] [--rounds 5] [--worst 10]

A catalog is filled row by row with documents of all states: nine tenths are completed, and of each condition there are
some that few documents meet and some that most do. Then each combination of up to three conditions is asked for in each
order, the first page and the second. What is printed: the median and the 99th percentile of the processor time, by
order, and the slowest combinations.
"""

from __future__ import annotations

import argparse
import random
import sys
import tempfile
import time
import uuid
from collections import defaultdict
from collections.abc import Callable
from functools import partial
from hashlib import sha256
from pathlib import Path
from typing import Any

from queued import percentiles

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "tests" / "support"))

from list_rig import combined

from extractors import EXTRACTOR_VERSION
from pipeline.catalog.database.connection import writing
from pipeline.catalog.database.schema import (
    attempts,
    collections,
    document_tags,
    documents,
    failures,
    jobs,
    submissions,
    versions,
)
from pipeline.lists.documents import DocumentQuery
from pipeline.lists.jobs import JobQuery
from pipeline.plan import CHUNKER_VERSION
from pipeline.services import Services
from pipeline.settings import Settings
from pipeline.task_manager import TaskManager

PER_TRANSACTION = 5000
PER_JOB = 20
DAY_S = 86_400.0
NAMES = ("large", "small")

STATES = ("completed",) * 90 + ("failed",) * 5 + ("queued", "extracting", "embedding", "cancelled", "deleted")
CODES = ("corrupt",) * 9 + ("encrypted",)

OF_DOCUMENTS: dict[str, tuple[Any, ...]] = {
    "state": ("completed", "failed", "queued"),
    "collection": NAMES,
    "code": ("corrupt", "encrypted"),
    "tag": ("common", "rare"),
    "since": ("60d", "1d"),
    "source": ("*.pdf", "*report-77.txt"),
    "outdated": (True,),
    "incomplete": (True,),
}
OF_JOBS: dict[str, tuple[Any, ...]] = {
    "state": ("completed", "partial", "running"),
    "collection": NAMES,
    "workflow": ("ingest", "redacted"),
    "code": ("corrupt", "encrypted"),
    "since": ("60d", "1d"),
}
ORDERS = ("id", "source", "-time", "-size", "state")


def main() -> None:
    """Fill a catalog, ask for lists and print the figures."""
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("--documents", type=int, default=100_000)
    options.add_argument("--sample", type=int, default=0, help="combinations of each order, at random; 0 for all")
    options.add_argument("--rounds", type=int, default=5, help="times that each page is asked for")
    options.add_argument("--worst", type=int, default=10, help="slowest combinations to print")
    asked = options.parse_args()
    with tempfile.TemporaryDirectory(prefix="docrelay-bench-") as folder:
        services = Services(Settings(data_dir=Path(folder), embedding_model="hashing"))
        began = time.monotonic()
        fill(services, asked.documents)
        print(f"{asked.documents} documents made in {time.monotonic() - began:.0f} s", flush=True)
        manager = TaskManager(services)
        of_documents = partial(ask, manager.list_documents, DocumentQuery)
        print_table("documents", measured(of_documents, OF_DOCUMENTS, ORDERS, asked), asked.worst)
        print_table(
            "jobs", measured(partial(ask, manager.list_jobs, JobQuery), OF_JOBS, ("-time",), asked), asked.worst
        )
        services.catalog.dispose()


def fill(services: Services, number: int) -> None:
    """Insert documents with all their rows, in transactions of some thousands."""
    chance = random.Random(5)
    now = time.time()
    with writing(services.catalog) as connection:
        connection.execute(
            collections.insert(), [{"name": name, "fingerprint": {}, "created_at": now} for name in NAMES]
        )
    for first in range(0, number, PER_TRANSACTION):
        rows: dict[Any, list[dict[str, Any]]] = defaultdict(list)
        for place in range(first, min(first + PER_TRANSACTION, number)):
            add(rows, chance, place, now - 90 * DAY_S * (1 - place / number))
        with writing(services.catalog) as connection:
            for table, values in rows.items():
                connection.execute(table.insert(), values)


def add(rows: dict[Any, list[dict[str, Any]]], chance: random.Random, place: int, at: float) -> None:
    """The rows of one document, and every so often of the job that brings it and the next ones."""
    state, collection = chance.choice(STATES), "small" if place % 50 == 0 else "large"
    ids = {name: str(uuid.UUID(int=chance.getrandbits(128), version=4)) for name in ("document", "version", "attempt")}
    job_id = str(uuid.uuid5(uuid.NAMESPACE_URL, str(place // PER_JOB)))
    is_live = state in ("completed", "failed")
    size, tags = chance.randint(1, 10_000_000), ["common"] * (place % 3 > 0) + ["rare"] * (place % 500 == 0)
    source = f"/srv/documents/{place % 211}/report-{place}.{('pdf', 'txt')[place % 2]}"
    extraction = "1-x" if place % 20 == 0 else f"{EXTRACTOR_VERSION}-x"
    failed = {"code": chance.choice(CODES), "message": "It is broken."} if state == "failed" else {}
    if place % PER_JOB == 0:
        rows[jobs].append(job(job_id, collection, at, place))
    rows[documents].append(
        {
            "id": ids["document"],
            "collection": collection,
            "source": source,
            "tags": tags,
            "live_version_id": ids["version"] if is_live else None,
            "attempt_id": None if state == "deleted" else ids["attempt"],
            "deleted_at": at if state == "deleted" else None,
            "created_at": at,
            "updated_at": at,
            "size": size if is_live else 0,
        }
    )
    rows[versions].append(
        {
            "id": ids["version"],
            "document_id": ids["document"],
            "sequence": 1,
            "content_sha256": sha256(source.encode()).hexdigest(),
            "recipe": "recipe",
            "index_name": f"{collection}~1",
            "workflow": "ingest",
            "extraction": extraction,
            "chunker": CHUNKER_VERSION,
            "size": size,
            "modified_at": at,
            "media_type": "application/pdf",
            "title": f"Report {place} of the harbour",
            "parts_missing": int(place % 40 == 0),
            "created_at": at,
            "live_at": at if is_live else None,
        }
    )
    rows[attempts].append(
        {
            "id": ids["attempt"],
            "document_id": ids["document"],
            "version_id": ids["version"],
            "job_id": job_id,
            "number": 1,
            "state": "cancelled" if state == "deleted" else state,
            "size": size,
            "created_at": at,
        }
    )
    outcome = {"deleted": "cancelled"}.get(state, state) if state in ("completed", "failed", "deleted") else None
    of_job = {"job_id": job_id, "document_id": ids["document"], "source": source, "size": size}
    rows[submissions].append(
        {**of_job, "attempt_id": ids["attempt"], "outcome": outcome, "code": None, "message": None, **failed}
    )
    rows[document_tags] += [{"tag": tag, "document_id": ids["document"]} for tag in tags]
    if failed:
        of_failure = {"id": ids["attempt"], "collection": collection, "stage": "extract", "hint": "Mend it."}
        more = {"job_id": job_id, "document_id": ids["document"], "source": source, "transient": False}
        rows[failures].append({**of_failure, **more, **failed, "created_at": at})


def job(job_id: str, collection: str, at: float, place: int) -> dict[str, Any]:
    """The row of a job, which most often has ended."""
    number = place // PER_JOB
    outcome = "partial" if number % 3 == 0 else "completed" if number % 50 else None
    return {
        "id": job_id,
        "collection": collection,
        "workflow": "redacted" if number % 40 == 0 else "ingest",
        "priority": 5,
        "request_id": "bench",
        "created_at": at,
        "intake_done": True,
        "bytes_expected": 0,
        "fraction": 1.0,
        "samples": [],
        "confined": False,
        "finished_at": at if outcome else None,
        "outcome": outcome,
        "outcomes": {"completed": PER_JOB - 1, "failed": 1} if outcome == "partial" else {"completed": PER_JOB},
    }


def ask(read: Callable[[Any], Any], kind: Callable[..., Any], **query: Any) -> Any:
    """A page of a list."""
    return read(kind(**query))


def measured(
    page: Callable[..., Any], conditions: dict[str, tuple[Any, ...]], orders: tuple[str, ...], asked: argparse.Namespace
) -> dict[tuple[str, str], list[float]]:
    """Milliseconds of processor time for each page, by order and conditions."""
    times: dict[tuple[str, str], list[float]] = defaultdict(list)
    for order in orders:
        every = list(combined(conditions))
        chosen = random.Random(order).sample(every, asked.sample) if asked.sample else every
        for conditions_of_list in chosen:
            query = {**conditions_of_list, "sort": order}
            following = page(**query).next
            for begin in (None, following) if following else (None,):
                times[order, " ".join(f"{name}={value}" for name, value in conditions_of_list.items())] += [
                    processor_ms(partial(page, **query, after=begin)) for _ in range(asked.rounds)
                ]
    return times


def processor_ms(work: Callable[[], Any]) -> float:
    """Milliseconds that the processor works: what else runs on the machine does not count."""
    began = time.process_time()
    work()
    return (time.process_time() - began) * 1000


def print_table(path: str, times: dict[tuple[str, str], list[float]], worst: int) -> None:
    """Print a line for each order, and one for each of the slowest combinations."""
    print(f"| {path} by | combinations | p50, ms | p99, ms | longest, ms |\n|---|--:|--:|--:|--:|")
    for order in dict.fromkeys(order for order, _ in times):
        of_order = [taken for (name, _), taken in times.items() if name == order]
        every = [took for taken in of_order for took in taken]
        figures = percentiles("", every)
        p50, p99 = figures.values()
        print(f"| `{order}` | {len(of_order)} | {p50:.1f} | {p99:.1f} | {max(every):.1f} |")
    slowest = sorted(times, key=lambda key: -sorted(times[key])[len(times[key]) // 2])[:worst]
    for key in slowest:
        print(f"  {sorted(times[key])[len(times[key]) // 2]:6.1f} ms  {key[0]:8} {key[1]}")


if __name__ == "__main__":
    main()
