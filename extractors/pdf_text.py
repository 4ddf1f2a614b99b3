"""Turn an engine's raw text into words as the author wrote them.

No letter is dropped or changed; a ligature is spelled out, and a soft hyphen, which only says where a word may be
divided, goes.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable
from itertools import pairwise

from extractors.pdf_engine import HYPHEN

__all__ = ["is_garbage", "tidy"]

LIGATURES = str.maketrans(
    {"\ufb00": "ff", "\ufb01": "fi", "\ufb02": "fl", "\ufb03": "ffi", "\ufb04": "ffl", "\ufb05": "st", "\ufb06": "st"}
)
CONNECTORS = frozenset(["und", "oder", "bzw", "sowie", "bis", "and", "or", "to", "et", "ou", "y", "o", "e"])
"""After a hanging hyphen ("Vor- und Nachteile") the next word is not its other half."""

WORD = re.compile(r"\w+(?:-\w+)*")
WORD_END = re.compile(r"[^\W_]+$")
WORD_START = re.compile(r"[^\W_]+")
OLD_HYPHEN = re.compile(r"(?<=\w)\x02(?:\r?\n)?(?=\w)")
CONTROL = re.compile(r"[\x00-\x08\x0e-\x1f\x7f\x80-\x9f\ufffe\uffff]")
UNREADABLE = re.compile(r"[\x00-\x08\x0e-\x1f\x7f-\x9f\ufffd\ue000-\uf8ff\uffff]")
WINDOW = 80
"""No word is longer: how far to look left and right of a hyphen."""


def is_garbage(raw: str) -> bool:
    """Whether a text layer is unusable: a third of it maps to no character that one could read."""
    printed = len("".join(raw.split()))
    return printed > 0 and len(UNREADABLE.findall(OLD_HYPHEN.sub("", raw))) * 3 > printed


def tidy(raw_pages: list[str]) -> list[str]:
    """Return the pages with equal line ends, whole words and no characters that stand for nothing.

    A word that the source divides at the end of a line is put together; a hyphen that belongs to the
    word stays. Which of the two it is, the rest of the document tells, where it uses the word.
    """
    pages = [_plain(raw) for raw in raw_pages]
    if not any(HYPHEN in page for page in pages):
        return [_finished(page) for page in pages]
    divided = {pair for page in pages for pair in _divided(page)}
    seen = _occurrences(pages, divided)
    return [_finished(_undivided(page, seen)) for page in pages]


def _plain(raw: str) -> str:
    text = OLD_HYPHEN.sub(HYPHEN, raw).replace("\r\n", "\n").replace("\r", "\n")
    return text.replace("\u00ad", "").translate(LIGATURES)


def _finished(text: str) -> str:
    return re.sub(r"[ \t]+$", "", CONTROL.sub("", text), flags=re.MULTILINE).strip()


def _divided(page: str) -> Iterable[tuple[str, str]]:
    """The two halves of each word that a line end divides."""
    return (_halves(left, right) for left, right in pairwise(page.split(HYPHEN)))


def _halves(left: str, right: str) -> tuple[str, str]:
    end, start = WORD_END.search(left[-WINDOW:]), WORD_START.match(right[:WINDOW])
    return (end[0] if end else "", start[0] if start else "")


def _occurrences(pages: list[str], divided: set[tuple[str, str]]) -> Counter[str]:
    """How often the document writes each divided word in one piece, and how often with a hyphen."""
    wanted = {_key(form) for left, right in divided for form in (left + right, f"{left}-{right}")}
    words = (_key(match[0]) for page in pages for match in WORD.finditer(page))
    return Counter(word for word in words if word in wanted)


def _key(word: str) -> str:
    """The word as it stands in the middle of a sentence."""
    return word[:1].lower() + word[1:]


def _undivided(page: str, seen: Counter[str]) -> str:
    first, *rest = page.split(HYPHEN)
    parts = [first]
    for right in rest:
        parts += [_joint(*_halves(parts[-1], right), seen), right]
    return "".join(parts)


def _joint(left: str, right: str, seen: Counter[str]) -> str:
    """What stands between the halves: nothing, a hyphen, or a hanging hyphen and a space."""
    if not left or not right:
        return "-"
    whole, hyphenated = seen[_key(left + right)], seen[_key(f"{left}-{right}")]
    if whole != hyphenated:
        return "" if whole > hyphenated else "-"
    if right in CONNECTORS:
        return "- "
    return "" if right[0].islower() and left[-1].isalpha() else "-"
