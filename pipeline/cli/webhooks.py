"""`docrelay webhooks`."""

from __future__ import annotations

from rich.text import Text

from pipeline.catalog.database.connection import writing
from pipeline.catalog.work import outbox
from pipeline.cli.output import out, plain, print_json
from pipeline.results import iso
from pipeline.services import Services
from pipeline.settings import Settings

__all__ = ["replay", "show"]


def show(settings: Settings, as_json: bool) -> None:
    """List deliveries."""
    with Services(settings).catalog.connect() as connection:
        rows = outbox.every(connection)
    found = [{**row, "created_at": iso(row["created_at"]), "ended_at": iso(row["ended_at"])} for row in rows]
    if as_json:
        print_json({"deliveries": found})
        return
    for row in found:
        trouble = f"  {row['error']}" if row["error"] else ""
        out.print(Text(plain(f"{row['id']}  {row['state']}  {row['tries']} tries  {row['url']}{trouble}")))
    if not found:
        out.print("Nothing was to be told to webhooks yet.")


def replay(settings: Settings, identities: list[str], as_json: bool) -> None:
    """Have deliveries sent again by the API that runs, or the next one."""
    with writing(Services(settings).catalog) as connection:
        number = outbox.replay(connection, identities)
    if as_json:
        print_json({"replayed": number})
    else:
        out.print(f"{number} deliveries are sent again.")
