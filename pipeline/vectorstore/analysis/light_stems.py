"""Light stems: of languages that Snowball has no stemmer for or a poor one, and further stems where it divides words.

Source: CISTEM: Weissweiler and Fraser, Developing a Stemmer for German, 2017. Arabic: Larkey, Ballesteros and Connell,
Light Stemming for Arabic, 2007. Hindi: Ramanathan and Rao, A Lightweight Stemmer for Hindi, 2003.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping

from pipeline.vectorstore.analysis.folding import fold

__all__ = ["LIGHT", "further"]

LEAST = 4
"""Letters of a further German stem."""

NOUN = re.compile("(?<=[a-z]{4})ung(?:en)?$")
"""`Prüfung` is to be found by `prüfen`."""

FOREIGN = re.compile("(?<=[a-z]{4})(?:um|o|a)$")
"""`Konto` has the plural `Konten`."""

GE = re.compile("^ge(?=.{4})")
DOUBLED = re.compile(r"(.)\1")
LONG_ENDING, SHORT_ENDING = re.compile("(?:em|er|nd)$"), re.compile("[tesn]$")

ARABIC_LETTERS = str.maketrans({"أ": "ا", "إ": "ا", "آ": "ا", "ى": "ي", "ؤ": "و", "ئ": "ي"})
ARABIC_ARTICLE = re.compile("^(?:وال|بال|كال|فال|لل|ال)(?=..)")
ARABIC_AND = re.compile("^و(?=...)")
ARABIC_ENDING = re.compile("(?<=..)(?:ها|ان|ات|ون|ين|يه|ية|ه|ة|ي)$")

HEBREW_PREFIX = re.compile("^(?:[וש]?[הבלכמ]|[וש])(?=[א-ת]{3})")
HEBREW_ENDING = re.compile("(?<=..)(?:ים|ות|ה)$")

HINDI_NASAL = re.compile("[ङञणनम]्(?=[क-ह])")
HINDI_ENDING = re.compile("(?<=[क-ह])(?:ियाँ|ियां|ियों|ाओं|ाएँ|ाएं|ुओं|ों|ें|ीं|ां|ाँ|ो|े|ी|ि|ा|ु|ू)$")

SPANISH = ((re.compile("(?<=.{2})ces$"), "z"), (re.compile("(?<=[aeo][^aeiou])es$|(?<=.{3})s$"), ""))
PLURAL = ((re.compile("(?<=.{3})s$"), ""),)
SWEDISH = ((re.compile("(?<=.{4})ets?$"), ""),)
DUTCH = (
    (re.compile("(?<=.{3})eren$"), ""),
    (re.compile("(?<=.{2})zen$"), "s"),
    (re.compile("(?<=.{2})ven$"), "f"),
)
ENGLISH = (
    (re.compile("(?<=.{2})ives$"), "ife"),
    (re.compile("(?<=.{2})ves$"), "f"),
    (re.compile("(?<=.{3})yses$"), "ysis"),
)
ENDINGS = {
    "es": SPANISH,
    "pt": SPANISH,
    "fr": PLURAL,
    "sv": SWEDISH,
    "da": SWEDISH,
    "nl": DUTCH,
    "en": ENGLISH,
    "ar": ((ARABIC_AND, ""),),
}


def further(word: str, language: str) -> str:
    """A further stem of a word in lower case, folded; "" if there is none."""
    if language == "de":
        return _german(fold(word))
    for ending, replacement in ENDINGS.get(language, ()):
        if ending.search(word):
            shorter = ending.sub(replacement, word)
            return fold(LIGHT[language](shorter) if language in LIGHT else shorter)
    return ""


def _german(word: str) -> str:
    if FOREIGN.search(word):
        return FOREIGN.sub("", word)
    found = _cistem(NOUN.sub("", word))
    return found if len(found) >= LEAST else ""


def _cistem(word: str) -> str:
    word = GE.sub("", word).replace("sch", "$").replace("ei", "%").replace("ie", "&")
    word = DOUBLED.sub(r"\1*", word)
    while len(word) > 3:
        shorter = LONG_ENDING.sub("", word) if len(word) > 5 else word
        shorter = shorter if shorter != word else SHORT_ENDING.sub("", word)
        if shorter == word:
            break
        word = shorter
    word = re.sub(r"(.)\*", r"\1\1", word)
    return word.replace("%", "ei").replace("&", "ie").replace("$", "sch")


def _arabic(word: str) -> str:
    return ARABIC_ENDING.sub("", ARABIC_ARTICLE.sub("", word.translate(ARABIC_LETTERS)))


def _hebrew(word: str) -> str:
    return HEBREW_ENDING.sub("", HEBREW_PREFIX.sub("", word))


def _hindi(word: str) -> str:
    return HINDI_ENDING.sub("", HINDI_NASAL.sub("\u0902", word.replace("\u093c", "").replace("\u0901", "\u0902")))


LIGHT: Mapping[str, Callable[[str], str]] = {"ar": _arabic, "he": _hebrew, "hi": _hindi}
"""Language to its stemmer, for words in lower case."""
