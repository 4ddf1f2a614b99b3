"""Parts of German compounds: `Kündigungsfrist` is found by `Frist` and by `Kündigung`.

No dictionary says where a word divides, so it is divided wherever German syllables allow it. Wrong parts are hardly
ever words, and find nothing.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import lru_cache

from pipeline.vectorstore.analysis.folding import fold
from pipeline.vectorstore.analysis.languages import stem
from pipeline.vectorstore.analysis.stop_words import STOP_WORDS

__all__ = ["GERMAN", "parts"]

GERMAN = "de"

SHORTEST, LONGEST = 6, 40
"""Letters of a word that is divided."""

SHORTEST_PART = 4
SHORT_PARTS = frozenset(["öl", "bau", "rad", "tag", "zug", "tür", "hof", "rat", "uhr", "weg", "bus", "bad", "see"])
"""Words of fewer letters that are parts of many compounds, and seldom an accident."""

LINKS = ("s", "n")
"""Letters between two parts: `Arbeit-s-zeit`, `Woche-n-ende`."""

BEGIN = re.compile(
    "(?:bl|br|dr|fl|fr|gl|gr|gn|kl|kr|kn|pf|pl|pr|pfl|ph|qu|sch|schl|schm|schn|schr|schw|sp|spr|spl|st|str|tr|th|wr|zw|"
    "[bcdfghjklmnprstvwz])?[aeiouyäöü]"
)
"""How a part begins: with consonants that German has at the beginning of a word, or a vowel."""

ENDING = re.compile(
    "[a-zäöü]{0,2}(?:tion|ation|ition|heit|keit|l?ichkeit|igkeit|barkeit|samkeit|losigkeit|lich|isch|schaft|erung|ierung|"
    "igung|bar|sam|haft|los|ling|ment|ität|ismus|istisch|weise|ance|ence|able|ible|ness|ing|ung)(?:e|en|er|es|em|t|s|n)?"
)
"""Endings of words, with what stands before them in some: they are in too many words to be looked for."""

VOWELS = frozenset("aeiouyäöü")

CACHED_PARTS = 50_000
"""Stems of parts that a process keeps: they come again in other compounds."""

FOLDED_STOP_WORDS = frozenset(map(fold, STOP_WORDS[GERMAN]))


def parts(word: str) -> list[str]:
    """The stems of what may be parts of a word in lower case; none for a short one.

    Returns:
        Distinct stems of at least three letters, in the order of their places.
    """
    if not SHORTEST <= len(word) <= LONGEST:
        return []
    divided = (part for first, second in _divisions(word) for part in (second, first, _unlinked(first)))
    return [*dict.fromkeys(term for part in divided if (term := _term(part)) is not None)]


def _divisions(word: str) -> Iterator[tuple[str, str]]:
    first_vowel = next((place for place, char in enumerate(word) if char in VOWELS), len(word))
    for place in range(max(2, first_vowel + 1), len(word) - 1):
        if _can_divide(word, place) and BEGIN.match(word, place):
            yield word[:place], word[place:]


def _can_divide(word: str, place: int) -> bool:
    """The first part ends with a consonant, or with `e` or `o` between consonants; short parts are known ones."""
    if place < SHORTEST_PART:
        return word[:place] in SHORT_PARTS
    is_short = len(word) - place < SHORTEST_PART
    if is_short and word[place:] not in SHORT_PARTS:
        return False
    last = word[place - 1]
    if last not in VOWELS:
        return True
    return last in "eo" and not is_short and word[place - 2] not in VOWELS and word[place] not in VOWELS


@lru_cache(CACHED_PARTS)
def _term(part: str) -> str | None:
    """The stem of a part that may be a word that users look for; None for others."""
    if not _is_word(part):
        return None
    term = stem(part, GERMAN)
    return term if len(term) >= SHORTEST_PART - 2 and term not in FOLDED_STOP_WORDS else None


def _is_word(part: str) -> bool:
    """Whether a part may be a word that one looks for: no ending, and no preposition."""
    return len(part) >= 2 and part not in STOP_WORDS[GERMAN] and not ENDING.fullmatch(part)


def _unlinked(first: str) -> str:
    return first[:-1] if first.endswith(LINKS) and len(first) > SHORTEST_PART else ""
