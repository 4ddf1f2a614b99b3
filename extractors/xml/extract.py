"""XML of any vocabulary: the text of its elements, a line for each that holds text."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from extractors.document import Document, Page
from extractors.options import Options
from extractors.passages import Passages
from extractors.registry import extractor
from extractors.text.source_text import without_blobs
from extractors.xml.tree import is_element, read_xml, text_of_element

__all__ = ["extract_xml"]


@extractor("application/xml")
def extract_xml(path: Path, options: Options) -> Document:
    """Read XML: the text of its elements. What is damaged, or says more in its attributes, is plain text as it stands.

    Raises:
        TooLarge: it cannot have fewer than `options.max_chars` characters.
        Unsupported: it is not text.
    """
    source, root, damaged = read_xml(path, options)
    lines = list(_lines(root)) if root is not None and not damaged else []
    if root is None or sum(map(len, lines)) < _in_attributes(root):
        lines = []
    if not lines:
        plain = without_blobs(source)
        metadata = {"encoding": plain.encoding}
        return Document("text/plain", (Page(None, plain.text),), metadata=metadata, warnings=plain.warnings)
    passages = Passages()
    passages.warnings += source.warnings
    passages.add("\n".join(lines))
    return passages.document("application/xml", {"encoding": source.encoding})


def _lines(element: Any) -> Iterator[str]:
    """A line for an element that holds text beside elements or no element; otherwise those of its children."""
    children = [child for child in element if is_element(child)]
    mixed = any((node.tail or "").strip() for node in element) or (element.text or "").strip()
    if mixed or not children:
        if text := text_of_element(element):
            yield text
        return
    for child in children:
        yield from _lines(child)


def _in_attributes(root: Any) -> int:
    """Characters of attributes that read like words: with a space, or a letter that is not ASCII."""
    values = (value for node in root.iter() if is_element(node) for value in node.attrib.values())
    return sum(len(value) for value in values if " " in value.strip() or not value.isascii())
