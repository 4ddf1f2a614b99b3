"""Where a text may be broken: paragraphs, sentences, lines, words, characters, of any script."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator

__all__ = ["best_break", "character_start", "resume_at"]

_PARAGRAPH = re.compile(r"\n[^\S\n]*\n|[\u2029\f]")
# A false end of a sentence only makes a cut a little worse, so a pattern is enough; the libraries that
# do better need language models. Left out: a stop after one letter or a number below 100 (initials,
# "z. B.", ordinals), and a stop that a lower-case letter follows.
_SENTENCE = re.compile(
    r"""(?: (?<!\b\w)(?<!\b\d\d)[.] | [!?…؟۔።।॥] ) ["'”’»)\]]{0,3} (?=\s)
      | [。！？｡︒] [」』”’）】]{0,3} """,
    re.VERBOSE,
)
_LINE = re.compile(r"\n|[\r\v\x85\u2028]")
_WORD = re.compile(r"\s")
_BREAKS = ((_PARAGRAPH, 0.5), (_SENTENCE, 0.5), (_LINE, 0.5), (_WORD, 0.25))
"""Best first, each with the part of the room that must be filled for it to be taken."""

_JOINERS = frozenset("\u200d\u200c\u2060")
_LONGEST_CHARACTER = 64


def best_break(text: str, begin: int, after: int, limit: int, whole: bool) -> int:
    """Find the best end, after `after` and at most `limit`, of a chunk that begins at `begin`.

    The chunk ends with a character that is not whitespace. With `whole` it goes up to `limit`.
    """
    if whole:
        return limit
    for pattern, filled in _BREAKS:
        lowest = max(after, begin + int((limit - begin) * filled))
        end = _last(pattern, text, lowest, limit)
        if end is not None:
            return end
    end = character_start(text, limit, after)
    return begin + len(text[begin:end].rstrip())


def resume_at(text: str, earliest: int, end: int) -> int:
    """Find where a repeated text begins, at or after `earliest`: at a sentence or paragraph, else a word, else there.

    A sentence is taken if it leaves at least half of the span to `end`. Returns `end` or more if there
    is nothing to repeat.
    """
    middle = earliest + (end - earliest) // 2
    for pattern, latest in ((_SENTENCE, middle), (_PARAGRAPH, middle), (_WORD, end - 1)):
        before = 1 if pattern is _WORD else 2  # a break that ends just before `earliest` counts
        for _, after in _ends(pattern, text, max(earliest - before, 0), end):
            start = _skip(text, after, end)
            if start <= latest:
                return start
            break
    return _skip(text, earliest, end)


def character_start(text: str, position: int, after: int) -> int:
    """Find the last position in (after, position] that does not tear a character from its marks.

    One visible character may be many code points (accents, emoji with joiners). A character of more than 64 of
    them is torn.
    """
    lowest = max(after + 1, position - _LONGEST_CHARACTER)
    for candidate in range(position, lowest - 1, -1):
        if candidate >= len(text) or not _joined(text[candidate - 1], text[candidate]):
            return candidate
    return position


def _joined(before: str, here: str) -> bool:
    if here.isascii():
        return False
    joins = unicodedata.category(here).startswith("M") or here in _JOINERS or "\U0001f3fb" <= here <= "\U0001f3ff"
    return joins or before == "\u200d"


def _ends(pattern: re.Pattern[str], text: str, lowest: int, limit: int) -> Iterator[tuple[int, int]]:
    """Yield for each break the end of the text before it, and the earliest start of the text after it."""
    for match in pattern.finditer(text, lowest, limit):
        if pattern is not _SENTENCE:
            yield match.span()
        elif not _goes_on(text, match.end()):
            yield match.end(), match.end()


def _last(pattern: re.Pattern[str], text: str, lowest: int, limit: int) -> int | None:
    """Find the last end of a chunk, beyond `lowest`, that the pattern allows."""
    ends = [end for end, _ in _ends(pattern, text, lowest, limit)]
    stop = lowest + len(text[lowest : ends[-1]].rstrip()) if ends else lowest
    return stop if stop > lowest else None


def _goes_on(text: str, end: int) -> bool:
    """Whether a lower-case letter follows: then the stop ended an abbreviation."""
    following = text[end : end + 8].lstrip()
    return following[:1].islower()


def _skip(text: str, position: int, end: int) -> int:
    while position < end and text[position].isspace():
        position += 1
    return position
