"""`docrelay search`: search, with page and passage of every hit."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from enum import StrEnum
from typing import TYPE_CHECKING, Annotated

import typer

from pipeline.cli.connect import connected_services
from pipeline.cli.options import DataDir, Json, Server, settings_of
from pipeline.cli.output import command, print_json
from pipeline.errors import BadRequest, UnknownId

if TYPE_CHECKING:
    from pipeline.results import SearchResult
    from pipeline.search import Question, SearchOptions
    from pipeline.settings import Settings

__all__ = ["search"]


class SearchGroup(StrEnum):
    """What hits are put together by."""

    document = "document"


class SearchMode(StrEnum):
    """How to search."""

    dense = "dense"
    sparse = "sparse"
    hybrid = "hybrid"


def search(
    context: typer.Context,
    query: Annotated[str, typer.Argument(metavar="QUERY", help="What to look for.", show_default=False)],
    collection: Annotated[
        list[str] | None,
        typer.Option(
            "--collection",
            "-c",
            help="Collection; the setting `collection` by default; may be repeated.",
            show_default=False,
        ),
    ] = None,
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
    where: Annotated[
        list[str] | None,
        typer.Option(
            "--where",
            metavar="KEY=VALUE",
            help="Only documents with this value in their metadata; may be repeated: of one key, any of its values.",
            show_default=False,
        ),
    ] = None,
    page: Annotated[int | None, typer.Option("--page", min=1, help="Only this page.", show_default=False)] = None,
    after: Annotated[str | None, typer.Option("--after", help="Modified after (ISO 8601).", show_default=False)] = None,
    before: Annotated[
        str | None,
        typer.Option("--before", help="Modified before (ISO 8601).", show_default=False),
    ] = None,
    min_score: Annotated[
        float | None,
        typer.Option("--min-score", min=0, max=1, help="Only hits with at least this score.", show_default=False),
    ] = None,
    group: Annotated[
        SearchGroup | None,
        typer.Option(
            "--group", help="Hits by document: the best passage of each; -n counts documents.", show_default=False
        ),
    ] = None,
    rerank: Annotated[
        bool | None,
        typer.Option(
            "--rerank/--no-rerank", help="Order by the reranker; by default if one is set up.", show_default=False
        ),
    ] = None,
    rerank_depth: Annotated[
        int | None,
        typer.Option(
            "--rerank-depth", min=1, max=1000, help="Passages that the reranker reads; 50.", show_default=False
        ),
    ] = None,
    json: Json = False,
    server: Server = None,
    data_dir: DataDir = None,
) -> None:
    """Search, with page and passage of every hit."""
    from pipeline.search import Question, metadata_of, resolve_media_types
    from pipeline.types import canonical
    from pipeline.vectorstore.base import Filter

    condition = Filter(
        sources=tuple(source or ()),
        media_types=resolve_media_types(media_type or []),
        tags=canonical(tag or []),
        page=page,
        modified_after=_utc(after),
        modified_before=_utc(before),
        metadata=metadata_of(where or []),
    )
    settings = settings_of(context, data_dir, server)
    names = tuple(dict.fromkeys(collection or ()))
    options: SearchOptions = {
        "min_score": min_score,
        "group": group.value if group else None,
        "rerank": rerank,
        "rerank_depth": rerank_depth,
    }
    asked = Question(query, names or (settings.collection,), limit, mode.value, condition, **options)
    if settings.server is not None:
        result = _search_on_server(settings, asked, names, options)
    else:
        result = _search_here(settings, asked, are_named=bool(names), quiet=json)
    if json:
        print_json(result.model_dump())
    else:
        from pipeline.cli.search_output import print_result

        print_result(result, is_filtered=condition != Filter() or min_score is not None)


def _search_on_server(
    settings: Settings, asked: Question, names: Sequence[str], options: SearchOptions
) -> SearchResult:
    """Search on the server that the settings name; without a collection in that of the server's settings."""
    from pipeline.cli.remote import client_of

    fields = ("sources", "media_types", "tags", "page", "modified_after", "modified_before", "metadata")
    where = {name: getattr(asked.where, name) for name in fields if getattr(asked.where, name)}
    collection = names if len(names) > 1 else next(iter(names), None)
    return client_of(settings).search(asked.text, collection, asked.limit, asked.mode, where, **options)


def _search_here(settings: Settings, asked: Question, *, are_named: bool, quiet: bool) -> SearchResult:
    """Search on this machine; collections that were never written to need no stack.

    Raises:
        UnknownId: the user named a collection that does not exist.
    """
    from pipeline.search import answer, find_indexes
    from pipeline.services import Services

    known = find_indexes(Services(settings), asked)
    for name in asked.collections:
        if are_named and name not in known:
            raise UnknownId(f"There is no collection {name}.", f"What there is: {command('status')}")
    if not known:
        return answer(Services(settings), asked)
    with connected_services(settings, quiet=quiet) as services:
        return answer(services, asked)


def _utc(moment: str | None) -> str | None:
    """An ISO 8601 time in UTC; a time without a zone is local time."""
    if moment is None:
        return None
    try:
        return datetime.fromisoformat(moment).astimezone(UTC).isoformat()
    except (ValueError, OverflowError):
        raise BadRequest(f"{moment!r} is no time.", "Write it as 2026-11-20 or 2026-11-20T13:00:00+01:00.") from None
