"""The words that OCR reads on a page: how they make up its text, and which of them are no words but noise.

A rule of dashes, the rim of a stamp, a scrawl or a dithered ground becomes letters too. They differ from words by
what they are made of (a few letters, again and again), by their boxes (far higher, flatter or wider than the page's
writing) and by OCR's own confidence. No word is left out for one of these alone.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import groupby
from statistics import median
from typing import NamedTuple

__all__ = ["PageText", "Reading", "Word", "without_noise"]

SURE = 0.7
"""Confidence of a word that gives the page's height of letters."""
DOUBTFUL = 0.6
"""Confidence below which a word whose box or letters are odd is noise."""
GUESSED = 0.05
"""Confidence below which letters are noise whatever they look like, if no sure word stands in their line."""
HIGH, FLAT, WIDE = 1.7, 0.4, 3.0
"""Height of a word, and its width for each letter, as multiples of the page's height of letters."""
REPEATED = 6
"""Letters from which a word of hardly any different ones is a rule."""
LONE_MARKS = frozenset("€$£¥%§&@#*+-–—−=/•·°©®™.,:;!?()[]{}<>|\"'„“”‚‘’«»…")
"""Single characters that are writing without letters or digits."""


class PageText(NamedTuple):
    """What OCR read on a page: the text, the mean word confidence (0 to 1; None without words), and warnings."""

    text: str
    confidence: float | None
    warnings: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Word:
    """One word that Tesseract read: where it stands, its box in pixels, and its confidence (0 to 1)."""

    text: str
    paragraph: tuple[int, int]
    line: int
    confidence: float
    width: int = 0
    height: int = 0
    left: int = 0
    top: int = 0

    @property
    def box(self) -> tuple[int, int, int, int]:
        """Left, top, right and bottom on the page, in pixels."""
        return self.left, self.top, self.left + self.width, self.top + self.height

    @property
    def letters(self) -> str:
        """The letters and digits, folded."""
        return "".join(filter(str.isalnum, self.text.casefold()))


@dataclass(frozen=True, slots=True)
class Reading:
    """The result of one run of Tesseract; `dropped` is how many of its words were noise."""

    words: tuple[Word, ...]
    dropped: int = 0

    @classmethod
    def of(cls, words: Sequence[Word]) -> Reading:
        """The reading of these words without the noise among them."""
        kept = without_noise(words)
        return cls(kept, len(words) - len(kept))

    @property
    def seen(self) -> bool:
        """Whether there was anything like a word."""
        return bool(self.words) or self.dropped > 0

    @property
    def confidence(self) -> float | None:
        """Mean word confidence; None where no word was found."""
        return sum(word.confidence for word in self.words) / len(self.words) if self.words else None

    @property
    def worth(self) -> float:
        """Letters read with more than even confidence, less those read with less: compares readings of a page."""
        return sum(len(word.text) * (word.confidence - 0.5) for word in self.words)

    @property
    def text(self) -> str:
        """Words joined by spaces, lines by a newline, paragraphs by a blank line."""
        paragraphs = (
            "\n".join(" ".join(word.text for word in line) for _, line in groupby(paragraph, lambda word: word.line))
            for _, paragraph in groupby(self.words, lambda word: word.paragraph)
        )
        return "\n\n".join(paragraphs)


def without_noise(words: Sequence[Word]) -> tuple[Word, ...]:
    """Return the words without those that are the traces of rules, frames, pictures and dots."""
    heights = [word.height for word in words if word.confidence >= SURE and len(word.letters) > 1]
    height = median(heights) if heights else 0.0
    lines = (list(line) for _, line in groupby(words, lambda word: (word.paragraph, word.line)))
    return tuple(word for line in lines for word in _written(line, height))


def _written(line: list[Word], height: float) -> Iterable[Word]:
    supported = any(word.confidence >= SURE and len(word.letters) > 1 for word in line)
    kept = [word for word in line if not _is_noise(word, height, supported)]
    return [] if _is_rule(kept) or _is_fragment(kept) else kept


def _is_noise(word: Word, height: float, supported: bool) -> bool:
    """Whether the word is noise; `supported` says that sure words stand in its line."""
    if not word.letters:
        return _is_smear(word)
    if _is_repeated(word.letters) or (height > 0 and _has_odd_box(word, height)):
        return word.confidence < DOUBTFUL
    return word.confidence < GUESSED and not supported


def _is_smear(word: Word) -> bool:
    """Marks without a letter or digit. A single known one (a bullet, a currency) is writing, a row of "_" never is."""
    if word.text in LONE_MARKS:
        return word.confidence < GUESSED
    return word.confidence < DOUBTFUL or set(word.text) == {"_"}


def _is_repeated(letters: str) -> bool:
    few = max(2, len(letters) // 4)
    return len(letters) >= REPEATED and len(set(letters)) <= few and not letters.isdecimal()


def _has_odd_box(word: Word, height: float) -> bool:
    share = word.height / height
    flat = share < FLAT and len(word.letters) > 1
    return share > HIGH or flat or word.width > WIDE * height * len(word.text)


def _is_rule(line: list[Word]) -> bool:
    """Whether the line is a row of stars or dashes: many short words of a few letters, all of them uncertain."""
    letters = "".join(word.letters for word in line)
    short = len(line) > 3 and max(len(word.text) for word in line) <= 3
    return short and len(set(letters)) <= 5 and not any(map(str.isdecimal, letters)) and _mean(line) < DOUBTFUL


def _is_fragment(line: list[Word]) -> bool:
    """Whether the line is a letter or two, read with little confidence: the end of a frame, a speck."""
    letters = "".join(word.letters for word in line)
    return 0 < len(letters) <= 2 and not letters.isdecimal() and _mean(line) < 0.4


def _mean(line: list[Word]) -> float:
    return sum(word.confidence for word in line) / len(line)
