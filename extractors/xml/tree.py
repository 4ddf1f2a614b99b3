"""Parse XML of any origin: no entity is resolved, nothing is fetched, and depth and size are bounded."""

from __future__ import annotations

import html
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from lxml import etree

from extractors.options import Options
from extractors.passages import one_line
from extractors.text.source_text import SourceText, read_source

__all__ = ["DAMAGED", "child_texts", "is_element", "local", "parse", "read_xml", "text_of_element"]

DAMAGED = "The XML is damaged: what stands behind the damage may not be in the text."

BREAKS = frozenset(("br", "lb", "pb", "cb", "tab", "line-break", "soft-page-break"))
"""Elements without text that part words."""
DECLARATION = re.compile(r"\A\s*<\?xml[^>]*\?>")


def read_xml(path: Path, options: Options) -> tuple[SourceText, Any | None, bool]:
    """Read an XML file: its source, its root element, and whether it is damaged. The root is None if there is none.

    Raises:
        TooLarge: it cannot have fewer than `options.max_chars` characters.
        Unsupported: it is not text.
    """
    source = read_source(path, options)
    root = parse(source.text)
    if root is not None:
        return source, root, False
    return source, parse(source.text, recover=True), True


def parse(text: str, recover: bool = False) -> Any | None:
    """Return the root element, or None if the text is no well-formed XML (with `recover`: holds no element)."""
    parser = etree.XMLParser(
        encoding="utf-8", resolve_entities=False, no_network=True, huge_tree=False, recover=recover, load_dtd=False
    )
    try:
        return etree.fromstring(DECLARATION.sub("", text).lstrip("\ufeff \n\t").encode("utf-8", "replace"), parser)
    except (etree.XMLSyntaxError, ValueError):
        return None


def is_element(node: Any) -> bool:
    """Whether the node is an element: no comment, instruction or entity."""
    return isinstance(node.tag, str)


def local(node: Any) -> str:
    """The name of an element without its namespace; empty for what is no element."""
    return str(etree.QName(node).localname) if is_element(node) else ""


def text_of_element(element: Any) -> str:
    """All text in an element, in one line."""
    return one_line("".join(_texts(element)))


def child_texts(element: Any, *names: str) -> Iterator[str]:
    """Yield the text of each child with one of these local names, in order."""
    for child in element:
        if local(child) in names and (text := text_of_element(child)):
            yield text


def _texts(element: Any) -> Iterator[str]:
    """The text in an element without that of comments and instructions; entities as the characters they name."""
    yield element.text or (" " if local(element) in BREAKS else "")
    for node in element:
        if is_element(node):
            yield from _texts(node)
        elif node.tag is etree.Entity:
            yield html.unescape(node.text)
        yield node.tail or ""
