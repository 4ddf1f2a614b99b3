"""`docrelay failures`: the options."""

from __future__ import annotations

from typing import Annotated

import typer

from pipeline.cli.options import DataDir, Json, Server, settings_of
from pipeline.cli.usage import Commands

__all__ = ["failures_app"]

failures_app = Commands(help="Documents that failed: list them, try them again, forget them.", no_args_is_help=True)

Code = Annotated[str | None, typer.Option("--code", help="Only this code.", show_default=False)]
Job = Annotated[str | None, typer.Option("--job", help="Only of this job.", show_default=False)]


@failures_app.command("list")
def failures_list(
    context: typer.Context,
    code: Code = None,
    job: Job = None,
    json: Json = False,
    server: Server = None,
    data_dir: DataDir = None,
) -> None:
    """List documents that failed, with the reason and what to do."""
    from pipeline.cli.failures import show

    show(settings_of(context, data_dir, {"server": server or ""}), code, job, json)


@failures_app.command("retry")
def failures_retry(
    context: typer.Context,
    identities: Annotated[
        list[str] | None,
        typer.Argument(metavar="ID", help="Documents, sources or jobs; nothing for all.", show_default=False),
    ] = None,
    code: Code = None,
    job: Job = None,
    no_wait: Annotated[bool, typer.Option("--no-wait", help="Do not wait for the end.")] = False,
    json: Json = False,
    server: Server = None,
    data_dir: DataDir = None,
) -> None:
    """Try failed documents again."""
    from pipeline.cli.failures import Choice, retry

    raise typer.Exit(
        retry(
            settings_of(context, data_dir, {"server": server or ""}),
            Choice(identities or [], code, job),
            not no_wait,
            json,
        )
    )


@failures_app.command("purge")
def failures_purge(
    context: typer.Context,
    code: Code = None,
    job: Job = None,
    json: Json = False,
    server: Server = None,
    data_dir: DataDir = None,
) -> None:
    """Forget failures; the documents stay as they are."""
    from pipeline.cli.failures import purge

    purge(settings_of(context, data_dir, {"server": server or ""}), code, job, json)
