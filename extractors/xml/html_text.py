"""The text of an HTML fragment: the body of a mail, the content of a feed."""

from __future__ import annotations

import re
from typing import Any

from lxml import etree

from extractors.docx.html import html_blocks

__all__ = ["html_text", "inner_html"]

PREFIX = re.compile(r"<(/?)[A-Za-z_][\w.-]{0,60}:")


def html_text(source: str) -> str:
    """Return the lines of an HTML page or fragment: a line each for paragraphs, headings, list items and table rows.

    Empty where it shows no text.
    """
    try:
        blocks = html_blocks(source.encode("utf-8", "replace")) if source.strip() else []
    except (etree.LxmlError, AssertionError):  # nothing but a comment, or no element at all
        return ""
    return "\n".join(block.text for block in blocks)


def inner_html(element: Any) -> str:
    """Return what an XML element holds as the source of HTML, names without their prefixes."""
    children = "".join(etree.tostring(child, encoding="unicode", method="html") for child in element)
    return (element.text or "") + PREFIX.sub(r"<\1", children)
