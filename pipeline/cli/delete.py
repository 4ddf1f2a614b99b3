"""`docrelay delete`: delete documents from the index and verify that their points are gone."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from pipeline.cli.connect import connected_services
from pipeline.cli.options import Collection, DataDir, Json, Server, settings_of
from pipeline.cli.output import out, print_json, quantity

if TYPE_CHECKING:
    from pipeline.results import Deleted
    from pipeline.settings import Settings

__all__ = ["delete"]


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
    settings = settings_of(context, data_dir, server)
    if settings.server is not None:
        from pipeline.cli.remote import delete_on_server

        deleted = delete_on_server(settings, collection, sources)
    else:
        deleted = _delete_here(settings, collection or settings.collection, sources, quiet=json)
    if json:
        print_json(deleted.model_dump())
    else:
        deleted_counts = f"{quantity(deleted.documents, 'document')} and {quantity(deleted.points, 'point')}"
        out.print(f"Deleted: {deleted_counts}. The files are untouched.")


def _delete_here(settings: Settings, collection: str, sources: list[str], *, quiet: bool) -> Deleted:
    """Delete documents of this machine; a name that is not known is refused before a stack is started."""
    from pipeline.ingest.delete import choose
    from pipeline.ingest.delete import delete as delete_documents
    from pipeline.services import Services

    choose(Services(settings), collection, sources)
    with connected_services(settings, quiet=quiet) as services:
        return delete_documents(services, collection, sources)
