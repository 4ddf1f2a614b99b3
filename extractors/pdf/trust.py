"""Is a text layer to be trusted? Not if it stands for no characters, or its letters are not those that one sees.

A font may say wrongly, or not at all, which characters its glyphs show: a text layer then has letters that are shifted
or exchanged. Words of a language use some pairs of letters often and others never; exchanged letters do not keep to it.
What is not sure is trusted: part numbers, abbreviations, scripts and languages that are not in `letter_pairs`.
"""

from __future__ import annotations

import re
import unicodedata
from collections import Counter
from dataclasses import dataclass
from functools import cache
from itertools import islice

from extractors.encodings.letter_pairs import PAIRS
from extractors.pdf.text import UNREADABLE, is_garbage

__all__ = ["Words", "hardly_letters", "is_clearly_text", "needs_font_look", "why_distrusted", "words_of"]

USUAL = {"latin": 4.75, "greek": 4.75, "cyrillic": 4.33}
"""Mean of the pairs' digits from which words are taken for words of a language of this script.

Measured on pages of published collections and on 117 translations, 60 words each: none in Latin letters below 5.0; of
pages with shifted or exchanged letters 98 % below 4.75. Mongolian, which is not in the table, goes down to 4.36.
"""
CLEARLY = 5.3
"""From this mean on the fonts are not looked at."""
ENOUGH_WORDS = 30
"""Different words that it takes to distrust a page by its words alone."""
SOME_WORDS = 8
"""Different words that can vouch for a page whose fonts do not say which characters they show."""
MAX_WORDS = 200
MAX_CHARS = 6_000
SHORT_CAPITALS = 5
"""Words in capitals up to this length may be abbreviations, codes, symbols of stocks."""
LONGEST = 25
MOST_UNMAPPED = 0.5
"""Share of characters that their font does not name by which a page without `SOME_WORDS` is distrusted."""
SOME_UNMAPPED = 0.15
"""The same where these are of many kinds, or the page has hardly any letters: leaders and bullets are of one kind."""
MANY_KINDS = 5
ONE_LETTER = 0.6
"""Share of a page's characters that are one and the same letter, from which they are no text."""
LEAST_PRINTED = 40
FEW_LETTERS = 0.1
LETTERS_ENOUGH = 0.3
MOST_UNREADABLE = 0.02
CONTROLS = re.compile(r"[\x00-\x08\x0e-\x1f]")
DINGBATS = re.compile("[\u2701-\u27bf]")
SYMBOLS = frozenset(["Sm", "So"])
LINES_AND_BOXES = re.compile("[\u2500-\u25ff\u2605\u2606\u2610-\u2612]")
"""Lines of tables, bars, bullets, stars of ratings and check boxes: whole pages may consist of them."""
HALF = 0.5
"""Share of signs (not letters, digits or marks) from which a page is no text."""
MOST_CONTROLS = 0.02
"""With more control characters letters are shifted, small ones to capitals: short words are looked at as well."""

WORD = re.compile(r"(?<!\w)[^\W\d_]{3,}(?!\w)")
ROMAN = re.compile(r"[ivxlcdm]+")
PLAIN = str.maketrans(
    {"ß": "ss", "ø": "o", "æ": "ae", "ł": "l", "đ": "d", "ı": "i", "þ": "th", "ð": "d", "œ": "oe", "ς": "σ"}
)


@dataclass(frozen=True, slots=True)
class Words:
    """The words of a page in the script that it has most of.

    Attributes:
        script: a key of `letter_pairs.PAIRS`.
        count: how many different words were looked at.
        usual: the mean over their pairs of letters, 0 to 9.
    """

    script: str
    count: int
    usual: float

    @property
    def are_words(self) -> bool:
        """Whether their letters follow each other as in a language."""
        return self.usual >= USUAL[self.script]


def why_distrusted(text: str, unmapped: float = 0.0, unmapped_text: str = "") -> str | None:
    """Return why a text layer is not to be trusted, as the end of a sentence; None if it is.

    Args:
        text: the text layer of one page.
        unmapped: the share of its characters whose font does not say what they are, as far as known.
        unmapped_text: these characters.
    """
    if is_garbage(text) or _is_dingbats(text) or _is_one_letter(text):
        return "its text layer stands for no characters that one could read"
    vouched = words_of(unmapped_text or text, codes_too=True) if unmapped else None
    known = vouched is not None and vouched.count >= SOME_WORDS
    is_many = len(set(unmapped_text)) > MANY_KINDS or hardly_letters(text)
    most = SOME_UNMAPPED if is_many else MOST_UNMAPPED
    if (unmapped >= most and not known) or (vouched and known and not vouched.are_words):
        return "the fonts of its text layer do not say which characters they show"
    words = words_of(text)
    if words and words.count >= ENOUGH_WORDS and not words.are_words:
        return "the letters of its text layer do not form words"
    return None


def needs_font_look(text: str) -> bool:
    """Whether the text leaves it open that the fonts do not say which characters they show."""
    words = words_of(text)
    return bool(text.strip()) and (words is None or words.count < ENOUGH_WORDS or words.usual < CLEARLY)


def hardly_letters(text: str) -> bool:
    """Whether a page's text is digits and marks alone, or nearly."""
    printed = "".join(text.split())
    return len(printed) >= LEAST_PRINTED and sum(map(str.isalpha, printed)) < FEW_LETTERS * len(printed)


def is_clearly_text(text: str) -> bool:
    """Whether a second reading of a page is text beyond doubt: words, or letters of a script that has no pairs here."""
    printed = "".join(text.split())
    if not printed or len(UNREADABLE.findall(text)) > MOST_UNREADABLE * len(printed):
        return False
    words = words_of(text)
    if words:
        return words.count >= SOME_WORDS and words.usual >= CLEARLY
    return sum(unicodedata.category(letter) == "Lo" for letter in printed) >= LETTERS_ENOUGH * len(printed)


def words_of(text: str, *, codes_too: bool = False) -> Words | None:
    """Return what the words of a text are like; None if most of its letters are of other scripts, or too few.

    Args:
        text: of one page; a part of a long one is enough.
        codes_too: look at short words in capitals as well.
    """
    text = text[:MAX_CHARS]
    codes_too = codes_too or len(CONTROLS.findall(text)) > MOST_CONTROLS * len(text)
    found = dict.fromkeys(word for word in WORD.findall(text) if codes_too or not _is_code(word))
    words = set(_plain(" ".join(islice(found, MAX_WORDS))).split())
    best = max((_judged(script, words) for script in PAIRS), key=lambda judged: judged.count)
    plain = _plain(text)
    own = sum(map(plain.count, _alphabet(best.script)))
    return best if best.count and own * 2 >= sum(map(str.isalpha, plain)) else None


def _is_dingbats(text: str) -> bool:
    """Whether glyphs were taken for ornaments or signs: pdfium reads names such as "a65" as those of Zapf Dingbats."""
    printed = LINES_AND_BOXES.sub("", "".join(text.split()))
    if len(printed) < LEAST_PRINTED:
        return False
    symbols = sum(unicodedata.category(char) in SYMBOLS for char in printed[:MAX_CHARS] if not char.isascii())
    return len(DINGBATS.findall(printed)) >= LETTERS_ENOUGH * len(printed) or symbols >= HALF * len(printed[:MAX_CHARS])


def _is_one_letter(text: str) -> bool:
    """Whether all glyphs were taken for the same letter, or nearly; letters that stand alone are ticks in a table."""
    printed = "".join(word for word in text.split() if len(word) > 1)
    if len(printed) < LEAST_PRINTED:
        return False
    letter, count = Counter(printed).most_common(1)[0]
    return letter.isalpha() and count >= ONE_LETTER * len(printed)


def _is_code(word: str) -> bool:
    return (
        len(word) > LONGEST or (word.isupper() and len(word) <= SHORT_CAPITALS) or bool(ROMAN.fullmatch(word.lower()))
    )


def _plain(text: str) -> str:
    lower = text.lower()
    if lower.isascii():
        return lower
    return "".join(c for c in unicodedata.normalize("NFKD", lower) if not unicodedata.combining(c)).translate(PLAIN)


def _judged(script: str, words: set[str]) -> Words:
    alphabet, pairs = _alphabet(script), _pairs(script)
    own = [f" {word} " for word in words if alphabet.issuperset(word)]
    numbers = [pairs[word[at : at + 2]] for word in own for at in range(len(word) - 1)]
    return Words(script, len(own), sum(numbers) / len(numbers) if numbers else 0.0)


@cache
def _alphabet(script: str) -> frozenset[str]:
    return frozenset(PAIRS[script][0].strip())


@cache
def _pairs(script: str) -> dict[str, int]:
    letters, rows = PAIRS[script]
    return {
        a + b: int(digit) for a, row in zip(letters, rows, strict=True) for b, digit in zip(letters, row, strict=True)
    }
