"""Which language a text is in, by its stop words, and the stems of words."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable
from functools import cache
from itertools import chain

from py_rust_stemmers import SnowballStemmer

from pipeline.vectorstore.analysis.folding import fold
from pipeline.vectorstore.analysis.light_stems import LIGHT
from pipeline.vectorstore.analysis.stop_words import LANGUAGES_OF, STOP_WORDS

__all__ = ["DEFAULT", "LATIN", "detect", "is_foreign", "languages_of_script", "stem", "stop_word_counts"]

STEMMERS = {
    "en": "english",
    "de": "german",
    "fr": "french",
    "es": "spanish",
    "it": "italian",
    "pt": "portuguese",
    "nl": "dutch",
    "sv": "swedish",
    "da": "danish",
    "no": "norwegian",
    "fi": "finnish",
    "hu": "hungarian",
    "ro": "romanian",
    "tr": "turkish",
    "ru": "russian",
    "el": "greek",
    "ta": "tamil",
}

LATIN = tuple(STOP_WORDS)
KNOWN = frozenset(LANGUAGES_OF)
DEFAULT = ("en", "de")
"""The languages of a text without stop words: its words get the stems of both."""

FEW = 2
"""So many stop words of another language are no accident: `war` and `man` are German ones, too."""

SCRIPTS = (
    ("\u0370", "\u03ff", "el"),
    ("\u0400", "\u052f", "ru"),
    ("\u0590", "\u05ff", "he"),
    ("\u0600", "\u06ff", "ar"),
    ("\u0900", "\u097f", "hi"),
    ("\u0b80", "\u0bff", "ta"),
)
"""First and last letter of a script, and the language whose stemmer serves it."""


def detect(words: Iterable[str]) -> tuple[str, ...]:
    """Detect the language of words in Latin letters: that with the most distinct stop words, several if equal."""
    counts = stop_word_counts(words)
    most = max(counts.values(), default=0)
    return tuple([language for language in LATIN if counts.get(language) == most])[:2] if most else DEFAULT


def is_foreign(words: Iterable[str]) -> bool:
    """Whether a question is in another language than English, as far as its stop words and letters tell."""
    asked = list(words)
    counts = stop_word_counts(asked)
    english, other = counts.pop("en", 0), max(counts.values(), default=0)
    has_other_letters = any(char.isalpha() and not char.isascii() for word in asked for char in word)
    return (other >= FEW and other > english) or (has_other_letters and other >= english)


def stop_word_counts(words: Iterable[str]) -> Counter[str]:
    """Count the distinct stop words of each language."""
    found = KNOWN.intersection(map(str.lower, words))
    return Counter(chain.from_iterable(map(LANGUAGES_OF.__getitem__, found)))


def languages_of_script(word: str) -> tuple[str, ...] | None:
    """The language whose stemmer serves the word's script; None for Latin letters, () where there is no stemmer."""
    first = word[0]
    if first < "\u0250" or "\u1e00" <= first < "\u1f00":
        return None
    if "\u1f00" <= first < "\u2000":
        return ("el",)
    return tuple(language for low, high, language in SCRIPTS if low <= first <= high)


def stem(word: str, language: str) -> str:
    """The folded stem of a word in lower case."""
    light = LIGHT.get(language)
    if light is not None:
        return fold(light(word))
    # The stemmers do not know these letters as others of the same word: with accents, and the Russian ё.
    word = fold(word) if language == "el" else word.replace("ё", "е")
    return fold(_stemmer(language)(word))


@cache
def _stemmer(language: str) -> Callable[[str], str]:
    stem_word: Callable[[str], str] = SnowballStemmer(STEMMERS[language]).stem_word
    return stem_word
