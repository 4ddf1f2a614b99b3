"""The parts of an opened Word file that are read, each parsed when it is first asked for."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

from extractors.docx.embedded import embedded_sentences
from extractors.docx.numbering import Numbering
from extractors.docx.package import WordPackage
from extractors.docx.styles import RELATIONSHIPS, Styles, W, attribute, is_on
from extractors.errors import Corrupt

__all__ = ["WordParts"]

CORE_PROPERTIES = "http://schemas.openxmlformats.org/package/2006/relationships/metadata/core-properties"
METADATA = {
    "title": "title", "subject": "subject", "creator": "author", "keywords": "keywords", "description": "description",
    "category": "category", "language": "language", "created": "created", "modified": "modified",
    "lastModifiedBy": "last_modified_by",
}  # fmt: skip
"""Core properties that are kept, and their names in `Document.metadata`."""


class WordParts:
    """The parts of an opened Word file that are read."""

    def __init__(self, package: WordPackage) -> None:
        self._part = package.word.part
        self.package = package
        self.body: Any = package.word.element.find(W + "body")
        if self.body is None:
            raise Corrupt("The Word file has no body.")
        self.styles = Styles(self._related("styles"))
        self.numbering = Numbering(self._related("numbering"), self.styles)
        self.metadata = _metadata(_root(self._part.package, CORE_PROPERTIES))

    @property
    def notes(self) -> dict[tuple[str, str], Any]:
        """Footnotes, endnotes and comments by kind and id; separators are among them, nothing refers to them."""
        return {
            (kind, note.get(W + "id", "")): note
            for kind in ("footnote", "endnote", "comment")
            for note in _all(self._related(kind + "s"), W + kind)
        }

    @property
    def is_laid_out(self) -> bool:
        """Whether Word has recorded where pages end. An author's page break alone does not number the pages."""
        return next(self.body.iter(W + "lastRenderedPageBreak"), None) is not None

    @property
    def section_starts(self) -> list[str]:
        """How each section after the first begins: the break is recorded with the section that it opens."""
        return [attribute(properties, "type") or "nextPage" for properties in self._sections()[1:]]

    @property
    def missing(self) -> tuple[str, ...]:
        """Sentences on what the file holds and is not in its text."""
        embedded = embedded_sentences(self.body, self.package.embedded)
        return (*self.package.missing, *embedded)

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
    """The root of the first part of this kind, or None; some programs write two of a kind where one is allowed."""
    parts = (relation.target_part for relation in source.rels.values() if relation.reltype == kind)
    return next(map(_element, parts), None)


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
