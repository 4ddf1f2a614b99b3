"""SVG: the texts that a reader sees or hears: title, description and writing, not the paths."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from extractors.document import Document
from extractors.options import Options
from extractors.passages import Passages, one_line
from extractors.registry import extractor
from extractors.xml.html_text import html_text, inner_html
from extractors.xml.tree import DAMAGED, is_element, local, read_xml, text_of_element

__all__ = ["extract_svg"]

UNREAD = frozenset(("style", "script", "metadata"))
HIDDEN = re.compile(r"(?:^|;)\s*display\s*:\s*none\b")
OWN_PLACE = ("x", "y", "dy")
"""Attributes that begin a new line of a text, or a new column."""


@extractor("image/svg+xml")
def extract_svg(path: Path, options: Options) -> Document:
    """Read a vector picture: a line for each title, description and text, in the order of the file.

    Raises:
        TooLarge: it cannot have fewer than `options.max_chars` characters.
        Unsupported: it is not text.
    """
    source, root, damaged = read_xml(path, options)
    passages = Passages()
    passages.warnings += source.warnings
    passages.missing += [DAMAGED] if damaged else []
    lines = list(_lines(root)) if root is not None else []
    passages.add("\n".join(lines))
    title = next((text_of_element(child) for child in root if local(child) == "title"), "") if root is not None else ""
    return passages.document("image/svg+xml", {"title": title, "encoding": source.encoding})


def _lines(element: Any) -> Iterator[str]:
    name = local(element)
    if not name or name in UNREAD or element.get("display") == "none" or HIDDEN.search(element.get("style", "")):
        return
    if name in ("title", "desc"):
        text = text_of_element(element)
    elif name in ("text", "flowRoot"):
        text = one_line("".join(_spans(element)))
    elif name == "foreignObject":
        text = html_text(inner_html(element))
    else:
        for child in element:
            yield from _lines(child)
        return
    if text:
        yield text


def _spans(element: Any) -> Iterator[str]:
    """The text of an element and its spans; one that has a place of its own is parted by a space."""
    yield element.text or ""
    for child in element:
        if is_element(child) and local(child) not in ("title", "desc"):
            yield " " if any(child.get(name) for name in OWN_PLACE) or local(child) == "flowPara" else ""
            yield from _spans(child)
        yield child.tail or ""
