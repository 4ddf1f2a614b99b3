"""Text, Markdown and CSV in any encoding. The text is the source's, but for line ends and what is no text."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import replace
from itertools import islice, pairwise
from pathlib import Path

from extractors.document import Document, Page, Section
from extractors.options import Options
from extractors.registry import extractor
from extractors.text.cards import unfolded
from extractors.text.json_text import unescaped
from extractors.text.source_text import SourceText, read_source, without_blobs
from extractors.text.tables import csv_table, markdown_tables

__all__ = ["document_of_text", "extract_csv", "extract_markdown", "extract_text", "extract_tsv", "markdown_sections"]

MAX_SECTIONS = 100_000
MAX_TITLE = 300

ATX = re.compile(r" {0,3}(#{1,6})(?=[ \t]|$)")
SETEXT = re.compile(r" {0,3}(=+|-+)[ \t]*$")
FENCE = re.compile(r" {0,3}(`{3,}(?=[^`]*$)|~{3,})")
BLOCK = re.compile(r" {0,3}(?:>|[-+*][ \t]|\d{1,9}[.)][ \t]|\||<|(?:[*_][ \t]*){3,}$)")
"""A line that begins something other than a paragraph: quote, list, table, HTML, rule."""

LINK = re.compile(r"!?\[([^\[\]]*)\](?:\([^()]*\)|\[[^\[\]]*\])")
MARKS = re.compile(r"[*`]|(?<!\w)_+|_+(?!\w)|\{#[^{}]*\}$")


@extractor("text/plain", suffixes=(".txt",))
def extract_text(path: Path, options: Options) -> Document:
    """Read a text file: one page without a number. JSON, vCards and calendars are decoded, whatever the file's name.

    Raises:
        TooLarge: it cannot have fewer than `options.max_chars` characters.
        Unsupported: it is not text.
    """
    source = without_blobs(unfolded(unescaped(read_source(path, options))))
    return replace(_document("text/plain", source, ()), tables=markdown_tables(source.text))


def document_of_text(text: str) -> Document:
    """The document of a text that is known to be plain text, character for character: one page without a number."""
    return Document("text/plain", (Page(None, text),), tables=markdown_tables(text))


@extractor("text/markdown", suffixes=(".md",))
def extract_markdown(path: Path, options: Options) -> Document:
    """Read a Markdown file: its text as it is, its headings as sections.

    Raises:
        TooLarge: it cannot have fewer than `options.max_chars` characters.
        Unsupported: it is not text.
    """
    source = _read(path, options)
    document = _document("text/markdown", source, tuple(markdown_sections(source.text)))
    return replace(document, tables=markdown_tables(source.text))


@extractor("text/csv")
def extract_csv(path: Path, options: Options) -> Document:
    """Read a table of comma-separated values: its text as it is, its rows as those of a table.

    Raises:
        TooLarge: it cannot have fewer than `options.max_chars` characters.
        Unsupported: it is not text.
    """
    return _table("text/csv", path, options)


@extractor("text/tab-separated-values")
def extract_tsv(path: Path, options: Options) -> Document:
    """Read a table of tab-separated values as `extract_csv` does.

    Raises:
        TooLarge: it cannot have fewer than `options.max_chars` characters.
        Unsupported: it is not text.
    """
    return _table("text/tab-separated-values", path, options)


def markdown_sections(text: str) -> Iterator[Section]:
    """Yield the section of each ATX and setext heading, from the heading itself to the next one.

    Headings inside code fences, front matter, quotes and lists are text.
    Source: CommonMark 0.31, sections 4.2 and 4.3.
    """
    path: list[tuple[int, str]] = []
    starts = [*islice(_headings(text), MAX_SECTIONS), (len(text), 0, "")]
    for (start, level, title), (end, _, _) in pairwise(starts):
        path = [*((rank, name) for rank, name in path if rank < level), (level, title)]
        yield Section(tuple(name for _, name in path if name), start, end)


def _read(path: Path, options: Options) -> SourceText:
    return without_blobs(read_source(path, options))


def _table(media_type: str, path: Path, options: Options) -> Document:
    source = _read(path, options)
    table = csv_table(source.text)
    return replace(_document(media_type, source, ()), tables=(table,) if table else ())


def _document(media_type: str, source: SourceText, sections: tuple[Section, ...]) -> Document:
    return Document(
        media_type,
        (Page(None, source.text),),
        sections,
        metadata={"encoding": source.encoding},
        warnings=source.warnings,
    )


def _headings(text: str) -> Iterator[tuple[int, int, str]]:
    """Yield (offset, level, title). A setext heading begins where its paragraph does."""
    paragraph: list[tuple[int, str]] = []
    quoted = False  # in a quote, list or table, whose lazy lines are no paragraph of their own
    for start, line in _outside_fences(_lines(text)):
        rule = SETEXT.match(line)
        if atx := ATX.match(line):
            yield start, len(atx[1]), _title(_without_closing(line[atx.end() :].strip()))
        elif rule and paragraph:
            yield paragraph[0][0], 1 if "=" in rule[1] else 2, _title(" ".join(part for _, part in paragraph))
        if atx or rule or not line.strip():
            paragraph, quoted = [], False
        elif BLOCK.match(line):
            paragraph, quoted = [], True
        elif paragraph or not (quoted or line[0].isspace()):
            paragraph.append((start, line.strip()))


def _without_closing(source: str) -> str:
    """An ATX heading may close with a run of # after a space."""
    bare = source.rstrip("#")
    return bare if not bare or bare[-1].isspace() else source


def _lines(text: str) -> Iterator[tuple[int, str]]:
    """Yield (offset, line) without the front matter between two `---` lines at the top."""
    end = re.compile(r"^(?:---|\.\.\.)[ \t]*$", re.MULTILINE).search(text, 4) if text.startswith("---\n") else None
    start = end.end() + 1 if end else 0
    for line in text[start:].split("\n"):
        yield start, line
        start += len(line) + 1


def _outside_fences(lines: Iterable[tuple[int, str]]) -> Iterator[tuple[int, str]]:
    """Leave out fenced code; an opening fence comes through as an empty line, since it ends a paragraph."""
    fence = ""
    for start, line in lines:
        if fence:
            mark = line.strip()
            fence = "" if mark.startswith(fence) and not mark.strip(fence[0]) else fence
        elif opened := FENCE.match(line):
            fence = opened[1]
            yield start, ""
        else:
            yield start, line


def _title(source: str) -> str:
    """A heading's words without the marks of emphasis and links."""
    return " ".join(MARKS.sub("", LINK.sub(r"\1", source[: 2 * MAX_TITLE])).split())[:MAX_TITLE]
