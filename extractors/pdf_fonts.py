"""What the fonts of a page that pdfium has open say of their characters."""

from __future__ import annotations

from typing import Any

import pypdfium2.raw as pdfium_c

__all__ = ["unmapped_share"]

MAX_ASKED = 500
"""Characters of a page that are asked for; of a longer text every second one, and so on."""


def unmapped_share(page: Any) -> float:
    """Return the share of the page's characters whose font does not say which characters they are, 0 to 1.

    pdfium then gives the code of the glyph for the character.
    """
    textpage = page.get_textpage()
    try:
        count = pdfium_c.FPDFText_CountChars(textpage)
        asked = range(0, count, max(1, count // MAX_ASKED))
        written = [index for index in asked if not pdfium_c.FPDFText_IsGenerated(textpage, index)]
        unmapped = sum(pdfium_c.FPDFText_HasUnicodeMapError(textpage, index) == 1 for index in written)
        return unmapped / len(written) if written else 0.0
    finally:
        textpage.close()
