"""Pictures of pages for readers, and where the characters of a page's text stand on them.

page        a page of a file (PDF, pictures) as a picture
sheet       a plain picture of a text, for formats whose pages cannot be drawn
places      where the characters of a page's text stand
alignment   which drawn glyph is which character of the text
picture     a picture as PNG, JPEG or WebP, with marked passages
"""

from __future__ import annotations

__all__ = ["DRAWING_VERSION"]

DRAWING_VERSION = "2"
"""Raise it when the same page gives another picture or other places: kept ones are then made anew."""
