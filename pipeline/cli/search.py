"""`docrelay search`."""

from __future__ import annotations

import re
from dataclasses import asdict
from datetime import UTC, datetime

from rich.text import Text

from pipeline import stack
from pipeline.cli.output import command, note, out, plain, print_json
from pipeline.errors import BadRequest, UnknownId
from pipeline.results import Hit, SearchResult
from pipeline.search import is_known, named_types, search
from pipeline.services import Services
from pipeline.settings import Settings
from pipeline.types import Mode, canonical
from pipeline.vectorstore.base import Filter

__all__ = ["excerpt", "run", "where"]

SHOWN_CHARS = 400
MARGIN = 40
"""Characters shown before the first word that matches."""

WORD = re.compile(r"\w{4,}")


REMOTE_FILTER = ("sources", "media_types", "tags", "page", "modified_after", "modified_before")


def where(
    sources: list[str], media_types: list[str], tags: list[str], page: int | None, after: str | None, before: str | None
) -> Filter:
    """The filter that the options mean. Raises BadRequest for a time, a type or a tag that is none."""
    return Filter(
        sources=tuple(sources),
        media_types=named_types(media_types),
        tags=canonical(tags),
        page=page,
        modified_after=_utc(after),
        modified_before=_utc(before),
    )


def run(
    settings: Settings, query: str, collection: str | None, limit: int, mode: Mode, condition: Filter, *, as_json: bool
) -> None:
    """Search and print the hits."""
    name = collection or settings.collection
    if settings.server is not None:
        # Only with a server: HTTP, and the models of what the API answers.
        from pipeline.client import Client

        where = {key: value for key, value in asdict(condition).items() if key in REMOTE_FILTER and value}
        result = Client(settings.server, settings.api_key).search(query, collection, limit, mode, where)
    elif is_known(Services(settings), query, name, limit):
        with stack.connect(settings, say=None if as_json else note) as connected:
            result = search(Services(connected), query, name, limit, mode, condition)
    elif collection is not None:
        raise UnknownId(f"There is no collection {collection}.", f"What there is: {command('status')}")
    else:
        result = SearchResult(query=query, mode=mode, collection=name, hits=[])
    if as_json:
        print_json(result.model_dump())
        return
    for number, hit in enumerate(result.hits, 1):
        _show(number, hit, query)
    if not result.hits:
        filtered = " under these filters" if condition != Filter() else ""
        out.print(
            f"Nothing is found in the collection {result.collection}{filtered}. What is there: {command('status')}"
        )


def excerpt(text: str, query: str, size: int) -> tuple[int, str]:
    """The part of a passage that answers best: the window with the most of the question's words.

    Returns:
        Where it begins in the text, and the part, at most `size` characters, cut between words.
    """
    if len(text) <= size:
        return 0, text
    wanted = {word.casefold() for word in WORD.findall(query)}
    places = [match.start() for match in WORD.finditer(text) if match[0].casefold() in wanted]
    begins = [max(place - MARGIN, 0) for place in places] or [0]
    start = max(begins, key=lambda begin: sum(begin <= place < begin + size for place in places))
    start = min(start, len(text) - size)
    if start:
        start = text.find(" ", start) + 1 or start
    return start, text[start : start + size].rsplit(" ", 1)[0]


def _show(number: int, hit: Hit, query: str) -> None:
    start, part = excerpt(hit.text, query, SHOWN_CHARS)
    place = _place(hit, start)
    out.print(Text.assemble((f"{number}. ", "bold"), (plain(hit.source), "bold"), place, f"  ({hit.score:.3f})"))
    if hit.section:
        out.print(Text(f"   {plain(' › '.join(hit.section))}", style="italic"))
    before, after = "… " if start else "", " …" if start + len(part) < len(hit.text) else ""
    out.print(Text("   " + plain(before + " ".join(part.split()) + after)))


def _place(hit: Hit, start: int) -> str:
    """Where the passage stands, and on which of its pages the shown part begins."""
    if hit.page_start is None:
        return _lines(hit)
    if hit.page_end in (None, hit.page_start):
        return f", page {hit.page_start}"
    shown = max((page for offset, page in hit.page_breaks if offset <= start), default=hit.page_start)
    return f", pages {hit.page_start}-{hit.page_end}, shown from page {shown}"


def _lines(hit: Hit) -> str:
    """Lines, where the source has any: an editor goes to them."""
    if hit.line_start is None:
        return f", characters {hit.char_start}-{hit.char_end}"
    if hit.line_end in (None, hit.line_start):
        return f", line {hit.line_start}"
    return f", lines {hit.line_start}-{hit.line_end}"


def _utc(moment: str | None) -> str | None:
    if moment is None:
        return None
    try:
        return datetime.fromisoformat(moment).astimezone(UTC).isoformat()
    except (ValueError, OverflowError):
        raise BadRequest(f"{moment!r} is no time.", "Write it as 2026-11-20 or 2026-11-20T13:00:00+01:00.") from None
