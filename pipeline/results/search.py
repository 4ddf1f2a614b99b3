"""Results of a search."""

from __future__ import annotations

from typing import Any

from pydantic import Field

from pipeline.results.base import Result
from pipeline.types import Mode

__all__ = ["Hit", "Passage", "SearchResult"]


class Passage(Result):
    """A passage: `text` is the source's extracted text from char_start to char_end.

    `line_start` and `line_end` are its lines in text, Markdown and CSV, counted from 1; `paragraph_start` and
    `paragraph_end` its paragraphs in other formats without pages; None elsewhere. `prefix` is the header row of the
    table that the passage continues, "" elsewhere.
    `metadata` came with the document, and `text_id` is the id of a text record, None where the document is a file.
    `highlights` are the spans in `text` of words that the question has too, inflected or folded.
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
    collection: str = ""
    highlights: list[list[int]] = Field([])
    metadata: dict[str, Any] = Field({})
    text_id: str | None = None


class Hit(Passage):
    """A passage that answers, or with hits by document the best one of its document.

    `passages` counts the document's passages among those that were found, this one too, and `further` lists the next
    best of them; without grouping each passage is a hit of its own.
    """

    passages: int = 1
    further: list[Passage] = Field([])


class SearchResult(Result):
    """The hits for a question, best first.

    `collection` is the first of the `collections` that were searched. `warnings` say what of the question was not used,
    and which collections lack points.
    The scores of `reranked` hits are those of the reranker.
    """

    query: str
    mode: Mode
    collection: str
    collections: list[str] = Field([])
    warnings: list[str] = Field([])
    reranked: bool = False
    hits: list[Hit]
