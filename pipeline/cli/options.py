"""Options that several commands share, and the settings that a command works with."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from pipeline.settings import Settings

__all__ = [
    "Collection",
    "DataDir",
    "Json",
    "Name",
    "Ocr",
    "Priority",
    "Server",
    "Tags",
    "Version",
    "Workflow",
    "WorkflowOption",
    "local_settings_of",
    "require_redis",
    "settings_of",
]


def _print_version(requested: bool) -> None:
    if requested:
        from importlib.metadata import version

        typer.echo(f"docrelay {version('docrelay')}")
        raise typer.Exit


Version = Annotated[bool, typer.Option("--version", callback=_print_version, is_eager=True, help="Print the version.")]
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
Name = Annotated[str | None, typer.Option("--name", help="Its name in logs.")]
Ocr = Annotated[
    str | None,
    typer.Option(
        "--ocr",
        metavar="auto|force|off",
        help="Pages read by OCR: those whose text does not hold what is drawn, all, or none.",
        show_default=False,
    ),
]
Priority = Annotated[
    int | None,
    typer.Option("--priority", "-p", min=1, max=10, help="1 to 10; 10 is the most urgent.", show_default=False),
]
Tags = Annotated[
    list[str] | None,
    typer.Option("--tag", help="Tag of the documents; may be repeated, '' for none.", show_default=False),
]
Workflow = Annotated[str | None, typer.Option("--workflow", "-w", help="Workflow.", show_default=False)]
WorkflowOption = Annotated[
    list[str] | None,
    typer.Option(
        "--option",
        metavar="NAME=VALUE",
        help="Parameter of the workflow: NAME=VALUE, JSON or a text; may be repeated.",
        show_default=False,
    ),
]


def settings_of(context: typer.Context, data_dir: Path | None, server: str | None) -> Settings:
    """Settings of a command that works on this machine or on a server; starts the command's log.

    Raises:
        BadRequest: a setting is wrong.
    """
    settings = _load(context, data_dir, {"server": server or None})
    _start_log(settings)
    return settings


def local_settings_of(context: typer.Context, data_dir: Path | None, **overrides: str | int | None) -> Settings:
    """Settings of a command that works on this machine only; starts the command's log.

    Args:
        context: holds the `--data-dir` that stands before the command.
        data_dir: the `--data-dir` that stands after the command; it wins.
        overrides: settings that the command's own options set; None leaves a setting as it is.

    Raises:
        BadRequest: a setting is wrong, or a server is named.
    """
    from pipeline.errors import BadRequest

    settings = _load(context, data_dir, overrides)
    if settings.server is not None:
        raise BadRequest("This command works on the machine itself, not on a server.", "Unset DOCRELAY_SERVER.")
    _start_log(settings)
    return settings


def require_redis(settings: Settings) -> None:
    """Check that the settings name a Redis that all processes share.

    Raises:
        StackUnavailable: they name none.
    """
    from pipeline.errors import StackUnavailable

    if settings.redis_url is None:
        raise StackUnavailable(
            "A worker of its own needs a Redis that all share.",
            "Set DOCRELAY_REDIS_URL, or run everything on this machine with: docrelay up",
        )


def _load(context: typer.Context, data_dir: Path | None, overrides: Mapping[str, str | int | None]) -> Settings:
    from pipeline.settings import load_settings

    return load_settings({"data_dir": data_dir or context.obj["data_dir"], **overrides})


def _start_log(settings: Settings) -> None:
    from pipeline.stack.logs import log_to_file

    # Without it, structlog would print on stdout.
    log_to_file(settings, "cli")
