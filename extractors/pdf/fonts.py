"""What the fonts of a page that pdfium has open say of their characters."""

from __future__ import annotations

import ctypes
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from itertools import pairwise
from typing import Any, TypeAlias

import pypdfium2.raw as pdfium_c

__all__ = ["unmapped_of"]

MAX_ASKED = 500
"""Characters of a page that are asked for; of a longer text every second one, and so on."""
FEW = 0.1
"""Share of unmapped characters up to which they are not looked at: leaders, bullets."""
MAX_CHARS = 6_000
OTHER_WIDTH = 1.1
"""Factor by which the widths of two glyphs differ that are not the same one."""
MANY_WIDTHS = 3
"""Different widths of one character in one font, from which the font names several glyphs by it."""
ENOUGH = 60
"""Characters of a page from which their widths are compared: a short line may be stretched here and there."""
FONT_NAME = 128
"""Bytes of a font's name that are looked at."""

SHAPED = 0x0590
"""From this character on, scripts write one letter in several forms."""

IDEOGRAPH, LAST_IDEOGRAPH, HANGUL, LAST_HANGUL = 0x4E00, 0x9FFF, 0xAC00, 0xD7A3
"""Chinese characters and Korean syllables: each is as wide as the others of its font."""

Kind: TypeAlias = tuple[int, bytes]
"""A character and its font."""


def unmapped_of(page: Any) -> tuple[float, str]:
    """Return (share of the page's characters whose font does not say what they are, these characters).

    pdfium gives the code of the glyph for such a character. A font that names several glyphs by one character does not
    say what they are either. The characters are "" for a small share; a blank stands between two of them that are not
    neighbours.
    """
    textpage = page.get_textpage()
    try:
        count = pdfium_c.FPDFText_CountChars(textpage)
        asked = range(0, count, max(1, count // MAX_ASKED))
        written = [index for index in asked if not pdfium_c.FPDFText_IsGenerated(textpage, index)]
        shared = _shared(textpage, written) if len(written) >= ENOUGH else set[int]()
        bad = [i for i in written if _is_unmapped(textpage, i) or i in shared]
        share = len(bad) / max(1, len(written))
        if share <= FEW:
            return share, ""
        return share, "".join(_unmapped(textpage, range(min(count, MAX_CHARS)))) if not shared else ""
    finally:
        textpage.close()


def _is_unmapped(textpage: Any, index: int) -> bool:
    return bool(pdfium_c.FPDFText_HasUnicodeMapError(textpage, index) == 1)


def _unmapped(textpage: Any, indices: Sequence[int]) -> Iterator[str]:
    for index in indices:
        code = pdfium_c.FPDFText_GetUnicode(textpage, index) if _is_unmapped(textpage, index) else 0
        yield chr(code) if 0 < code < 0x110000 else " "


def _shared(textpage: Any, indices: Iterable[int]) -> set[int]:
    """Which characters stand for several glyphs of their font: these have several widths."""
    widths = defaultdict[Kind, dict[int, float]](dict)
    for index in indices:
        code = _kind(pdfium_c.FPDFText_GetUnicode(textpage, index))
        width = _width(textpage, index) if code < SHAPED or code == IDEOGRAPH else 0.0
        if width > 0:
            widths[code, _font(textpage, index)][index] = width
    return {index for of_kind in widths.values() if _differ(of_kind.values()) for index in of_kind}


def _kind(code: int) -> int:
    """The character, or one and the same for all that a font draws equally wide; `SHAPED` for a space."""
    if IDEOGRAPH <= code <= LAST_IDEOGRAPH or HANGUL <= code <= LAST_HANGUL:
        return IDEOGRAPH
    return SHAPED if code < SHAPED and chr(code).isspace() else code


def _differ(widths: Iterable[float]) -> bool:
    steps = sum(after > OTHER_WIDTH * before for before, after in pairwise(sorted(widths)))
    return steps + 1 >= MANY_WIDTHS


def _width(textpage: Any, index: int) -> float:
    """How far the pen moves for a character that stands upright, in heights of its font; 0 for others."""
    box = pdfium_c.FS_RECTF()
    if pdfium_c.FPDFText_GetCharAngle(textpage, index) != 0:
        return 0.0
    found = pdfium_c.FPDFText_GetLooseCharBox(textpage, index, ctypes.byref(box))
    return (box.right - box.left) / (box.top - box.bottom) if found and box.top > box.bottom else 0.0


def _font(textpage: Any, index: int) -> bytes:
    name, flags = ctypes.create_string_buffer(FONT_NAME), ctypes.c_int()
    pdfium_c.FPDFText_GetFontInfo(textpage, index, name, FONT_NAME, ctypes.byref(flags))
    return name.value
