"""`docrelay cancel`: cancel a job, or what is being done to a document."""

from __future__ import annotations

from typing import Annotated

import typer

from pipeline.cli.connect import manager_of_running_stack
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
    # The workers of a running stack are stopped at once; without a stack the catalog alone is enough.
    with manager_of_running_stack(settings) as manager:
        number = manager.cancel(any_id)
    if json:
        print_json({"id": any_id, "cancelled": number})
    else:
        message = f"Cancelled: {quantity(number, 'document')}." if number else "Nothing of it was running any more."
        out.print(f"{message} What was searchable before still is.")
