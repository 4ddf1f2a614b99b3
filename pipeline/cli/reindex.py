"""`docrelay reindex` and what can be said to one that is under way: the options."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated

import typer

from pipeline.cli.options import Collection, DataDir, Json, Server, settings_of
from pipeline.cli.usage import Commands
from pipeline.errors import BadRequest

__all__ = ["reindex_app"]

HELP = "Make the vectors, chunks or texts of a collection anew, while it goes on answering."
reindex_app = Commands(help=HELP, invoke_without_command=True)


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
    priority: Annotated[
        int, typer.Option("--priority", "-p", min=1, max=10, help="1 to 10; 1 lets everything else go first.")
    ] = 1,
    per_minute: Annotated[
        int | None, typer.Option("--per-minute", min=1, help="Documents a minute at most.", show_default=False)
    ] = None,
    allow_failed: Annotated[
        bool, typer.Option("--allow-failed", help="Switch even if documents failed in the new index.")
    ] = False,
    no_wait: Annotated[bool, typer.Option("--no-wait", help="Return when it has begun.")] = False,
    json: Json = False,
    server: Server = None,
    data_dir: DataDir = None,
) -> None:
    """Make the vectors, chunks or texts of a collection anew, while it goes on answering."""
    if context.invoked_subcommand is not None:
        misplaced = [name for name in context.params if _was_typed(context, name)]
        if misplaced:
            option = "--" + misplaced[0].replace("_", "-")
            word = context.invoked_subcommand
            raise BadRequest(f"{option} stands before {word}.", f"Say: docrelay reindex {word} {option} …")
        return
    from pipeline.cli.reindex_output import named, run, show_plan
    from pipeline.reindex.request import reindex_request_of

    settings = settings_of(context, data_dir, {"server": server or ""})
    wish = reindex_request_of(
        collection=collection,
        model=model,
        dim=dim,
        chunk_tokens=chunk_tokens,
        re_extract=re_extract,
        path=None if path is None else named(settings, path),
        media_type=media_type,
        before=before,
        extractor=extractor,
        code=code,
        priority=priority,
        per_minute=per_minute,
        allow_failed=allow_failed,
    )
    if plan:
        show_plan(settings, wish, json)
    else:
        raise typer.Exit(run(settings, wish, not no_wait, json))


@reindex_app.command("status")
def reindex_status(
    context: typer.Context,
    collection: Collection = None,
    json: Json = False,
    server: Server = None,
    data_dir: DataDir = None,
) -> None:
    """Show how the last re-index of a collection stands."""
    from pipeline.cli.reindex_output import say

    say(settings_of(context, data_dir, {"server": server or ""}), "status", collection, json)


@reindex_app.command("pause")
def reindex_pause(
    context: typer.Context,
    collection: Collection = None,
    json: Json = False,
    server: Server = None,
    data_dir: DataDir = None,
) -> None:
    """Begin no more documents; those under way come to their end."""
    from pipeline.cli.reindex_output import say

    say(settings_of(context, data_dir, {"server": server or ""}), "pause", collection, json)


@reindex_app.command("resume")
def reindex_resume(
    context: typer.Context,
    collection: Collection = None,
    per_minute: Annotated[
        int | None, typer.Option("--per-minute", min=1, help="Documents a minute at most.", show_default=False)
    ] = None,
    allow_failed: Annotated[
        bool, typer.Option("--allow-failed", help="Switch even if documents failed in the new index.")
    ] = False,
    no_wait: Annotated[bool, typer.Option("--no-wait", help="Return when it has begun.")] = False,
    json: Json = False,
    server: Server = None,
    data_dir: DataDir = None,
) -> None:
    """Go on after a pause or a refusal of the gate; what failed is tried again."""
    from pipeline.cli.reindex_output import resume

    settings = settings_of(context, data_dir, {"server": server or ""})
    raise typer.Exit(resume(settings, collection, (allow_failed, per_minute), not no_wait, json))


@reindex_app.command("cancel")
def reindex_cancel(
    context: typer.Context,
    collection: Collection = None,
    json: Json = False,
    server: Server = None,
    data_dir: DataDir = None,
) -> None:
    """Give up before the switch; readers keep what they have."""
    from pipeline.cli.reindex_output import say

    say(settings_of(context, data_dir, {"server": server or ""}), "cancel", collection, json)


@reindex_app.command("rollback")
def reindex_rollback(
    context: typer.Context,
    collection: Collection = None,
    allow_failed: Annotated[
        bool, typer.Option("--allow-failed", help="Go back even if documents failed in the old index.")
    ] = False,
    no_wait: Annotated[bool, typer.Option("--no-wait", help="Return when it has begun.")] = False,
    json: Json = False,
    server: Server = None,
    data_dir: DataDir = None,
) -> None:
    """Go back to the old index, as long as it is kept."""
    from pipeline.cli.reindex_output import rollback

    raise typer.Exit(
        rollback(settings_of(context, data_dir, {"server": server or ""}), collection, allow_failed, not no_wait, json)
    )


def _was_typed(context: typer.Context, name: str) -> bool:
    source = context.get_parameter_source(name)
    return source is not None and source.name == "COMMANDLINE"
