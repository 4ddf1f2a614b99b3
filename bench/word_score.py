"""Compare two texts by their words (recall and precision): shared code of `bench/fidelity.py`."""

from __future__ import annotations

import html
import re
from collections import Counter

__all__ = ["flat", "same_newlines", "score", "strip_marks"]

LETTER_SCRIPTS = re.compile(r"[\u3040-\u30ff\u3400-\u9fff\uac00-\ud7af\uf900-\ufaff]")
"""Kana, Chinese characters, Hangul: scripts that are compared by letter."""
MOSTLY = 0.3

MARKS = (
    (re.compile(r"<!--.*?-->", re.DOTALL), " "),
    (re.compile(r"!?\[([^\]]*)\]\([^()\s]*(?:\([^()\s]*\)[^()\s]*)*\)"), r"\1"),
    (re.compile(r"</?[a-z]{1,10}\s*/?>"), " "),
    (re.compile(r"\\([!-/:-@\[-`{-~])"), r"\1"),
    (re.compile(r"[*`~]"), ""),
    (re.compile(r"[_#|>]"), " "),
)
"""Comments, links and pictures, tags, escapes; emphasis may stand inside a word, the others part words."""


def strip_marks(text: str) -> str:
    """Take the marks of Markdown away and keep what they mark."""
    for pattern, kept in MARKS:
        text = pattern.sub(kept, text)
    return html.unescape(text)


def score(truth: str, text: str) -> tuple[float, float]:
    """Return recall and precision of the words as multisets; 1 and 1 where the truth has none."""
    split = _letters if _by_letter(truth) else _words
    wanted, got = split(truth), split(text)
    if not wanted:
        return 1.0, 1.0
    both = (wanted & got).total()
    return both / wanted.total(), both / (got.total() or 1)


def flat(text: str) -> str:
    """Make every run of white space one blank."""
    return re.sub(r"\s+", " ", text).strip()


def same_newlines(text: str) -> str:
    """Write every line end as a line feed."""
    return text.replace("\r\n", "\n").replace("\r", "\n")


def _words(text: str) -> Counter[str]:
    return Counter(re.findall(r"\w+", text.lower()))


def _letters(text: str) -> Counter[str]:
    return Counter(re.findall(r"\w", text.lower()))


def _by_letter(text: str) -> bool:
    letters = re.findall(r"\w", text)
    return len(LETTER_SCRIPTS.findall(text)) > MOSTLY * len(letters)
