"""Results of a search."""

from __future__ import annotations

from typing import Any

from pipeline.results.base import Result
from pipeline.types import Mode

__all__ = ["Hit", "SearchResult"]


class Hit(Result):
    """A passage: `text` is the source's extracted text from char_start to char_end.

    `line_start` and `line_end` are its lines in text, Markdown and CSV, counted from 1; `paragraph_start` and
    `paragraph_end` its paragraphs in other formats without pages; None elsewhere. `prefix` is the header row of the
    table that the passage continues, "" elsewhere.
    """

    score: float
    source: str
    tags: list[str]
    document_id: str
    page_start: int | None
    page_end: int | None
    line_start: int | None = None
    line_end: int | None = None
    paragraph_start: int | None = None
    paragraph_end: int | None = None
    char_start: int
    char_end: int
    text: str
    prefix: str = ""
    title: str | None
    media_type: str | None
    section: list[str]
    page_breaks: list[Any]
    confidence: float | None
    added: dict[str, Any]
    chunk_id: str
    version_id: str


class SearchResult(Result):
    """The hits for a question, best first."""

    query: str
    mode: Mode
    collection: str
    hits: list[Hit]
