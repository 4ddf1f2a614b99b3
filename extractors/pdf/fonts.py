"""What the fonts of a page that pdfium has open say of their characters."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import pypdfium2.raw as pdfium_c

__all__ = ["unmapped_of"]

MAX_ASKED = 500
"""Characters of a page that are asked for; of a longer text every second one, and so on."""
FEW = 0.1
"""Share of unmapped characters up to which they are not looked at: leaders, bullets."""
MAX_CHARS = 6_000


def unmapped_of(page: Any) -> tuple[float, str]:
    """Return (share of the page's characters whose font does not say what they are, these characters).

    pdfium gives the code of the glyph for such a character. The characters are "" for a small share; a blank
    stands between two of them that are not neighbours.
    """
    textpage = page.get_textpage()
    try:
        count = pdfium_c.FPDFText_CountChars(textpage)
        asked = range(0, count, max(1, count // MAX_ASKED))
        written = [index for index in asked if not pdfium_c.FPDFText_IsGenerated(textpage, index)]
        share = sum(_is_unmapped(textpage, index) for index in written) / max(1, len(written))
        return share, "" if share <= FEW else "".join(_unmapped(textpage, range(min(count, MAX_CHARS))))
    finally:
        textpage.close()


def _is_unmapped(textpage: Any, index: int) -> bool:
    return bool(pdfium_c.FPDFText_HasUnicodeMapError(textpage, index) == 1)


def _unmapped(textpage: Any, indices: Sequence[int]) -> Iterator[str]:
    for index in indices:
        code = pdfium_c.FPDFText_GetUnicode(textpage, index) if _is_unmapped(textpage, index) else 0
        yield chr(code) if 0 < code < 0x110000 else " "
