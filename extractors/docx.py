"""Word files: .docx, and the text of .docm and .dotx.

Text is in document order, headers before it and footers after it, each once. Pages are known only where
the file records where they break; a file that records none yields one page without a number.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from extractors.document import Document, Page, Section
from extractors.docx_body import Block, BodyReader
from extractors.docx_inline import HARD_BREAK, RENDERED_BREAK
from extractors.docx_package import is_encrypted_package, open_package
from extractors.docx_styles import RELATIONSHIPS, Numbering, Styles, W, attribute, is_on
from extractors.errors import Corrupt, TooLarge
from extractors.options import Options
from extractors.registry import DOCX, extractor

if TYPE_CHECKING:
    from docx.document import Document as WordDocument

__all__ = ["extract_docx", "is_encrypted_package"]

CORE_PROPERTIES = "http://schemas.openxmlformats.org/package/2006/relationships/metadata/core-properties"
METADATA = {
    "title": "title", "subject": "subject", "creator": "author", "keywords": "keywords", "description": "description",
    "category": "category", "language": "language", "created": "created", "modified": "modified",
    "lastModifiedBy": "last_modified_by",
}  # fmt: skip
"""Core properties that are kept, and their names in `Document.metadata`."""

SPACE = re.compile(r"(?<!\s)\s+")


@extractor(DOCX)
def extract_docx(path: Path, options: Options) -> Document:
    """Read a Word file.

    Raises:
        Encrypted: the file is behind a password.
        TooLarge: it inflates beyond the limits, or holds more text or pages than they allow.
        Corrupt: it is damaged, lacks a part, declares a DTD, or nests its elements too deep.
    """
    word = open_package(path, options)
    try:
        return _document(_Source(word), options)
    except RecursionError:
        raise Corrupt("The Word file nests its elements too deep.") from None


def _document(source: _Source, options: Options) -> Document:
    writer = _Writer(options.max_chars)
    reader = BodyReader(source.styles, source.numbering, source.notes, source.section_starts, source.figure)
    for text in dict.fromkeys(reader.story(part) for part in source.beside("header")):
        writer.add(Block(text))
    for block in reader.blocks(source.body):
        writer.add(block)
    writer.end_body()
    for text in dict.fromkeys(reader.story(part) for part in source.beside("footer")):
        writer.add(Block(text))
    return Document(
        media_type=DOCX,
        pages=writer.pages(options.max_pages),
        sections=writer.sections(),
        language=source.metadata.get("language", "").split("-")[0].lower() or None,
        metadata=source.metadata,
        warnings=source.warnings,
    )


class _Source:
    """The parts of an opened Word file that are read."""

    def __init__(self, word: WordDocument) -> None:
        self._part = word.part
        self.root: Any = word.element
        self.body: Any = self.root.find(W + "body")
        if self.body is None:
            raise Corrupt("The Word file has no body.")
        self.styles = Styles(self._related("styles"))
        self.numbering = Numbering(self._related("numbering"), self.styles)
        self.metadata = _metadata(_root(self._part.package, CORE_PROPERTIES))

    @property
    def notes(self) -> dict[tuple[str, str], Any]:
        """Footnotes and endnotes by kind and id; separators are among them, but nothing refers to them."""
        return {
            (kind, note.get(W + "id", "")): note
            for kind in ("footnote", "endnote")
            for note in _all(self._related(kind + "s"), W + kind)
        }

    @property
    def section_starts(self) -> list[str]:
        """How each section after the first begins: the break is recorded with the section that it opens."""
        return [attribute(properties, "type") or "nextPage" for properties in self._sections()[1:]]

    @property
    def warnings(self) -> tuple[str, ...]:
        """What the file holds and this reader leaves out."""
        foreign = next(self.body.iter(W + "altChunk"), None) is not None
        return ("A document of another format is embedded; it was not read.",) if foreign else ()

    def beside(self, kind: str) -> Iterator[Any]:
        """Each header or footer ("header", "footer") that any page shows, once."""
        uneven = is_on(self._related("settings"), "evenAndOddHeaders")
        seen = set()
        for properties in self._sections():
            for reference in properties.findall(f"{W}{kind}Reference"):
                name, use = reference.get(f"{{{RELATIONSHIPS}}}id"), reference.get(W + "type", "default")
                shown = (
                    use == "default" or (use == "first" and is_on(properties, "titlePg")) or (use == "even" and uneven)
                )
                if shown and name not in seen and name in self._part.rels:
                    seen.add(name)
                    yield _element(self._part.rels[name].target_part)

    def figure(self, name: str) -> Any:
        """The root of the chart or SmartArt that the body shows by this relationship id, or None."""
        relation = self._part.rels.get(name)
        return None if relation is None else _element(relation.target_part)

    def _sections(self) -> list[Any]:
        return [element for element in self.body.iter(W + "sectPr") if element.getparent().tag != W + "sectPrChange"]

    def _related(self, kind: str) -> Any:
        return _root(self._part, f"{RELATIONSHIPS}/{kind}")


def _root(source: Any, kind: str) -> Any:
    try:
        return _element(source.part_related_by(kind))
    except KeyError:
        return None


def _element(part: Any) -> Any:
    """A part's root; python-docx parses only the kinds of part that it has a class for."""
    from docx.oxml.parser import parse_xml
    from lxml import etree

    try:
        return part.element if hasattr(part, "element") else parse_xml(part.blob)
    except etree.XMLSyntaxError as error:
        raise Corrupt(f"A part of the Word file is not well-formed: {error.msg}") from error


def _all(root: Any, tag: str) -> Iterable[Any]:
    return () if root is None else root.findall(tag)


def _metadata(root: Any) -> dict[str, str]:
    values = {} if root is None else {child.tag.rpartition("}")[2]: (child.text or "").strip() for child in root}
    return {name: values[key] for key, name in METADATA.items() if values.get(key)}


@dataclass(slots=True)
class _Writer:
    """Puts blocks together; knows where each heading starts and where pages end."""

    max_chars: int
    _parts: list[str] = field(default_factory=list)
    _size: int = 0
    _space: str = ""
    _group: str | None = None
    _paged: bool = False
    _headings: list[tuple[int, int, str]] = field(default_factory=list)
    _body_end: int = 0

    def add(self, block: Block) -> None:
        """Append a block; page breaks at its ends and between blocks become one boundary."""
        text = block.text.strip()
        self._paged = self._paged or HARD_BREAK in block.text or RENDERED_BREAK in block.text
        if not text:
            self._space += block.text
            return
        lead, tail = block.text[: block.text.index(text)], block.text[block.text.index(text) + len(text) :]
        self._put(self._boundary(self._space + lead, block.group))
        if block.level is not None:
            self._headings.append((self._size, block.level, " ".join(text.split())))
        self._put(SPACE.sub(lambda match: _breaks(match[0]) or match[0], text))
        self._space, self._group = tail, block.group

    def end_body(self) -> None:
        """Say that what follows belongs to no section."""
        self._body_end = self._size

    def pages(self, max_pages: int) -> tuple[Page, ...]:
        """The pages, numbered if the file records where any page ends.

        `HARD_BREAK` is as long as `PAGE_SEPARATOR`, so offsets hold in `Document.text` as well.
        """
        texts = "".join(self._parts).split(HARD_BREAK)
        if len(texts) > max_pages:
            raise TooLarge(f"The file has {len(texts)} pages; `max_pages` allows {max_pages}.")
        return tuple(
            Page(number if self._paged else None, text, origin="text" if text else "empty")
            for number, text in enumerate(texts, 1)
        )

    def sections(self) -> tuple[Section, ...]:
        """A section from each heading to the next, with the path of headings above it."""
        ends = [start for start, _, _ in self._headings[1:]] + [self._body_end]
        path: list[tuple[int, str]] = []
        sections = []
        for (start, level, title), end in zip(self._headings, ends, strict=False):
            path = [*(upper for upper in path if upper[0] < level), (level, title)]
            sections.append(Section(tuple(name for _, name in path), start, end))
        return tuple(sections)

    def _boundary(self, space: str, group: str | None) -> str:
        if not self._size:
            return HARD_BREAK * space.count(HARD_BREAK)
        return _breaks(space) or ("\n" if group and group == self._group else "\n\n")

    def _put(self, text: str) -> None:
        self._parts.append(text)
        self._size += len(text)
        if self._size > self.max_chars:
            raise TooLarge(f"The file holds more than {self.max_chars} characters (`max_chars`).")


def _breaks(space: str) -> str:
    """One `HARD_BREAK` for each page that ends here; Word records an author's break a second time as rendered."""
    return HARD_BREAK * max(space.count(HARD_BREAK), space.count(RENDERED_BREAK))
