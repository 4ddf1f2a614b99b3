"""`docrelay summary`: how many documents there are, what is being done, and what the last days have brought."""

from __future__ import annotations

from typing import TYPE_CHECKING

import typer
from rich.table import Table

from pipeline.cli.connect import manager_of
from pipeline.cli.options import DataDir, Json, Server, settings_of
from pipeline.cli.output import out, print_table, show

if TYPE_CHECKING:
    from collections.abc import Mapping

    from pipeline.results import Summary

__all__ = ["summary"]


def summary(context: typer.Context, json: Json = False, server: Server = None, data_dir: DataDir = None) -> None:
    """Show documents by state, tasks by stage, and what has ended in the last hour, day and week."""
    found = manager_of(settings_of(context, data_dir, server)).summary()
    show(found, _print, as_json=json)


def _print(found: Summary) -> None:
    out.print(f"Documents: {_listed(found.documents) or 'none'}")
    for stage, states in sorted(found.tasks.items()):
        out.print(f"Tasks of {stage}: {_listed(states)}")
    table = Table("last", "completed", "chunks", "failed", box=None, pad_edge=False)
    for name, period in found.periods.items():
        table.add_row(name, str(period.completed), str(period.chunks), _listed(period.failed) or "0")
    print_table(table)


def _listed(numbers: Mapping[str, int]) -> str:
    """Numbers with what they count: 3 completed, 1 failed."""
    return ", ".join(f"{number} {name}" for name, number in sorted(numbers.items()))
