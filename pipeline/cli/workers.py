"""`docrelay workers`: which workers live, and what they do."""

from __future__ import annotations

from typing import TYPE_CHECKING

import typer
from rich.table import Table
from rich.text import Text

from pipeline.cli.connect import manager_of_running_stack
from pipeline.cli.options import DataDir, Json, Server, settings_of
from pipeline.cli.output import command, out, plain, print_json, print_table

if TYPE_CHECKING:
    from pipeline.results import WorkerRecord

__all__ = ["workers"]

COLUMNS = ("worker", "state", "host", "version", "processes", "memory", "queues", "tasks", "last seen")


def workers(context: typer.Context, json: Json = False, server: Server = None, data_dir: DataDir = None) -> None:
    """Show the workers with their processes, memory, queues and tasks."""
    with manager_of_running_stack(settings_of(context, data_dir, server)) as manager:
        listed = manager.list_workers()
    if json:
        print_json(listed.model_dump())
    elif not listed.workers:
        out.print(f"No worker lives. Start a stack with: {command('up')}")
    else:
        table = Table(*COLUMNS, box=None, pad_edge=False)
        for worker in listed.workers:
            table.add_row(*(Text(plain(cell)) for cell in _cells(worker)))
        print_table(table)


def _cells(worker: WorkerRecord) -> tuple[str, ...]:
    memory = "" if worker.memory_bytes is None else f"{worker.memory_bytes / 2**20:.0f} MB"
    tasks = ", ".join(f"{task.stage} ({task.running_s:.0f} s)" for task in worker.tasks)
    return (
        worker.node,
        "alive" if worker.alive else "dead",
        worker.host or "",
        worker.version or "",
        str(len(worker.processes)),
        memory,
        " ".join(worker.queues),
        tasks,
        worker.last_seen or "",
    )
