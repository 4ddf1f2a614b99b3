"""The text of HTML within a Word file, block by block."""

from __future__ import annotations

import re
from collections.abc import Iterator
from itertools import count
from typing import Any

from lxml import html

from extractors.docx.blocks import LIST, Block, row_blocks
from extractors.encodings.detect import decode

__all__ = ["html_blocks"]

DECLARED = re.compile(rb"""charset\s*=\s*["']?\s*([A-Za-z0-9_.:-]+)""", re.IGNORECASE)
XML_DECLARATION = re.compile(r"\A\s*<\?xml[^>]*\?>")
UNREAD = frozenset(("head", "script", "style", "template", "noscript", "svg", "math", "object", "iframe"))
BLOCKS = frozenset((
    "address", "article", "aside", "blockquote", "body", "caption", "dd", "div", "dl", "dt", "fieldset",
    "figcaption", "figure", "footer", "form", "h1", "h2", "h3", "h4", "h5", "h6", "header", "hr", "legend", "li",
    "main", "nav", "ol", "p", "pre", "section", "table", "ul", "html",
))  # fmt: skip
HIDDEN = re.compile(r"(?:^|;)\s*(?:display\s*:\s*none|visibility\s*:\s*hidden|mso-hide\s*:\s*all)\b", re.IGNORECASE)
LINES = re.compile(r"[^\S\n]*\n[^\S\n]*")


def html_blocks(content: bytes, charset: str | None = None) -> list[Block]:
    """Return the blocks of an HTML page: headings, paragraphs, list items and table rows."""
    text = XML_DECLARATION.sub("", _text(content, charset))
    root = html.document_fromstring(text) if text.strip() else None
    return [] if root is None else list(_Walk(count(1)).blocks(root))


def _text(content: bytes, charset: str | None) -> str:
    """UTF-8 if it is that; else what the page or its mail part declares; else as any text is read."""
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError:
        declared = DECLARED.search(content[:4096])
        try:
            return content.decode(charset or (declared[1].decode("ascii") if declared else "ascii"))
        except (UnicodeDecodeError, LookupError):
            decoded = decode(content)
            return decoded.text if decoded else content.decode("cp1252", errors="replace")


class _Walk:
    """Walks the elements of a page and gathers the text of each block; `tables` numbers the tables."""

    def __init__(self, tables: Iterator[int]) -> None:
        self._numbers = tables
        self._parts: list[str] = []
        self._level: int | None = None
        self._group: str | None = None
        self._mark = ""
        self._in_pre = 0
        self._counts: dict[Any, int] = {}

    def blocks(self, element: Any) -> Iterator[Block]:
        """Yield the blocks in the element."""
        tag = element.tag if isinstance(element.tag, str) else ""
        if not tag or tag in UNREAD or _is_hidden(element):
            return
        if tag == "table":
            yield from self._end()
            yield from self._table(element)
        elif tag in BLOCKS:
            yield from self._end()
            if tag == "li":
                self._begin_item(element)
            self._level = int(tag[1]) if tag in ("h1", "h2", "h3", "h4", "h5", "h6") else None
            self._group = LIST if self._mark else None
            yield from self._inside(element)
            yield from self._end()
            if tag == "li":
                self._clear()
        else:
            self._parts += ["\n"] if tag == "br" else [_control(element)]
            yield from self._inside(element)

    def _inside(self, element: Any) -> Iterator[Block]:
        self._in_pre += element.tag == "pre"
        keeps_lines = self._in_pre > 0
        self._parts.append(_plain(element.text, keeps_lines))
        for child in element:
            yield from self.blocks(child)
            self._parts.append(_plain(child.tail, keeps_lines))
        self._in_pre -= element.tag == "pre"

    def _end(self) -> Iterator[Block]:
        text = LINES.sub("\n", re.sub(r"[ \t]+", " ", "".join(self._parts))).strip()
        if text and text == self._mark.strip():  # it stands before the first text of its item
            self._parts = [self._mark]
            return
        if text:
            yield Block(text, self._level, self._group)
        self._clear()

    def _clear(self) -> None:
        self._parts, self._level, self._group, self._mark = [], None, None, ""

    def _begin_item(self, item: Any) -> None:
        """Begin with what stands before the item of a list: its number, or a dash."""
        self._clear()
        items = item.getparent()
        self._mark = "- "
        if items is not None and items.tag == "ol" and items.get("type", "1") == "1":
            usual = self._counts.get(items, _number(items.get("start"), 1) - 1) + 1
            self._counts[items] = _number(item.get("value"), usual)
            self._mark = f"{self._counts[items]}. "
        self._parts = [self._mark]

    def _table(self, table: Any) -> Iterator[Block]:
        group = f"html {next(self._numbers)}"
        for row in table.iter("tr"):
            if next(row.iterancestors("table")) is not table:
                continue
            own = [cell for cell in row if cell.tag in ("td", "th")]
            cells = [list(_Walk(self._numbers).cell(cell)) for cell in own]
            if len(cells) == 1:
                yield from cells[0]
            else:
                yield from row_blocks(cells, group, names_columns=all(cell.tag == "th" for cell in own))

    def cell(self, element: Any) -> Iterator[Block]:
        """Yield the blocks of a cell."""
        yield from self._inside(element)
        yield from self._end()


def _is_hidden(element: Any) -> bool:
    """Whether a reader never sees the element, as the preview texts of newsletters."""
    return element.get("hidden") is not None or HIDDEN.search(element.get("style") or "") is not None


def _number(text: str | None, usual: int) -> int:
    return int(text) if text and text.isascii() and text.isdigit() and len(text) < 10 else usual


def _plain(text: str | None, keeps_lines: bool = False) -> str:
    """The text with single spaces; with its line ends where they are shown, as in program code."""
    return re.sub(r"[^\S\n]+" if keeps_lines else r"\s+", " ", text or "").replace("\u00ad", "")


def _control(element: Any) -> str:
    """What a picture says, or a form's field holds."""
    if element.tag == "img" and (alt := _plain(element.get("alt")).strip()):
        return f"[Picture: {alt}]"
    return _plain(element.get("value")) if element.tag == "input" and element.get("type") != "hidden" else ""
