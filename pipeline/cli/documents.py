"""`docrelay documents`: list documents, by collection, state, source, and what is the matter with them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from pipeline.cli.connect import manager_of
from pipeline.cli.list_options import Before, Code, Cursor, OfCollection, Since, Source, full_page, page_end, print_rows
from pipeline.cli.options import DataDir, Json, Server, settings_of
from pipeline.cli.output import out, reread_command, show

if TYPE_CHECKING:
    from pipeline.results import DocumentList, DocumentSummary

__all__ = ["documents"]

State = Annotated[
    str | None, typer.Option("--state", help="Only in this state, e.g. completed or failed.", show_default=False)
]
Outdated = Annotated[bool, typer.Option("--outdated", help="Only those that an earlier version of Docrelay read.")]
Incomplete = Annotated[bool, typer.Option("--incomplete", help="Only those of which a part could not be read.")]
Tag = Annotated[str | None, typer.Option("--tag", help="Only with this tag.", show_default=False)]
Sort = Annotated[
    str, typer.Option("--sort", help="`id`, `source`, `time`, `size` or `state`; `-size`: the largest first.")
]


def documents(
    context: typer.Context,
    collection: OfCollection = None,
    state: State = None,
    outdated: Outdated = False,
    incomplete: Incomplete = False,
    source: Source = None,
    code: Code = None,
    tag: Tag = None,
    since: Since = None,
    before: Before = None,
    sort: Sort = "id",
    limit: Annotated[int, typer.Option("--limit", "-n", min=1, max=1000, help="Documents at most.")] = 100,
    cursor: Cursor = None,
    json: Json = False,
    server: Server = None,
    data_dir: DataDir = None,
) -> None:
    """List documents, page by page."""
    from pipeline.lists.documents import DocumentQuery
    from pipeline.results import DocumentList

    settings = settings_of(context, data_dir, server)
    conditions = (collection, state, outdated, incomplete, source)
    query = DocumentQuery(*conditions, cursor, limit, code, tag, since, before, sort)
    rows, following = full_page(manager_of(settings).list_documents, query, lambda page: page.documents)
    listed = DocumentList(documents=rows, next=following)
    show(listed, _print, as_json=json)


def _print(listed: DocumentList) -> None:
    if not listed.documents:
        out.print("There are none.")
        return
    print_rows(map(_cells, listed.documents))
    _print_next_steps(listed.documents)
    out.print(page_end(len(listed.documents), "document", listed.next))


def _cells(document: DocumentSummary) -> tuple[str, ...]:
    marks = ", ".join(name for name in ("outdated", "incomplete") if getattr(document, name))
    gone = "; its file is gone" if document.has_original is False else ""
    state = f"{document.state} ({document.code})" if document.code else document.state
    return (document.id, state, f"{marks}{gone}", document.collection, document.source)


def _print_next_steps(shown: list[DocumentSummary]) -> None:
    """Say how the outdated documents are read again, and what becomes of those whose file is gone."""
    for collection in sorted({document.collection for document in shown if document.outdated}):
        out.print(f"Outdated documents stay searchable. Read them again with: {reread_command(collection)}")
    if any(document.has_original is False for document in shown):
        out.print("Where the file is gone, the kept text is cut again; put the file back to have it read again.")
    if any(document.incomplete for document in shown):
        out.print("Which part of an incomplete document is missing: docrelay status ID")
