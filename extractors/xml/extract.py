"""XML of any vocabulary: the text of its elements and their attributes, a line for each that says something.

<part no="KP-4567" unit="m">Rope</part>     Rope (no: KP-4567, unit: m)
<pump place="quay"><flow>5</flow></pump>    pump (place: quay)
5
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from lxml import etree

from extractors.document import Document, Page
from extractors.options import Options
from extractors.passages import Passages, one_line
from extractors.registry import extractor
from extractors.text.source_text import without_blobs
from extractors.xml.tree import is_element, local, read_xml, text_of_element

__all__ = ["extract_xml"]

UNREAD = ("class", "style")
MARKED_UP = 0.3
"""Share of the text of books, articles and patents that stands beside elements at least (.6 to .96 of seven)."""
SHORT_NUMBER = 4
"""Digits of an `id` from which on it may be the number of an order or of a customer, and is read."""


@extractor("application/xml")
def extract_xml(path: Path, options: Options) -> Document:
    """Read XML by its elements and attributes. What is damaged, or says more in attributes, is plain text as it stands.

    Raises:
        TooLarge: it cannot have fewer than `options.max_chars` characters.
        Unsupported: it is not text.
    """
    source, root, damaged = read_xml(path, options)
    lines = list(_lines(root, has_data=not _is_prose(root))) if root is not None and not damaged else []
    if root is None or (local(root) != "opml" and _in_elements(root) < _in_attributes(root)):
        lines = []
    if not lines:
        plain = without_blobs(source)
        metadata = {"encoding": plain.encoding}
        return Document("text/plain", (Page(None, plain.text),), metadata=metadata, warnings=plain.warnings)
    passages = Passages()
    passages.warnings += source.warnings
    passages.add("\n".join(lines))
    return passages.document("application/xml", {"encoding": source.encoding})


def _lines(element: Any, has_data: bool) -> Iterator[str]:
    """A line for an element that holds text or has attributes, and those of its children if they are not in it.

    Args:
        element: of XML.
        has_data: whether attributes are read.
    """
    is_line = _is_line(element)
    text = (text_of_element(element) if is_line else "") or _label(element)
    attributes = ", ".join(f"{name}: {value}" for name, value in _attributes(element) if has_data and value != text)
    if attributes:
        yield f"{text or local(element)} ({attributes})"
    elif text:
        yield text
    for child in () if is_line else filter(is_element, element):
        yield from _lines(child, has_data)


def _is_prose(root: Any) -> bool:
    """Whether it is the markup of a text, as in books and patents: attributes say how it is set, not what it says."""
    return sum(map(len, map(text_of_element, _marked_up(root)))) > MARKED_UP * _in_elements(root)


def _marked_up(element: Any) -> Iterator[Any]:
    """The elements that hold text beside elements, without those in them."""
    if not _is_line(element):
        for child in filter(is_element, element):
            yield from _marked_up(child)
    elif any(map(is_element, element)):
        yield element


def _is_line(element: Any) -> bool:
    """Whether the element holds text beside elements, or no element."""
    return _is_mixed(element) or not any(map(is_element, element))


def _is_mixed(element: Any) -> bool:
    return bool((element.text or "").strip()) or any((node.tail or "").strip() for node in element)


def _label(element: Any) -> str:
    """The text of an entry of an outline (OPML), which stands in an attribute."""
    return one_line(element.get("text", "")) if local(element) == "outline" else ""


def _attributes(element: Any) -> Iterator[tuple[str, str]]:
    """The attributes that say something to people: those with a namespace, styles and running numbers do not."""
    for name, value in element.attrib.items():
        shown = one_line(value)
        is_count = name.lower() == "id" and shown.isdigit() and len(shown) < SHORT_NUMBER
        if shown and not name.startswith("{") and name not in UNREAD and not is_count:
            yield name, shown


def _in_elements(root: Any) -> int:
    """Characters of the text of elements."""
    return sum(len(one_line(text)) for text in root.itertext(etree.Element))


def _in_attributes(root: Any) -> int:
    """Characters of attributes that read like words: with a space, or a letter that is not ASCII."""
    values = (value for node in root.iter() if is_element(node) for value in node.attrib.values())
    return sum(len(value) for value in values if " " in value.strip() or not value.isascii())
