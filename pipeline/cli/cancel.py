"""`docrelay cancel`: cancel a job, or what is being done to a document."""

from __future__ import annotations

from typing import Annotated

import typer

from pipeline.cli.connect import manager_of, services_of_running_stack
from pipeline.cli.options import DataDir, Json, Server, settings_of
from pipeline.cli.output import out, print_json, quantity

__all__ = ["cancel"]


def cancel(
    context: typer.Context,
    any_id: Annotated[str, typer.Argument(metavar="ID", help="A job or a document.", show_default=False)],
    json: Json = False,
    server: Server = None,
    data_dir: DataDir = None,
) -> None:
    """Cancel a job, or what is being done to a document."""
    settings = settings_of(context, data_dir, server)
    if settings.server is not None:
        number = manager_of(settings).cancel(any_id)
    else:
        from pipeline.task_manager import TaskManager

        # The workers of a running stack are stopped at once; without a stack the catalog alone is enough.
        with services_of_running_stack(settings) as services:
            number = TaskManager(services).cancel(any_id)
    if json:
        print_json({"id": any_id, "cancelled": number})
    else:
        message = f"Cancelled: {quantity(number, 'document')}." if number else "Nothing of it was running any more."
        out.print(f"{message} What was searchable before still is.")
