"""The text of an HTML fragment: the body of a mail, the content of a feed."""

from __future__ import annotations

from lxml import etree

from extractors.docx.html import html_blocks

__all__ = ["html_text"]


def html_text(source: str) -> str:
    """Return the lines of an HTML page or fragment: a line each for paragraphs, headings, list items and table rows.

    Empty where it shows no text.
    """
    try:
        blocks = html_blocks(source.encode("utf-8", "replace")) if source.strip() else []
    except (etree.LxmlError, AssertionError):  # nothing but a comment, or no element at all
        return ""
    return "\n".join(block.text for block in blocks)
