"""Measure the lists of documents and jobs: every combination of filters, in every order, in a catalog of 100,000.

    python bench/lists.py [--documents 100000] [--rounds 20] [--worst 20]

A catalog is filled row by row with documents of all states: nine tenths are completed, and of each condition there are
some that few documents meet and some that most do. Then each combination of one, two and three conditions and order is
asked for, the first page and one from the middle, over HTTP from an API that runs as a process. What is printed: the
median and the 99th percentile of all requests, by order, and the slowest combinations.
"""

from __future__ import annotations

import argparse
import random
import tempfile
import time
import uuid
from collections import defaultdict
from collections.abc import Iterator
from contextlib import ExitStack
from hashlib import sha256
from itertools import combinations
from pathlib import Path
from typing import Any

import httpx
from queued import ingest_some, percentiles, serving, timed

from extractors import EXTRACTOR_VERSION
from pipeline.catalog.database.connection import writing
from pipeline.catalog.database.schema import (
    attempts,
    document_tags,
    documents,
    failures,
    jobs,
    submissions,
    versions,
)
from pipeline.plan import CHUNKER_VERSION
from pipeline.services import Services

PER_TRANSACTION = 5000
PER_JOB = 20
DAY_S = 86_400.0

STATES = ("completed",) * 90 + ("failed",) * 5 + ("queued", "extracting", "embedding", "cancelled", "deleted")
CODES = ("corrupt",) * 9 + ("encrypted",)

OF_DOCUMENTS: dict[str, tuple[Any, ...]] = {
    "state": ("completed", "failed", "queued"),
    "collection": ("large", "small"),
    "code": ("corrupt", "encrypted"),
    "tag": ("common", "rare"),
    "since": ("60d", "1d"),
    "source": ("*.pdf", "*report-77.txt"),
    "outdated": (True,),
    "incomplete": (True,),
}
OF_JOBS: dict[str, tuple[Any, ...]] = {
    "state": ("completed", "partial", "running"),
    "collection": ("large", "small"),
    "workflow": ("ingest", "redacted"),
    "code": ("corrupt", "encrypted"),
    "since": ("60d", "1d"),
}
ORDERS = ("id", "source", "-time", "-size", "state")


def main() -> None:
    """Fill a catalog, ask for every combination and print the figures."""
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("--documents", type=int, default=100_000)
    options.add_argument("--rounds", type=int, default=5, help="requests of each combination and page")
    options.add_argument("--worst", type=int, default=15, help="slowest combinations to print")
    asked = options.parse_args()
    with tempfile.TemporaryDirectory(prefix="docrelay-bench-") as name, ExitStack() as scope:
        ingest_some(Path(name))
        services, client = scope.enter_context(serving(Path(name)))
        began = time.monotonic()
        fill(services, asked.documents)
        print(f"{asked.documents} documents made in {time.monotonic() - began:.0f} s", flush=True)
        for path, conditions, orders in (("documents", OF_DOCUMENTS, ORDERS), ("jobs", OF_JOBS, ("-time",))):
            times = measured(client, f"/v1/{path}", conditions, orders, asked.rounds)
            print_table(path, times, asked.worst)


def fill(services: Services, number: int) -> None:
    """Insert documents with all their rows, in transactions of some thousands."""
    chance = random.Random(5)
    now = time.time()
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


def combined(conditions: dict[str, tuple[Any, ...]]) -> Iterator[dict[str, Any]]:
    """No condition, and each choice of values for one, two and three of them."""
    for size in range(4):
        for names in combinations(conditions, size):
            chosen: list[dict[str, Any]] = [{}]
            for name in names:
                chosen = [{**before, name: value} for before in chosen for value in conditions[name]]
            yield from chosen


def measured(
    client: httpx.Client, path: str, conditions: dict[str, tuple[Any, ...]], orders: tuple[str, ...], rounds: int
) -> dict[tuple[str, str], list[float]]:
    """Milliseconds of the requests, by order and conditions."""
    times: dict[tuple[str, str], list[float]] = defaultdict(list)
    for order in orders:
        for chosen in combined(conditions):
            query = {**chosen, "sort": order}
            following = client.get(path, params=query).raise_for_status().json()["next"]
            for page in ({}, {"cursor": following} if following else {}):
                for _ in range(rounds):
                    took = timed(lambda asked={**query, **page}: client.get(path, params=asked).raise_for_status())
                    times[order, " ".join(f"{name}={value}" for name, value in chosen.items())].append(took)
    return times


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
