"""`docrelay queues`: what waits in each queue, and how fast it empties."""

from __future__ import annotations

from typing import TYPE_CHECKING

import typer
from rich.table import Table

from pipeline.cli.connect import manager_of_running_stack
from pipeline.cli.options import DataDir, Json, Server, settings_of
from pipeline.cli.output import command, out, print_table, quantity, show

if TYPE_CHECKING:
    from pipeline.results import QueueList, QueueStatus

__all__ = ["queues"]

COLUMNS = ("queue", "waiting", "received", "workers", "oldest", "in/s", "out/s", "empty in", "by priority")


def queues(context: typer.Context, json: Json = False, server: Server = None, data_dir: DataDir = None) -> None:
    """Show what waits in each queue, by priority, and how fast it empties."""
    with manager_of_running_stack(settings_of(context, data_dir, server)) as manager:
        listed = manager.list_queues()
    show(listed, _print, as_json=json)


def _print(listed: QueueList) -> None:
    if listed.queues:
        table = Table(*COLUMNS, box=None, pad_edge=False)
        for queue in listed.queues:
            table.add_row(*_cells(queue))
        print_table(table)
    else:
        out.print(f"No stack is running. Start one with: {command('up')}")
    if listed.waiting_batches:
        out.print(f"Batches that wait to be admitted: {listed.waiting_batches}")
    if listed.dead_letters:
        see = command("failures messages list")
        out.print(f"{quantity(listed.dead_letters, 'message')} that no task could answer (see them with: {see})")


def _cells(queue: QueueStatus) -> tuple[str, ...]:
    priorities = ", ".join(f"{priority}: {number}" for priority, number in queue.priorities.items())
    numbers = (queue.depth, queue.reserved, queue.workers)
    rates = (f"{queue.rate_in:.2f}", f"{queue.rate_out:.2f}")
    return (queue.name, *map(str, numbers), _seconds(queue.oldest_s), *rates, _seconds(queue.drain_s), priorities)


def _seconds(seconds: float | None) -> str:
    return "" if seconds is None else f"{seconds:.0f} s"
