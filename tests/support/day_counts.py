"""The numbers of a day, counted row by row from the catalog, without an aggregate of SQL."""

from __future__ import annotations

import json
import math
from collections import Counter, defaultdict
from collections.abc import Sequence
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Connection

__all__ = ["count_day"]

TABLES = ("attempts", "versions", "events", "tasks", "reindexes")


def count_day(connection: Connection, start: float, end: float) -> dict[str, Any]:
    """What `daily_metrics.compute` must find in the time from `start` to `end`."""
    tables = {name: connection.execute(sa.text(f"SELECT * FROM {name}")).mappings().all() for name in TABLES}
    reindexed = {row["job_id"] for row in tables["reindexes"]}
    versions = {row["id"]: row for row in tables["versions"]}
    made = [
        versions[row["version_id"]]
        for row in tables["attempts"]
        if row["state"] == "completed" and start <= (row["finished_at"] or 0) < end
        if row["job_id"] not in reindexed
    ]
    events = [row for row in tables["events"] if start <= row["at"] < end]
    failed = [row for row in events if row["kind"] == "document.failed" and row["job_id"] not in reindexed]
    codes = Counter(_data(row)["code"] for row in failed)
    durations: dict[str, list[float]] = defaultdict(list)
    for row in tables["tasks"]:
        if row["state"] == "done" and start <= row["finished_at"] < end:
            durations[row["stage"]].append(row["finished_at"] - row["started_at"])
    return {
        "documents": len(made),
        "unchanged": sum(row["kind"] == "document.unchanged" for row in events),
        "failed": len(failed),
        "failures": dict(codes),
        "chunks": sum(row["chunks"] for row in made),
        "pages_ocr": sum(row["pages_ocr"] for row in made),
        "stages": {
            stage: {"tasks": len(seconds), "p50_s": _rank(seconds, 0.5), "p95_s": _rank(seconds, 0.95)}
            for stage, seconds in durations.items()
        },
    }


def _data(row: Any) -> dict[str, Any]:
    data: dict[str, Any] = json.loads(row["data"]) if isinstance(row["data"], str) else row["data"]
    return data


def _rank(values: Sequence[float], share: float) -> float:
    """The smallest value that this share of all values does not exceed."""
    return round(sorted(values)[max(math.ceil(share * len(values)), 1) - 1], 6)
