"""Mend a page's text by where its characters stand: what is drawn twice is read once, spaced-out words are words.

Programs draw text twice, a little aside, to make it bold or to give it a shadow, and they set the letters of a heading
apart one by one. Only pages that may have such text are measured.
"""

from __future__ import annotations

import re

from extractors.divided_words import HYPHEN
from extractors.pdf.copies import copied, may_have_copies
from extractors.pdf.placement import Run
from extractors.pdf.spacing import may_be_set_apart, spaces_within_words

__all__ = ["may_be_mended", "mended"]

COPIED = re.compile("(?P<before>s*)(?P<inner>c(?:[sh]*c)*h?)(?P<after>s*)")
"""A stretch of copies in a text whose copies are `c`, its white space `s`, its divided line ends `h`."""


def may_be_mended(text: str) -> bool:
    """Whether the text looks as if letters were set apart or drawn twice."""
    return may_have_copies(text) or may_be_set_apart(text)


def mended(text: str, runs: list[Run]) -> tuple[str, list[Run]]:
    """Return the text without copies and with words put together, and its runs, which are single characters."""
    text, runs = _cut(text, runs, _removed(text, copied(text, runs)))
    return _cut(text, runs, spaces_within_words(text, runs))


def _removed(text: str, copies: set[int]) -> dict[int, str]:
    """What goes: copies, the space within them, and that before them or after them."""
    removed = dict.fromkeys(copies, "")
    for match in COPIED.finditer("".join("c" if index in copies else _kind(char) for index, char in enumerate(text))):
        inner = range(*match.span("inner"))
        after = range(*match.span("after"))
        before = range(*match.span("before"))
        removed.update(dict.fromkeys(inner, ""))
        keeps_break = "\n" in text[after.start : after.stop] or match.end() == len(text)
        removed.update(dict.fromkeys(before if keeps_break else after if before else (), ""))
    return removed


def _kind(char: str) -> str:
    return "s" if char.isspace() else "h" if char == HYPHEN else "x"


def _cut(text: str, runs: list[Run], replaced: dict[int, str]) -> tuple[str, list[Run]]:
    """The text with characters replaced, and the runs at their new offsets."""
    if not replaced:
        return text, runs
    pieces, starts, length = list[str](), list[int](), 0
    for index, char in enumerate(text):
        pieces.append(replaced.get(index, char))
        starts.append(length)
        length += len(pieces[-1])
    kept = (run for run in runs if replaced.get(run.start) != "")
    moved = [run._replace(start=starts[run.start], end=starts[run.start] + 1) for run in kept]
    return "".join(pieces), moved
