"""`docrelay keys`: make, list and revoke keys of the API."""

from __future__ import annotations

from enum import StrEnum
from typing import TYPE_CHECKING, Annotated

import typer
from rich.table import Table
from rich.text import Text

from pipeline.cli.options import DataDir, Json, local_settings_of
from pipeline.cli.output import out, plain, print_json, print_table
from pipeline.cli.usage import Commands

if TYPE_CHECKING:
    from pipeline.catalog.api.keys import Key
    from pipeline.catalog.work.outbox import Hook
    from pipeline.settings import Settings

__all__ = ["keys_app"]

keys_app = Commands(help="Keys of the API: who may use it, and for what.", no_args_is_help=True)


class KeyScope(StrEnum):
    """What an API key is for."""

    read = "read"
    submit = "submit"
    admin = "admin"


@keys_app.command("create")
def keys_create(
    context: typer.Context,
    name: Annotated[str, typer.Argument(metavar="NAME", help="Whose key it is, for the list.", show_default=False)],
    scope: Annotated[
        list[KeyScope] | None,
        typer.Option(
            "--scope", help="What it is for; may be repeated; read and submit by default.", show_default=False
        ),
    ] = None,
    rate: Annotated[int, typer.Option("--rate", min=0, help="Requests a minute; 0 for no limit.")] = 0,
    webhook: Annotated[
        str | None,
        typer.Option("--webhook", help="URL that is called when a job of the key ends.", show_default=False),
    ] = None,
    json: Json = False,
    data_dir: DataDir = None,
) -> None:
    """Make a key. It is shown this once."""
    from pipeline.catalog.api import keys
    from pipeline.catalog.database.connection import writing
    from pipeline.catalog.work import outbox
    from pipeline.services import Services

    settings = local_settings_of(context, data_dir)
    scopes = [item.value for item in scope or (KeyScope.read, KeyScope.submit)]
    hook = _hook(settings, webhook) if webhook is not None else None
    with writing(Services(settings).catalog) as connection:
        key, secret = keys.create(connection, plain(name), scopes, rate)
        if hook is not None:
            outbox.attach_to_key(connection, key.id, hook)
    if json:
        secrets = {"key": secret, "webhook_secret": hook.secret if hook is not None else None}
        print_json({**_fields(key), **secrets})
    else:
        _print_new(key, secret, hook)


@keys_app.command("list")
def keys_list(context: typer.Context, json: Json = False, data_dir: DataDir = None) -> None:
    """List keys; the keys themselves are not kept."""
    from pipeline.catalog.api import keys
    from pipeline.services import Services

    with Services(local_settings_of(context, data_dir)).catalog.connect() as connection:
        rows = keys.list_keys(connection)
    if json:
        print_json({"keys": [_fields(key) for key in rows]})
    elif rows:
        _print_list(rows)
    else:
        out.print("There are no keys. Make one with: docrelay keys create NAME")


@keys_app.command("revoke")
def keys_revoke(
    context: typer.Context,
    key_id: Annotated[str, typer.Argument(metavar="ID", help="The key's id in the list.", show_default=False)],
    json: Json = False,
    data_dir: DataDir = None,
) -> None:
    """End a key at once."""
    from pipeline.catalog.api import keys
    from pipeline.catalog.database.connection import writing
    from pipeline.services import Services

    with writing(Services(local_settings_of(context, data_dir)).catalog) as connection:
        keys.revoke(connection, key_id)
    if json:
        print_json({"revoked": key_id})
    else:
        out.print(f"The key {key_id} is not valid any more.")


def _hook(settings: Settings, url: str) -> Hook:
    """The webhook of a new key, with a new secret that signs its messages."""
    from secrets import token_urlsafe

    from pipeline.catalog.work.outbox import Hook
    from pipeline.notify.registry import check_address

    check_address(url, settings)
    return Hook(url, token_urlsafe(32))


def _print_new(key: Key, secret: str, hook: Hook | None) -> None:
    out.print(f"Key {key.id} for {key.name}, which may {', '.join(key.scopes)}. It is not shown again:")
    out.print(secret)
    if hook is not None:
        out.print("What is sent to its webhook is signed with this secret, which is not shown again either:")
        out.print(hook.secret)


def _print_list(rows: list[Key]) -> None:
    from pipeline.results import iso

    table = Table.grid(padding=(0, 2))
    for key in rows:
        state = f"revoked {iso(key.revoked_at)}" if key.revoked_at else f"last used {iso(key.used_at) or 'never'}"
        rate = f"{key.rate} a minute" if key.rate else "no limit"
        table.add_row(key.id, Text(plain(key.name)), ", ".join(key.scopes), rate, state)
    print_table(table)


def _fields(key: Key) -> dict[str, object]:
    from pipeline.results import iso

    times = {name: iso(getattr(key, name)) for name in ("created_at", "used_at", "revoked_at")}
    return {"id": key.id, "name": key.name, "scopes": list(key.scopes), "rate": key.rate, **times}
