"""`docrelay webhooks`: list deliveries to webhooks and by rules of notifications, and send them again."""

from __future__ import annotations

from typing import Annotated

import typer
from rich.text import Text

from pipeline.cli.options import DataDir, Json, local_settings_of
from pipeline.cli.output import out, plain, print_json
from pipeline.cli.usage import Commands

__all__ = ["webhooks_app"]

webhooks_app = Commands(help="Deliveries to webhooks and by rules: list them, send them again.", no_args_is_help=True)


@webhooks_app.command("list")
def webhooks_list(context: typer.Context, json: Json = False, data_dir: DataDir = None) -> None:
    """List deliveries, newest first."""
    from pipeline.catalog.work import outbox
    from pipeline.results import iso
    from pipeline.services import Services
    from pipeline.settings.masking import masked_address

    with Services(local_settings_of(context, data_dir)).catalog.connect() as connection:
        rows = outbox.list_deliveries(connection)
    deliveries = [
        {
            **row,
            "job_id": row["job_id"] or None,
            "url": masked_address(row["url"]),
            "created_at": iso(row["created_at"]),
            "ended_at": iso(row["ended_at"]),
        }
        for row in rows
    ]
    if json:
        print_json({"deliveries": deliveries})
        return
    for delivery in deliveries:
        error = f"  {delivery['error']}" if delivery["error"] else ""
        rule = f"  {delivery['rule']}:" if delivery["rule"] else ""
        line = f"{delivery['id']}  {delivery['state']}  {delivery['tries']} tries{rule}  {delivery['url']}{error}"
        out.print(Text(plain(line)))
    if not deliveries:
        out.print("No deliveries yet.")


@webhooks_app.command("replay")
def webhooks_replay(
    context: typer.Context,
    ids: Annotated[
        list[str] | None,
        typer.Argument(metavar="ID", help="Deliveries or jobs; nothing for all that failed.", show_default=False),
    ] = None,
    json: Json = False,
    data_dir: DataDir = None,
) -> None:
    """Send deliveries again."""
    from pipeline.catalog.database.connection import writing
    from pipeline.catalog.work import outbox
    from pipeline.services import Services

    # The API that runs sends them, or the next one.
    with writing(Services(local_settings_of(context, data_dir)).catalog) as connection:
        number = outbox.replay(connection, ids or [])
    if json:
        print_json({"replayed": number})
    else:
        out.print(f"{number} deliveries are sent again.")
