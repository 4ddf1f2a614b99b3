"""Options that many commands have, words that they take, and the settings that they come to."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from pipeline.settings import Settings

__all__ = [
    "Collection",
    "DataDir",
    "Group",
    "Json",
    "Priority",
    "SearchMode",
    "Server",
    "Tags",
    "Version",
    "WorkflowOption",
    "settings_of",
]


def _version(asked: bool) -> None:
    if asked:
        from importlib.metadata import version

        typer.echo(f"docrelay {version('docrelay')}")
        raise typer.Exit


Version = Annotated[bool, typer.Option("--version", callback=_version, is_eager=True, help="Print the version.")]
DataDir = Annotated[
    Path | None,
    typer.Option("--data-dir", help="Folder of everything that embedded mode writes.", show_default=False),
]
Server = Annotated[
    str | None,
    typer.Option("--server", help="Work on this Docrelay: its URL; the key is DOCRELAY_API_KEY.", show_default=False),
]
Json = Annotated[bool, typer.Option("--json", help="Print one JSON document on stdout and nothing else there.")]
Collection = Annotated[
    str | None,
    typer.Option("--collection", "-c", help="Collection; the setting `collection` by default.", show_default=False),
]

Priority = Annotated[
    int | None,
    typer.Option("--priority", "-p", min=1, max=10, help="1 to 10; 10 is the most urgent.", show_default=False),
]
Tags = Annotated[
    list[str] | None,
    typer.Option("--tag", help="Tag of the documents; may be repeated, '' for none.", show_default=False),
]
WorkflowOption = Annotated[
    list[str] | None,
    typer.Option(
        "--option",
        metavar="NAME=VALUE",
        help="Parameter of the workflow: NAME=VALUE, JSON or a text; may be repeated.",
        show_default=False,
    ),
]


class SearchMode(StrEnum):
    """How to search."""

    dense = "dense"
    sparse = "sparse"
    hybrid = "hybrid"


class Group(StrEnum):
    """Worker groups."""

    extract = "extract"
    embed = "embed"
    store = "store"


def settings_of(
    context: typer.Context, data_dir: Path | None, given: dict[str, str | int | None] | None = None
) -> Settings:
    """The settings, with what the command line says, and its log.

    Raises:
        BadRequest: a setting is wrong, or a server is named for a command that does not work on one.
    """
    from pipeline.errors import BadRequest
    from pipeline.settings import load_settings
    from pipeline.stack.logs import log_to_file

    given = given or {}
    settings = load_settings(
        {"data_dir": data_dir or context.obj["data_dir"], **{name: one for name, one in given.items() if one != ""}}
    )
    if settings.server is not None and "server" not in given:
        raise BadRequest("This command works on the machine itself, not on a server.", "Unset DOCRELAY_SERVER.")
    # Without it, structlog would print on stdout.
    log_to_file(settings, "cli")
    return settings
