"""`docrelay keys` and `docrelay webhooks`, for who runs the API: the options."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated

import typer

from pipeline.cli.options import DataDir, Json, settings_of
from pipeline.cli.usage import Commands

__all__ = ["keys_app", "webhooks_app"]

keys_app = Commands(help="Keys of the API: who may use it, and for what.", no_args_is_help=True)
webhooks_app = Commands(help="What was told to webhooks, and what could not be told.", no_args_is_help=True)


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
        typer.Option("--webhook", help="URL to be told of the end of the key's jobs.", show_default=False),
    ] = None,
    json: Json = False,
    data_dir: DataDir = None,
) -> None:
    """Make a key. It is shown this once."""
    from pipeline.cli.keys import create

    scopes = [one.value for one in scope or (KeyScope.read, KeyScope.submit)]
    create(settings_of(context, data_dir), name, (scopes, rate, webhook), json)


@keys_app.command("list")
def keys_list(context: typer.Context, json: Json = False, data_dir: DataDir = None) -> None:
    """List keys; the keys themselves are not kept."""
    from pipeline.cli.keys import show

    show(settings_of(context, data_dir), json)


@keys_app.command("revoke")
def keys_revoke(
    context: typer.Context,
    identity: Annotated[str, typer.Argument(metavar="ID", help="The key's id in the list.", show_default=False)],
    json: Json = False,
    data_dir: DataDir = None,
) -> None:
    """End a key at once."""
    from pipeline.cli.keys import revoke

    revoke(settings_of(context, data_dir), identity, json)


@webhooks_app.command("list")
def webhooks_list(context: typer.Context, json: Json = False, data_dir: DataDir = None) -> None:
    """List deliveries, newest first."""
    from pipeline.cli.webhooks import show

    show(settings_of(context, data_dir), json)


@webhooks_app.command("replay")
def webhooks_replay(
    context: typer.Context,
    identities: Annotated[
        list[str] | None,
        typer.Argument(metavar="ID", help="Deliveries or jobs; nothing for all that failed.", show_default=False),
    ] = None,
    json: Json = False,
    data_dir: DataDir = None,
) -> None:
    """Send deliveries again."""
    from pipeline.cli.webhooks import replay

    replay(settings_of(context, data_dir), identities or [], json)
