"""`docrelay search`: search, with page and passage of every hit."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from enum import StrEnum
from typing import TYPE_CHECKING, Annotated

import typer
from rich.text import Text

from pipeline.cli.connect import connected_services
from pipeline.cli.options import Collection, DataDir, Json, Server, settings_of
from pipeline.cli.output import command, out, plain, print_json
from pipeline.errors import BadRequest, UnknownId

if TYPE_CHECKING:
    from pipeline.results import Hit, SearchResult
    from pipeline.settings import Settings
    from pipeline.types import Mode
    from pipeline.vectorstore.base import Filter

__all__ = ["excerpt", "search"]

SHOWN_CHARS = 400
MARGIN = 40
"""Characters shown before the first word that matches."""

WORD = re.compile(r"\w{4,}")


class SearchMode(StrEnum):
    """How to search."""

    dense = "dense"
    sparse = "sparse"
    hybrid = "hybrid"


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
            "--source",
            help="Only sources of this name or like this glob, e.g. '*.pdf'; may be repeated.",
            show_default=False,
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
    from pipeline.search import resolve_media_types
    from pipeline.types import canonical
    from pipeline.vectorstore.base import Filter

    condition = Filter(
        sources=tuple(source or ()),
        media_types=resolve_media_types(media_type or []),
        tags=canonical(tag or []),
        page=page,
        modified_after=_utc(after),
        modified_before=_utc(before),
    )
    settings = settings_of(context, data_dir, server)
    if settings.server is not None:
        result = _search_on_server(settings, query, collection, limit, mode.value, condition)
    else:
        result = _search_here(settings, query, collection, limit, mode.value, condition, quiet=json)
    if json:
        print_json(result.model_dump())
    else:
        _print_result(result, is_filtered=condition != Filter())


def _search_on_server(
    settings: Settings, query: str, collection: str | None, limit: int, mode: Mode, condition: Filter
) -> SearchResult:
    """Search on the server that the settings name; without a collection in that of the server's settings."""
    from pipeline.cli.remote import client_of

    names = ("sources", "media_types", "tags", "page", "modified_after", "modified_before")
    where = {name: getattr(condition, name) for name in names if getattr(condition, name)}
    return client_of(settings).search(query, collection, limit, mode, where)


def _search_here(
    settings: Settings, query: str, collection: str | None, limit: int, mode: Mode, condition: Filter, *, quiet: bool
) -> SearchResult:
    """Search on this machine; a collection that was never written to needs no stack.

    Raises:
        UnknownId: the user named a collection that does not exist.
    """
    from pipeline.results import SearchResult
    from pipeline.search import find_index
    from pipeline.search import search as search_index
    from pipeline.services import Services

    name = collection or settings.collection
    if find_index(Services(settings), query, name, limit):
        with connected_services(settings, quiet=quiet) as services:
            return search_index(services, query, name, limit, mode, condition)
    if collection is not None:
        raise UnknownId(f"There is no collection {collection}.", f"What there is: {command('status')}")
    return SearchResult(query=query, mode=mode, collection=name, hits=[])


def excerpt(text: str, query: str, size: int) -> tuple[int, str]:
    """The part of a passage to show: the window that holds the most words of the query.

    Returns:
        Where the part begins in the text, and the part: at most `size` characters, cut between words.
    """
    if len(text) <= size:
        return 0, text
    query_words = {word.casefold() for word in WORD.findall(query)}
    matches = [match.start() for match in WORD.finditer(text) if match[0].casefold() in query_words]
    starts = [max(offset - MARGIN, 0) for offset in matches] or [0]
    start = max(starts, key=lambda begin: sum(begin <= offset < begin + size for offset in matches))
    start = min(start, len(text) - size)
    if start:
        start = text.find(" ", start) + 1 or start
    return start, text[start : start + size].rsplit(" ", 1)[0]


def _print_result(result: SearchResult, *, is_filtered: bool) -> None:
    for number, hit in enumerate(result.hits, 1):
        _print_hit(number, hit, result.query)
    if not result.hits:
        filtered = " under these filters" if is_filtered else ""
        out.print(
            f"Nothing is found in the collection {result.collection}{filtered}. What is there: {command('status')}"
        )


def _print_hit(number: int, hit: Hit, query: str) -> None:
    start, shown_text = excerpt(hit.text, query, SHOWN_CHARS)
    pages = _pages(hit, start)
    out.print(Text.assemble((f"{number}. ", "bold"), (plain(hit.source), "bold"), pages, f"  ({hit.score:.3f})"))
    if hit.section:
        out.print(Text(f"   {plain(' › '.join(hit.section))}", style="italic"))
    if hit.prefix:
        out.print(Text(f"   {plain(hit.prefix)}", style="dim"))
    before, after = "… " if start else "", " …" if start + len(shown_text) < len(hit.text) else ""
    out.print(Text("   " + plain(before + " ".join(shown_text.split()) + after)))


def _pages(hit: Hit, start: int) -> str:
    """Pages of the passage, and the page on which the shown part begins; its lines if the source has no pages."""
    if hit.page_start is None:
        return _lines(hit)
    if hit.page_end in (None, hit.page_start):
        return f", page {hit.page_start}"
    shown = max((page for offset, page in hit.page_breaks if offset <= start), default=hit.page_start)
    return f", pages {hit.page_start}-{hit.page_end}, shown from page {shown}"


def _lines(hit: Hit) -> str:
    """Lines of the passage, for an editor; its paragraphs, or characters, if the source has no lines."""
    for word, first, last in (
        ("line", hit.line_start, hit.line_end),
        ("paragraph", hit.paragraph_start, hit.paragraph_end),
    ):
        if first is not None:
            return f", {word} {first}" if last in (None, first) else f", {word}s {first}-{last}"
    return f", characters {hit.char_start}-{hit.char_end}"


def _utc(moment: str | None) -> str | None:
    """An ISO 8601 time in UTC; a time without a zone is local time."""
    if moment is None:
        return None
    try:
        return datetime.fromisoformat(moment).astimezone(UTC).isoformat()
    except (ValueError, OverflowError):
        raise BadRequest(f"{moment!r} is no time.", "Write it as 2026-11-20 or 2026-11-20T13:00:00+01:00.") from None
