"""Hits as `docrelay search` prints them."""

from __future__ import annotations

from typing import Any

import pytest
from rich.console import Console

from pipeline.cli import search_output
from pipeline.results import Hit, Passage, SearchResult

TEXT = "The ferry made eleven knots\non her trial."


def passage(**changes: Any) -> dict[str, Any]:
    plain = {name: None for name, field in Passage.model_fields.items() if field.is_required()}
    listed: dict[str, Any] = {"tags": [], "section": [], "page_breaks": [], "added": {}}
    known = {"score": 0.5, "source": "/a.txt", "document_id": "d", "chunk_id": "c", "version_id": "v", "text": TEXT}
    return {**plain, **listed, **known, "char_start": 0, "char_end": len(TEXT), **changes}


def printed(monkeypatch: pytest.MonkeyPatch, *hits: dict[str, Any], color: bool = False, **result: Any) -> str:
    console = Console(width=500, force_terminal=color, color_system="standard" if color else None, record=True)
    monkeypatch.setattr(search_output, "out", console)
    answer = SearchResult(query="ferry", mode="hybrid", collection="docs", hits=[Hit(**hit) for hit in hits], **result)
    search_output.print_result(answer, is_filtered=False)
    return console.export_text(styles=color)


def test_words_that_match_are_bold(monkeypatch: pytest.MonkeyPatch) -> None:
    shown = printed(monkeypatch, passage(highlights=[[4, 9], [22, 27]]), color=True)
    assert "The \x1b[1mferry\x1b[0m made eleven \x1b[1mknots\x1b[0m on her trial." in shown


def test_a_long_passage_is_shown_around_its_marked_words(monkeypatch: pytest.MonkeyPatch) -> None:
    text = "An opening that says nothing. " * 40 + TEXT + " And so on." * 60
    start = text.index("ferry")
    shown = printed(monkeypatch, passage(text=text, highlights=[[start, start + 5]]))
    assert "ferry made eleven knots on her trial" in shown


def test_further_passages_of_a_document_are_listed(monkeypatch: pytest.MonkeyPatch) -> None:
    further = [passage(page_start=page, page_end=page, line_start=None) for page in (2, 7)]
    shown = printed(monkeypatch, passage(passages=6, further=further))
    assert "also: page 2; page 7, and 3 more" in shown
    assert "also" not in printed(monkeypatch, passage())
    assert printed(monkeypatch, passage(passages=3, further=further)).rstrip().endswith("also: page 2; page 7")


def test_collections_are_named_where_there_are_several(monkeypatch: pytest.MonkeyPatch) -> None:
    hit = passage(collection="letters")
    assert "[letters]" in printed(monkeypatch, hit, collections=["docs", "letters"])
    assert "letters" not in printed(monkeypatch, hit, collections=["letters"])
    assert "in the collections docs, letters" in printed(monkeypatch, collections=["docs", "letters"])
    assert "in the collection docs." in printed(monkeypatch, collections=["docs"])


def test_warnings_come_before_the_hits(monkeypatch: pytest.MonkeyPatch) -> None:
    shown = printed(monkeypatch, passage(), warnings=["The question was cut."])
    assert shown.startswith("The question was cut.\n1. /a.txt")


def test_places_without_pages_are_lines_or_paragraphs(monkeypatch: pytest.MonkeyPatch) -> None:
    word = passage(source="/a.docx", section=["Care", "Oil"], paragraph_start=12, paragraph_end=14)
    assert printed(monkeypatch, word).splitlines()[:2] == ["1. /a.docx, paragraphs 12-14  (0.500)", "   Care › Oil"]
    assert ", paragraph 7  (" in printed(monkeypatch, passage(paragraph_start=7, paragraph_end=7))
    assert ", lines 3-4  (" in printed(monkeypatch, passage(line_start=3, line_end=4))
    assert f", characters 0-{len(TEXT)}  (" in printed(monkeypatch, passage())


def test_the_header_row_of_a_table_stands_above_its_rows(monkeypatch: pytest.MonkeyPatch) -> None:
    shown = printed(monkeypatch, passage(text="| KP-1 | 7 |", prefix="| part | stock |"))
    assert shown.splitlines()[1:] == ["   | part | stock |", "   | KP-1 | 7 |"]
