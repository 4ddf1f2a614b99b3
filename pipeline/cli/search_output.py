"""The hits of a search as people read them: where each stands, and the part of the passage that matches."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

from rich.text import Text

from pipeline.cli.output import command, out, plain
from pipeline.results import Hit, Passage, SearchResult

__all__ = ["excerpt", "print_result"]

SHOWN_CHARS = 400
MARGIN = 40
"""Characters shown before the first word that matches."""

WORD = re.compile(r"\w{4,}")
SPACE = re.compile(r"\s+")

Spans = Sequence[Sequence[int]]


def print_result(result: SearchResult, *, is_filtered: bool) -> None:
    """Print what is found, best first."""
    for warning in result.warnings:
        out.print(Text(plain(warning), style="yellow"))
    for number, hit in enumerate(result.hits, 1):
        _print_hit(number, hit, result)
    if not result.hits:
        filtered = " under these filters" if is_filtered else ""
        names = ", ".join(result.collections or [result.collection])
        noun = "collections" if len(result.collections) > 1 else "collection"
        out.print(f"Nothing is found in the {noun} {names}{filtered}. What is there: {command('status')}")


def excerpt(text: str, query: str, size: int, highlights: Spans = ()) -> tuple[int, str]:
    """The part of a passage to show: the window that holds the most words of the query.

    Args:
        text: the passage.
        query: its words of four letters or more count where there are no highlights.
        size: characters at most.
        highlights: spans of the words that match.

    Returns:
        Where the part begins in the text, and the part, cut between words.
    """
    if len(text) <= size:
        return 0, text
    query_words = {word.casefold() for word in WORD.findall(query)}
    matches = [match.start() for match in WORD.finditer(text) if match[0].casefold() in query_words]
    matches = [start for start, _ in highlights] or matches
    starts = [max(offset - MARGIN, 0) for offset in matches] or [0]
    start = max(starts, key=lambda begin: sum(begin <= offset < begin + size for offset in matches))
    start = min(start, len(text) - size)
    if start:
        start = text.find(" ", start) + 1 or start
    return start, text[start : start + size].rsplit(" ", 1)[0]


def _print_hit(number: int, hit: Hit, result: SearchResult) -> None:
    start, shown_text = excerpt(hit.text, result.query, SHOWN_CHARS, hit.highlights)
    collection = f" [{hit.collection}]" if len(result.collections) > 1 else ""
    title = Text.assemble((f"{number}. ", "bold"), (plain(hit.source), "bold"), _pages(hit, start), collection)
    out.print(title.append(f"  ({hit.score:.3f})"))
    if hit.section:
        out.print(Text(f"   {plain(' › '.join(hit.section))}", style="italic"))
    if hit.prefix:
        out.print(Text(f"   {plain(hit.prefix)}", style="dim"))
    out.print(_marked(hit, start, start + len(shown_text)))
    if hit.further:
        places = "; ".join(_pages(passage, 0).removeprefix(", ") for passage in hit.further)
        more = "" if hit.passages == 1 + len(hit.further) else f", and {hit.passages - 1 - len(hit.further)} more"
        out.print(Text(f"   also: {places}{more}", style="dim"))


def _marked(hit: Passage, start: int, end: int) -> Text:
    """The passage from start to end in one line, with the words that match in bold."""
    line = Text("   " + ("… " if start else ""))
    # Spaces at the ends of the part are not shown.
    first = start + len(hit.text[start:end]) - len(hit.text[start:end].lstrip())
    last = first + len(hit.text[first:end].rstrip())
    for piece, is_match in _pieces(hit.text, hit.highlights, first, last):
        line.append(plain(SPACE.sub(" ", piece)), "bold" if is_match else None)
    return line.append(" …" if end < len(hit.text) else "")


def _pieces(text: str, highlights: Spans, start: int, end: int) -> Iterator[tuple[str, bool]]:
    """The text from start to end in pieces, and whether each is a match."""
    position = start
    for match_start, match_end in highlights:
        if position <= match_start and match_end <= end:
            yield text[position:match_start], False
            yield text[match_start:match_end], True
            position = match_end
    yield text[position:end], False


def _pages(hit: Passage, start: int) -> str:
    """Pages of the passage, and the page on which the shown part begins; its lines if the source has no pages."""
    if hit.page_start is None:
        return _lines(hit)
    if hit.page_end in (None, hit.page_start):
        return f", page {hit.page_start}"
    shown = max((page for offset, page in hit.page_breaks if offset <= start), default=hit.page_start)
    return f", pages {hit.page_start}-{hit.page_end}, shown from page {shown}"


def _lines(hit: Passage) -> str:
    """Lines of the passage, for an editor; its paragraphs, or characters, if the source has no lines."""
    for word, first, last in (
        ("line", hit.line_start, hit.line_end),
        ("paragraph", hit.paragraph_start, hit.paragraph_end),
    ):
        if first is not None:
            return f", {word} {first}" if last in (None, first) else f", {word}s {first}-{last}"
    return f", characters {hit.char_start}-{hit.char_end}"
