"""Sums up a file of results."""

from __future__ import annotations

import json
import statistics
from collections import defaultdict
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

__all__ = ["read_results", "summary"]

LISTS = (
    "lost",
    "hung",
    "good_failed",
    "bad_passed",
    "finished_wrongly",
    "left",
    "committed_twice",
    "backwards",
    "raced",
)
HEAD = (
    "profile",
    "seeds",
    "failed",
    "documents",
    "lost",
    "points missing",
    "surplus points",
    "hung",
    "good failed",
    "other",
    "started by hand",
    "executions",
    "wasted",
    "wasted %",
    "after a death",
    "after an error",
    "kills landed w+c",
    "fewest w+c",
    "recovery p50 s",
    "p95 s",
    "seconds a seed",
)


def read_results(path: Path) -> list[dict[str, Any]]:
    """The results of all seeds, one line each; none if there is no file yet."""
    if not path.exists():
        return []
    return [json.loads(line) for line in path.read_text("utf-8").splitlines() if line.strip()]


def summary(results: Sequence[dict[str, Any]]) -> str:
    """A table in Markdown: a row for each profile, and one for all."""
    groups = defaultdict[str, list[dict[str, Any]]](list)
    for result in results:
        groups[result["profile"]].append(result)
    rows = [_row(name, group) for name, group in sorted(groups.items())]
    if len(rows) > 1:
        rows.append(_row("all", results))
    lines = [HEAD, ["---"] * len(HEAD), *rows]
    return "\n".join("| " + " | ".join(map(str, line)) + " |" for line in lines)


def _row(name: str, group: Sequence[dict[str, Any]]) -> list[Any]:
    def total(key: str) -> int:
        return sum(_number(result.get(key, 0)) for result in group)

    executions, wasted = total("executions"), total("wasted")
    kills = [(result.get("kills", {}).get("worker", 0), result.get("kills", {}).get("process", 0)) for result in group]
    recovery = [result["recovery_s"] for result in group if result.get("recovery_s") is not None]
    other = sum(total(key) for key in LISTS if key not in ("lost", "hung", "good_failed"))
    columns = ("documents", "lost", "missing_points", "doubled", "hung", "good_failed")
    return [
        name,
        len(group),
        sum(not result["ok"] for result in group),
        *(total(column) for column in columns),
        other,
        total("hands"),
        executions,
        wasted,
        f"{100 * wasted / executions:.2f}" if executions else "-",
        total("repeated_after_death"),
        total("tried_again"),
        _pair([sum(worker for worker, _ in kills), sum(child for _, child in kills)]),
        _pair([min((worker for worker, _ in kills), default=0), min((child for _, child in kills), default=0)]),
        _quantile(recovery, 0.5),
        _quantile(recovery, 0.95),
        f"{statistics.mean(result['seconds'] for result in group):.0f}" if group else "-",
    ]


def _pair(numbers: list[int]) -> str:
    return "+".join(map(str, numbers))


def _number(value: Any) -> int:
    return len(value) if isinstance(value, list) else int(value)


def _quantile(values: Iterable[float], share: float) -> str:
    ordered = sorted(values)
    return f"{ordered[min(int(share * len(ordered)), len(ordered) - 1)]:.1f}" if ordered else "-"
