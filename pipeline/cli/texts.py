"""`docrelay texts`: import, show and delete text records, which have an id and no file."""

from __future__ import annotations

import json as json_format
from typing import TYPE_CHECKING, Annotated

import typer
from rich.text import Text

from pipeline.cli.connect import connected_services
from pipeline.cli.options import Collection, DataDir, Json, Priority, Server, Workflow, settings_of
from pipeline.cli.output import command, out, plain, print_json, quantity, show
from pipeline.cli.usage import Commands

if TYPE_CHECKING:
    from pipeline.results import Deleted, TextDetail
    from pipeline.settings import Settings

__all__ = ["texts_app"]

texts_app = Commands(help="Text records: texts with an id of yours and no file.", no_args_is_help=True)


@texts_app.command("import")
def texts_import(
    context: typer.Context,
    file: Annotated[
        str, typer.Argument(metavar="FILE", help="One JSON object a line; - is stdin.", show_default=False)
    ],
    collection: Collection = None,
    workflow: Workflow = None,
    priority: Priority = None,
    no_wait: Annotated[bool, typer.Option("--no-wait", help="Return when all records are taken in.")] = False,
    json: Json = False,
    server: Server = None,
    data_dir: DataDir = None,
) -> None:
    """Take text records in, new or changed, and make them searchable."""
    from pipeline.cli.texts_import import import_here, import_on_server
    from pipeline.ingest.request import Request

    settings = settings_of(context, data_dir, server)
    run = import_here if settings.server is None else import_on_server
    raise typer.Exit(run(settings, Request((), collection, workflow, priority), file, not no_wait, json))


@texts_app.command("show")
def texts_show(
    context: typer.Context,
    text_id: Annotated[str, typer.Argument(metavar="ID", help="Id of the record.", show_default=False)],
    collection: Collection = None,
    json: Json = False,
    server: Server = None,
    data_dir: DataDir = None,
) -> None:
    """Show a text record as readers see it now."""
    settings = settings_of(context, data_dir, server)
    record = _find(settings, text_id, collection)
    show(record, _print, as_json=json)


@texts_app.command("delete")
def texts_delete(
    context: typer.Context,
    text_ids: Annotated[list[str], typer.Argument(metavar="ID", help="Ids of the records.", show_default=False)],
    collection: Collection = None,
    json: Json = False,
    server: Server = None,
    data_dir: DataDir = None,
) -> None:
    """Delete text records, and verify that their points are gone."""
    settings = settings_of(context, data_dir, server)
    deleted = _delete(settings, text_ids, collection, quiet=json)
    if json:
        print_json(deleted.model_dump())
    else:
        out.print(f"Deleted: {quantity(deleted.documents, 'record')} and {quantity(deleted.points, 'point')}.")


def _find(settings: Settings, text_id: str, collection: str | None) -> TextDetail:
    """Find a record on the server, or in the catalog of this machine; no stack is needed."""
    if settings.server is not None:
        from pipeline.cli.remote import client_of

        return client_of(settings).text(text_id, collection)
    from pipeline.ingest.text_lookup import find_text
    from pipeline.services import Services

    return find_text(Services(settings), collection or settings.collection, text_id)


def _delete(settings: Settings, text_ids: list[str], collection: str | None, *, quiet: bool) -> Deleted:
    """Delete records; an id that is not known is refused before a stack is started."""
    if settings.server is not None:
        from pipeline.cli.remote import client_of

        return client_of(settings).delete_texts(*text_ids, collection=collection)
    from pipeline.ingest.text_lookup import delete_texts, require_texts
    from pipeline.services import Services

    name = collection or settings.collection
    require_texts(Services(settings), name, text_ids)
    with connected_services(settings, quiet=quiet) as services:
        return delete_texts(services, name, text_ids)


def _print(record: TextDetail) -> None:
    state = record.state if record.code is None else f"{record.state} ({record.code})"
    out.print(Text.assemble((plain(record.id), "bold"), f" in {record.collection}: {state}"))
    if record.tags:
        out.print(f"Tags: {', '.join(record.tags)}")
    if record.metadata:
        out.print(f"Metadata: {plain(json_format.dumps(record.metadata, ensure_ascii=False))}")
    if record.text is not None:
        out.print(plain(record.text))
    elif not record.searchable:
        out.print(f"It is not searchable yet: {command(f'status {record.document_id}')}")
    else:
        out.print("Its text is not kept: keep_texts and keep_originals are off.")
