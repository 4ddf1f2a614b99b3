"""`docrelay reindex`: make the vectors, chunks or texts of a collection anew, and control a re-index that runs."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import TYPE_CHECKING, Annotated

import typer

from pipeline.cli.options import Collection, DataDir, Json, Server, settings_of
from pipeline.cli.usage import Commands, refuse_misplaced_options
from pipeline.errors import BadRequest

if TYPE_CHECKING:
    from pipeline.settings import Settings

__all__ = ["reindex_app"]

HELP = "Make the vectors, chunks or texts of a collection anew, while it goes on answering."
reindex_app = Commands(help=HELP, invoke_without_command=True)

PerMinute = Annotated[
    int | None, typer.Option("--per-minute", min=1, help="Documents a minute at most.", show_default=False)
]
AllowFailed = Annotated[bool, typer.Option("--allow-failed", help="Switch even if documents failed in the new index.")]
NoWait = Annotated[bool, typer.Option("--no-wait", help="Return when it has begun.")]


@reindex_app.callback(invoke_without_command=True)
def reindex(
    context: typer.Context,
    collection: Collection = None,
    model: Annotated[
        str | None, typer.Option("--model", help="Embedding model of the new index.", show_default=False)
    ] = None,
    chunk_tokens: Annotated[
        int | None,
        typer.Option("--chunk-tokens", min=16, max=8192, help="Tokens of a chunk at most.", show_default=False),
    ] = None,
    dim: Annotated[
        int | None,
        typer.Option("--dim", min=1, help="Dimension of an endpoint's model.", show_default=False),
    ] = None,
    re_extract: Annotated[
        bool, typer.Option("--re-extract", help="Read the files again, instead of taking the kept texts.")
    ] = False,
    plan: Annotated[bool, typer.Option("--plan", help="Only say what would be done.")] = False,
    path: Annotated[
        str | None, typer.Option("--path", help="Only this file, or those below this folder.", show_default=False)
    ] = None,
    media_type: Annotated[
        str | None, typer.Option("--type", help="Only this type, e.g. pdf or application/pdf.", show_default=False)
    ] = None,
    before: Annotated[
        datetime | None,
        typer.Option("--before", help="Only documents last written before (ISO 8601).", show_default=False),
    ] = None,
    extractor: Annotated[
        str | None,
        typer.Option("--extractor", help="Only what this version of the extractors read.", show_default=False),
    ] = None,
    code: Annotated[
        str | None, typer.Option("--code", help="Only documents that failed with this code.", show_default=False)
    ] = None,
    outdated: Annotated[
        bool, typer.Option("--outdated", help="Only what an earlier version of Docrelay read; reads the files again.")
    ] = False,
    priority: Annotated[
        int, typer.Option("--priority", "-p", min=1, max=10, help="1 to 10; 1 lets everything else go first.")
    ] = 1,
    per_minute: PerMinute = None,
    allow_failed: AllowFailed = False,
    no_wait: NoWait = False,
    json: Json = False,
    server: Server = None,
    data_dir: DataDir = None,
) -> None:
    """Make the vectors, chunks or texts of a collection anew, while it goes on answering."""
    if context.invoked_subcommand is not None:
        refuse_misplaced_options(context)
        return
    from pipeline.cli.reindex_output import follow, print_plan
    from pipeline.cli.reindex_target import connected_target, offline_target, source_pattern
    from pipeline.reindex.request import reindex_request_of

    settings = settings_of(context, data_dir, server)
    request = reindex_request_of(
        collection=collection,
        model=model,
        dim=dim,
        chunk_tokens=chunk_tokens,
        re_extract=re_extract,
        path=None if path is None else source_pattern(settings, path),
        media_type=media_type,
        before=before,
        extractor=extractor,
        code=code,
        outdated=outdated,
        priority=priority,
        per_minute=per_minute,
        allow_failed=allow_failed,
    )
    planned = offline_target(settings).plan(request)  # refuses what cannot be done, without a stack
    if plan:
        print_plan(planned, as_json=json)
        return
    with connected_target(settings, quiet=json) as target:
        exit_code = follow(target, target.start(request), wait=not no_wait, as_json=json)
    raise typer.Exit(exit_code)


def _add_action(action: str, help_text: str) -> None:
    """Add a command that does one thing to the last re-index of a collection; the catalog alone is enough for it."""

    @reindex_app.command(action, help=help_text)
    def run(
        context: typer.Context,
        collection: Collection = None,
        json: Json = False,
        server: Server = None,
        data_dir: DataDir = None,
    ) -> None:
        from pipeline.cli.reindex_output import print_status
        from pipeline.cli.reindex_target import running_target

        settings = settings_of(context, data_dir, server)
        name = _collection_of(settings, collection)
        with running_target(settings) as target:
            print_status(target.send(action, name), as_json=json)


_add_action("status", "Show how the last re-index of a collection stands.")
_add_action("pause", "Begin no more documents; those under way come to their end.")


@reindex_app.command("resume")
def reindex_resume(
    context: typer.Context,
    collection: Collection = None,
    per_minute: PerMinute = None,
    allow_failed: AllowFailed = False,
    no_wait: NoWait = False,
    json: Json = False,
    server: Server = None,
    data_dir: DataDir = None,
) -> None:
    """Go on after a pause or a refusal of the gate; what failed is tried again."""
    settings = settings_of(context, data_dir, server)
    options = {"allow_failed": allow_failed or None, "per_minute": per_minute}
    raise typer.Exit(_continue(settings, "resume", collection, options, wait=not no_wait, as_json=json))


_add_action("cancel", "Give up before the switch; readers keep what they have.")


@reindex_app.command("rollback")
def reindex_rollback(
    context: typer.Context,
    collection: Collection = None,
    allow_failed: Annotated[
        bool, typer.Option("--allow-failed", help="Go back even if documents failed in the old index.")
    ] = False,
    no_wait: NoWait = False,
    json: Json = False,
    server: Server = None,
    data_dir: DataDir = None,
) -> None:
    """Go back to the old index, as long as it is kept."""
    settings = settings_of(context, data_dir, server)
    options = {"allow_failed": allow_failed}
    raise typer.Exit(_continue(settings, "rollback", collection, options, wait=not no_wait, as_json=json))


def _continue(
    settings: Settings,
    action: str,
    collection: str | None,
    options: Mapping[str, bool | int | None],
    *,
    wait: bool,
    as_json: bool,
) -> int:
    """Resume or roll back a re-index, on a stack that is started if none runs, and follow it if `wait`.

    Returns:
        The exit code.
    """
    from pipeline.cli.reindex_output import follow
    from pipeline.cli.reindex_target import connected_target, offline_target

    name = _collection_of(settings, collection)
    offline_target(settings).send("status", name)  # refuses a collection without a re-index, without a stack
    with connected_target(settings, quiet=as_json) as target:
        return follow(target, target.send(action, name, **options), wait=wait, as_json=as_json)


def _collection_of(settings: Settings, collection: str | None) -> str:
    """The named collection, else that of the settings; for a server it must be named: it has other settings."""
    if settings.server is not None and collection is None:
        raise BadRequest("Which collection is meant?", "The server has a default of its own; say --collection.")
    return collection or settings.collection
