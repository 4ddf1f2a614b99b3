"""Text to words, identifiers, and runs of scripts whose words are not divided by spaces."""

from __future__ import annotations

import re
from itertools import pairwise
from unicodedata import category

__all__ = ["CLUSTER", "MARKS", "PIECE", "SPACED", "SPLIT", "is_undivided", "pairs", "split"]

UNDIVIDED = (
    "\u0e01-\u0e3a\u0e40-\u0e4e\u0e80-\u0eff"  # Thai, Lao
    "\u1000-\u109f\u1780-\u17d3"  # Myanmar, Khmer
    "\u1100-\u11ff\uac00-\ud7ff"  # Korean: its particles stand at the noun
    "\u2e80-\u2fdf\u3005-\u3007\u3021-\u302f\u3031-\u3035\u3041-\u309f\u30a1-\u30fa\u30fc-\u30ff\u31f0-\u31ff"
    "\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff\U00020000-\U0003ffff"  # Japanese, Chinese
)


def _marks(first: int, end: int) -> str:
    """The combining marks among these code points."""
    return "".join(chr(code) for code in range(first, end) if category(chr(code)) in ("Mn", "Mc"))


IS_UNDIVIDED = re.compile(f"[{UNDIVIDED}]")
MARKS = IS_UNDIVIDED.sub("", _marks(0x300, 0x2000))
"""Combining marks of scripts that divide their words: parts of words, but no letters."""

LETTER = rf"[^\W_{UNDIVIDED}]"
PART = rf"{LETTER}+(?:[{MARKS}]+{LETTER}*)*"
JOINT = r"(?:[-\u2010\u2011._@+#&'\u2019]|(?<=\d)[/:,=](?=\d))"

USUAL = r"[A-Za-z0-9\xc0-\xd6\xd8-\xf6\xf8-\xff]++(?=\s|[,.;)]\s)"
"""A word of Western Europe before a space. It is no other word than `PART` finds, but is found in half the time."""

SPLIT = re.compile(f"{USUAL}|[{UNDIVIDED}]+|{PART}(?:{JOINT}{PART})*")
SPLIT_ASCII = re.compile(r"[A-Za-z0-9]++(?:[-._@+#&'/:,=](?:(?<=[-._@+#&'])|(?<=\d[/:,=])(?=\d))[A-Za-z0-9]++)*+")
"""The same for ASCII alone, in half the time. Joints are one set of characters, of which `re` tries few."""

CLUSTER = re.compile(
    f".[{''.join(chr(code) for code in range(0xE00, 0x1800) if category(chr(code)) in ('Mn', 'Mc'))}]*"
)

PIECE = re.compile(r"\d+|[^\W\d_]+(?:[^\w\s\-\u2010\u2011.@+#&'\u2019/:,=]+[^\W\d_]*)*")
"""Digits, or letters with their marks."""

SPACED = re.compile(r"(?<![^\s(\[\"'+])(?:[^\W\d_]{1,6}(?=[ \d])\d*|\+?\d+)(?: \d+){1,8}(?![^\W_]| \d|[-.,:/]\d)")
"""Groups of digits with spaces between them, perhaps with letters before: `DIN 912`, `+49 231 5501`, an IBAN."""


def split(text: str) -> list[str]:
    """Split plain text into words with their joints (`KP-4567`, `l'état`), and runs of undivided scripts."""
    return SPLIT_ASCII.findall(text) if text.isascii() else SPLIT.findall(text)


def is_undivided(word: str) -> bool:
    """Whether the word is a run of a script that does not divide words."""
    return IS_UNDIVIDED.match(word) is not None


def pairs(run: str) -> list[str]:
    """The overlapping pairs of characters of a run, each with its marks; a single character as it is."""
    clusters = CLUSTER.findall(run)
    return [first + second for first, second in pairwise(clusters)] or clusters
