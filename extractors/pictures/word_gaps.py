"""Part a number from the word before it where the picture shows a gap that OCR took for none ("Seite1")."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from extractors.pictures.page_ink import ink_level

if TYPE_CHECKING:
    from PIL.Image import Image

__all__ = ["parted"]

WORD_AND_NUMBER = re.compile(r"([^\W\d_]{2,})(\d{1,4})")
LEAST = 0.22
"""Width of the gap in heights of the word: letters stand closer."""
CLEAR = 2.5
"""How many times wider it is than the next widest gap in the word."""
ASTRAY = 0.2
"""How far, in widths of the word, the gap may lie from where the letters end if all are equally wide."""


def parted(text: str, box: tuple[int, int, int, int], page: Image) -> str:
    """Return the word, with a space before its number if the widest gap of its picture clearly stands there.

    Args:
        text: the word as OCR read it.
        box: left, top, right and bottom of the word on the page.
        page: the page in grey, dark on light.
    """
    import numpy as np

    match = WORD_AND_NUMBER.fullmatch(text)
    if not match:
        return text
    word = page.crop(box)
    inked = np.flatnonzero((np.asarray(word) <= ink_level(word)).any(axis=0))
    gaps = np.diff(inked) - 1
    if gaps.size == 0:
        return text
    widest = int(gaps.argmax())
    rest = max(1, int(np.delete(gaps, widest).max(initial=0)))
    place = float(inked[widest] - inked[0] + gaps[widest] / 2) / max(1, int(inked[-1] - inked[0]))
    wide = gaps[widest] >= max(LEAST * word.height, CLEAR * rest)
    here = abs(place - len(match[1]) / len(text)) <= ASTRAY
    return f"{match[1]} {match[2]}" if wide and here else text
