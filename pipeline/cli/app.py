"""The commands and their options. What they do is in the files beside this one."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from pipeline.cli.api_commands import keys_app, webhooks_app
from pipeline.cli.failures_commands import failures_app
from pipeline.cli.options import (
    Collection,
    DataDir,
    Group,
    Json,
    Priority,
    SearchMode,
    Server,
    Tags,
    Version,
    WorkflowOption,
    settings_of,
)
from pipeline.cli.reindex import reindex_app
from pipeline.cli.usage import Commands

app = Commands(
    help="Turn files into searchable vectors with exact citations, and keep them true.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    add_completion=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)
app.add_typer(failures_app, name="failures")
workflows_app = Commands()
app.add_typer(workflows_app, name="workflows")
app.add_typer(keys_app, name="keys")
app.add_typer(webhooks_app, name="webhooks")
app.add_typer(reindex_app, name="reindex")


@app.callback()
def root(
    context: typer.Context,
    data_dir: DataDir = None,
    _show_version: Version = False,
) -> None:
    """Turn files into searchable vectors with exact citations, and keep them true."""
    context.obj = {"data_dir": data_dir}


@app.command()
def ingest(
    context: typer.Context,
    paths: Annotated[list[Path], typer.Argument(metavar="PATH", help="Files and folders.", show_default=False)],
    collection: Collection = None,
    workflow: Annotated[str | None, typer.Option("--workflow", "-w", help="Workflow.", show_default=False)] = None,
    option: WorkflowOption = None,
    priority: Priority = None,
    tag: Tags = None,
    no_wait: Annotated[bool, typer.Option("--no-wait", help="Return when all files are taken in.")] = False,
    json: Json = False,
    server: Server = None,
    data_dir: DataDir = None,
) -> None:
    """Take files in and make them searchable."""
    from pipeline.ingest.request import Request, options_of

    settings = settings_of(context, data_dir, {"server": server or ""})
    if settings.server is not None:
        from pipeline.cli.remote import ingest as run
    else:
        from pipeline.cli.ingest import run
    tags, options = [one for one in tag if one] if tag else None, options_of(option) if option else None
    request = Request(paths, collection, workflow, priority, tags=tags, options=options)
    raise typer.Exit(run(settings, request, not no_wait, json))


@app.command()
def search(
    context: typer.Context,
    query: Annotated[str, typer.Argument(metavar="QUERY", help="What to look for.", show_default=False)],
    collection: Collection = None,
    limit: Annotated[int, typer.Option("--limit", "-n", min=1, max=1000, help="Hits at most.")] = 5,
    mode: Annotated[
        SearchMode, typer.Option("--mode", "-m", help="By meaning, by words, or both.")
    ] = SearchMode.hybrid,
    source: Annotated[
        list[str] | None,
        typer.Option(
            "--source", help="Only sources like this glob, e.g. '*.pdf'; may be repeated.", show_default=False
        ),
    ] = None,
    media_type: Annotated[
        list[str] | None,
        typer.Option(
            "--type", help="Only this type: pdf, application/pdf, markdown; may be repeated.", show_default=False
        ),
    ] = None,
    tag: Annotated[
        list[str] | None,
        typer.Option("--tag", help="Only documents with this tag; may be repeated: any of them.", show_default=False),
    ] = None,
    page: Annotated[int | None, typer.Option("--page", min=1, help="Only this page.", show_default=False)] = None,
    after: Annotated[str | None, typer.Option("--after", help="Modified after (ISO 8601).", show_default=False)] = None,
    before: Annotated[
        str | None,
        typer.Option("--before", help="Modified before (ISO 8601).", show_default=False),
    ] = None,
    json: Json = False,
    server: Server = None,
    data_dir: DataDir = None,
) -> None:
    """Search, with page and passage of every hit."""
    from pipeline.cli.search import run, where

    condition = where(source or [], media_type or [], tag or [], page, after, before)
    run(
        settings_of(context, data_dir, {"server": server or ""}),
        query,
        collection,
        limit,
        mode.value,
        condition,
        as_json=json,
    )


@app.command()
def status(
    context: typer.Context,
    identity: Annotated[
        str | None,
        typer.Argument(metavar="ID", help="A job, a document or a task; nothing for everything.", show_default=False),
    ] = None,
    follow: Annotated[bool, typer.Option("--follow", "-f", help="Go on until the job ends; resumes it too.")] = False,
    json: Json = False,
    server: Server = None,
    data_dir: DataDir = None,
) -> None:
    """Show a job, a document, a task, or everything."""
    from pipeline.cli.status import run

    raise typer.Exit(run(settings_of(context, data_dir, {"server": server or ""}), identity, follow, json))


@app.command()
def cancel(
    context: typer.Context,
    identity: Annotated[str, typer.Argument(metavar="ID", help="A job or a document.", show_default=False)],
    json: Json = False,
    server: Server = None,
    data_dir: DataDir = None,
) -> None:
    """Cancel a job, or what is being done to a document."""
    from pipeline.cli.delete import cancel as run

    run(settings_of(context, data_dir, {"server": server or ""}), identity, json)


@app.command()
def delete(
    context: typer.Context,
    sources: Annotated[
        list[str], typer.Argument(metavar="SOURCE", help="Files, folders or document ids.", show_default=False)
    ],
    collection: Collection = None,
    json: Json = False,
    server: Server = None,
    data_dir: DataDir = None,
) -> None:
    """Delete documents from the index; the files stay."""
    from pipeline.cli.delete import delete as run

    run(settings_of(context, data_dir, {"server": server or ""}), collection, sources, json)


@app.command()
def watch(
    context: typer.Context,
    folder: Annotated[Path, typer.Argument(metavar="DIR", help="The folder.", show_default=False)],
    collection: Collection = None,
    delete_missing: Annotated[
        bool | None,
        typer.Option(
            "--delete-missing/--keep-missing", help="Whether documents of removed files go.", show_default=False
        ),
    ] = None,
    once: Annotated[bool, typer.Option("--once", help="Bring it up to date and end.")] = False,
    confirm: Annotated[
        bool, typer.Option("--confirm-deletions", help="Let deletions be done that are held back there.")
    ] = False,
    data_dir: DataDir = None,
) -> None:
    """Keep documents in step with a folder until Ctrl-C."""
    from pipeline.cli.watch import Asked, run

    asked = Asked(folder, collection, delete_missing, once, confirm)
    raise typer.Exit(run(settings_of(context, data_dir), asked))


@app.command()
def up(context: typer.Context, data_dir: DataDir = None) -> None:
    """Run the whole stack on this machine until Ctrl-C."""
    from pipeline.cli.worker import up as run

    run(settings_of(context, data_dir))


@app.command()
def worker(
    context: typer.Context,
    group: Annotated[Group, typer.Argument(metavar="GROUP", help="What it works on.", show_default=False)],
    queues: Annotated[str, typer.Option("--queues", "-Q", help="Only these of the group's queues: a,b.")] = "",
    name: Annotated[str | None, typer.Option("--name", help="Its name in logs.", show_default=False)] = None,
    data_dir: DataDir = None,
) -> None:
    """Run one worker, for a distributed set-up."""
    from pipeline.cli.worker import worker as run

    raise typer.Exit(run(settings_of(context, data_dir), group.value, queues, name))


@app.command()
def beat(
    context: typer.Context,
    name: Annotated[str, typer.Option("--name", help="Its name in logs.")] = "beat",
    data_dir: DataDir = None,
) -> None:
    """Run the clock, for a distributed set-up: one is enough."""
    from pipeline.cli.worker import beat as run

    run(settings_of(context, data_dir), name)


@app.command()
def api(
    context: typer.Context,
    host: Annotated[str | None, typer.Option("--host", help="Address to listen on.", show_default=False)] = None,
    port: Annotated[
        int | None, typer.Option("--port", min=0, max=65535, help="Port; 0 for any free one.", show_default=False)
    ] = None,
    data_dir: DataDir = None,
) -> None:
    """Serve the API; `docrelay up` does so too."""
    from pipeline.cli.api import run

    run(settings_of(context, data_dir, {"api_host": host, "api_port": port}))


@workflows_app.callback(invoke_without_command=True)
def workflows(context: typer.Context, json: Json = False) -> None:
    """Workflows: list them and the stages that they bring, or draw one."""
    if context.invoked_subcommand is None:
        from pipeline.cli.workflows import show

        show(json)


@workflows_app.command("show")
def workflows_show(
    context: typer.Context,
    name: Annotated[str, typer.Argument(metavar="NAME", help="The workflow.", show_default=False)],
    json: Json = False,
    data_dir: DataDir = None,
) -> None:
    """Draw a workflow as a Mermaid diagram."""
    from pipeline.cli.workflows import draw

    draw(settings_of(context, data_dir), name, json)


@app.command("try")
def try_out(
    context: typer.Context,
    file: Annotated[Path, typer.Argument(metavar="FILE", help="A single file.", show_default=False)],
    workflow: Annotated[str | None, typer.Option("--workflow", "-w", help="Workflow.", show_default=False)] = None,
    json: Json = False,
    data_dir: DataDir = None,
) -> None:
    """Show what each stage of a workflow makes of a file; nothing is stored."""
    from pipeline.cli.workflows import try_out as run

    raise typer.Exit(run(settings_of(context, data_dir), file, workflow, json))


@app.command()
def config(context: typer.Context, json: Json = False, data_dir: DataDir = None) -> None:
    """Show every setting, its value, and where it came from."""
    from pipeline.cli.config import run

    run({"data_dir": data_dir or context.obj["data_dir"]}, json)
