"""The terms of a question: each word in every form that a passage may have it in."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TypeAlias

from pipeline.vectorstore.analysis import compounds, identifiers, patterns
from pipeline.vectorstore.analysis.compounds import GERMAN
from pipeline.vectorstore.analysis.folding import fold, plain
from pipeline.vectorstore.analysis.languages import LATIN, languages_of_script, stem, stop_word_counts
from pipeline.vectorstore.analysis.light_stems import further
from pipeline.vectorstore.analysis.passages import JOINTS, LONG_CODE
from pipeline.vectorstore.analysis.stop_words import STOP_WORDS
from pipeline.vectorstore.analysis.words import is_undivided, pairs, split

__all__ = ["terms"]

UMLAUTS = (("ä", "ae"), ("ö", "oe"), ("ü", "ue"))
CLEAR = 2
"""Stop words of one language that say that a question is in it."""

USUAL = ("en", "de")
"""Stems of these languages are looked for in any case."""

WHOLE, PIECE = 1.5, 0.7
"""Weights of an identifier as a whole and of its pieces: two pieces that meet by chance are no match for it."""

HYPHENATED = 0.3
"""Weight of words with hyphens written as one, beside the words themselves."""

OTHER = 0.5
"""Weight of stems in another language than the question's."""

PART = 0.3
"""Weight of a part of a compound."""

EXACT = 0.15
"""Weight of a word as it is written, beside its stems."""

FURTHER = 0.4
"""Weight of a further stem, beside that of its language."""

SHORTEST_STEM = 3

Weights: TypeAlias = Mapping[str, float]


def terms(text: str) -> dict[str, float]:
    """The terms of a question with their weights. Stop words are left out if there are other words."""
    clean = plain(text)
    words = split(clean)
    language = _clear_language(words)
    languages = _weights(language)
    found = _all(words, languages, STOP_WORDS.get(language or "", frozenset())) or _all(words, languages, frozenset())
    _merge(found, {term: weight for _, _, term, weight in patterns.matches(clean)}, WHOLE)
    return found | dict.fromkeys(identifiers.spaced(clean, any_case=True), WHOLE)


def _clear_language(words: list[str]) -> str | None:
    counts = stop_word_counts(part for word in words for part in JOINTS.split(word))
    language = max(LATIN, key=lambda name: counts[name])
    return language if counts[language] >= CLEAR else None


def _weights(language: str | None) -> Weights:
    """Which languages' stems a question has, and what they weigh."""
    if language is None:
        return {**dict.fromkeys(LATIN, OTHER), **dict.fromkeys(USUAL, 1.0)}
    return {**dict.fromkeys(USUAL, OTHER), language: 1.0}


def _all(words: list[str], languages: Weights, stop_words: frozenset[str]) -> dict[str, float]:
    found: dict[str, float] = {}
    for word in dict.fromkeys(words):
        _merge(found, _of_word(word, languages, stop_words))
    return found


def _merge(found: dict[str, float], more: Mapping[str, float], factor: float = 1.0) -> None:
    for term, weight in more.items():
        found[term] = max(weight * factor, found.get(term, 0.0))


def _of_word(word: str, languages: Weights, stop_words: frozenset[str]) -> dict[str, float]:
    if is_undivided(word):
        return dict.fromkeys(pairs(word), 1.0)
    parts = [part for part in JOINTS.split(word) if part]
    found: dict[str, float] = {}
    hyphenated, has_digits = identifiers.joined(word), any(char.isdigit() for char in word)
    wholes = [identifiers.whole(word), *identifiers.shortened(word)] if len(parts) > 1 and hyphenated is None else []
    for part in parts:
        _merge(found, _of_part(part, languages, stop_words), PIECE if any(wholes) and has_digits else 1.0)
    if hyphenated is not None:
        _merge(found, _forms(hyphenated, languages), HYPHENATED)
    found |= dict.fromkeys(filter(None, wholes), WHOLE)
    return found


def _of_part(part: str, languages: Weights, stop_words: frozenset[str]) -> dict[str, float]:
    if any(char.isdigit() for char in part):
        folded = fold(part)
        wholes = [identifiers.whole(part) or folded, *identifiers.shortened(part)]
        wholes += [folded] if len(folded) >= LONG_CODE else []
        is_number = part.isdigit()
        return dict.fromkeys(identifiers.pieces(folded), PIECE) | dict.fromkeys(wholes, 1.0 if is_number else WHOLE)
    is_short_name = part.isupper() and len(part) > 1
    return {} if part.lower() in stop_words and not is_short_name else _forms(part, languages)


def _forms(word: str, languages: Weights) -> dict[str, float]:
    """The word as it is, its stems in the languages of its script, and with ä for ae and ae for ä."""
    lower = word.casefold()
    of_script = languages_of_script(word)
    used = languages if of_script is None else dict.fromkeys(of_script, 1.0)
    found = {fold(word): EXACT}
    for spelling in dict.fromkeys((lower, fold(word), *_umlauts(lower))):
        for language, weight in used.items():
            term = stem(spelling, language)
            if len(term) >= (SHORTEST_STEM if of_script is None else 2) or term == fold(spelling):
                found[term] = max(weight, found.get(term, 0.0))
            if weight == 1.0 and (more := further(spelling, language)):
                found[more] = max(FURTHER, found.get(more, 0.0))
    if languages.get(GERMAN) == 1.0 and word.isalpha():
        for term in compounds.parts(lower):
            found.setdefault(term, PART)
    return found


def _umlauts(lower: str) -> tuple[str, str]:
    written_out, with_umlauts = lower, lower
    for umlaut, letters in UMLAUTS:
        written_out = written_out.replace(umlaut, letters)
        with_umlauts = with_umlauts.replace(letters, umlaut)
    return written_out, with_umlauts
