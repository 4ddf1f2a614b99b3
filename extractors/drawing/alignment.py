"""Find the characters of a page's text among the glyphs that are drawn on the page.

The text was tidied after it was read: ligatures are spelled out, divided words put together, line ends changed, form
fields and annotations added. So both are compared by their letters alone, without spaces, case and accents, and only
what stands in both, in the same order, is matched. A character that is not found has no place: none is guessed.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from difflib import SequenceMatcher
from functools import lru_cache
from unicodedata import category, normalize

from extractors.boxes import Glyph, Place

__all__ = ["find_places"]

GRAM = 8
"""Letters that are compared as one: so many in a row hardly ever stand twice on a page."""
SHORT = 200
"""Texts up to this length are compared letter by letter."""
LEAST = 3
"""Fewer equal letters in a row are chance, unless nothing else stands there."""

LEFT_OUT = frozenset({"Cc", "Cf", "Cs", "Mn", "Zl", "Zp", "Zs"})
"""Kinds of characters that texts are compared without: spaces, control characters, accents, soft hyphens."""

Span = tuple[int, int, int]
"""What stands in two texts: where in the one, where in the other, how many letters."""


def find_places(text: str, glyphs: Sequence[Glyph]) -> list[Place]:
    """Where the characters of a text stand, in the order of the text; those that are not found are left out.

    Args:
        text: of the page.
        glyphs: what is drawn on the page, in its reading order.
    """
    letters, characters = _letters(text)
    drawn, owners = _letters([glyph.text for glyph in glyphs])
    found: dict[int, int] = {}
    for start, other, length in _common(letters, drawn):
        for step in range(length):
            found.setdefault(characters[start + step], owners[other + step])
    return list(_joined(found, glyphs))


def _joined(found: dict[int, int], glyphs: Sequence[Glyph]) -> Iterator[Place]:
    """A place for each run of characters that one glyph draws; spaces between them belong to it."""
    run: tuple[int, int, int] | None = None
    for character, glyph in sorted(found.items()):
        if run is not None and run[2] == glyph:
            run = (run[0], character + 1, glyph)
            continue
        if run is not None:
            yield Place(run[0], run[1], glyphs[run[2]].box)
        run = (character, character + 1, glyph)
    if run is not None:
        yield Place(run[0], run[1], glyphs[run[2]].box)


def _letters(parts: Iterable[str]) -> tuple[str, list[int]]:
    """(the letters of all parts in one text, the number of the part that each letter is from)."""
    pieces, owners = list[str](), list[int]()
    for number, part in enumerate(parts):
        plain = _plain(part)
        pieces.append(plain)
        owners += [number] * len(plain)
    return "".join(pieces), owners


@lru_cache(maxsize=4096)
def _plain(part: str) -> str:
    folded = normalize("NFKD", normalize("NFKD", part).casefold())
    return "".join(letter for letter in folded if category(letter) not in LEFT_OUT)


def _common(one: str, other: str) -> Iterator[Span]:
    """What stands in both texts, in order: first long runs, then shorter ones between them."""
    if one == other or max(len(one), len(other)) <= SHORT:
        yield from _equal_letters(one, other)
        return
    end = other_end = 0
    for start, other_start, length in [*_equal_runs(one, other), (len(one), len(other), 0)]:
        gap, other_gap = one[end:start], other[other_end:other_start]
        if max(len(gap), len(other_gap)) <= SHORT:
            for low, other_low, size in _equal_letters(gap, other_gap):
                yield end + low, other_end + other_low, size
        yield start, other_start, length
        end, other_end = start + length, other_start + length


def _equal_letters(one: str, other: str) -> Iterator[Span]:
    if one == other:
        yield 0, 0, len(one)
        return
    least = min(LEAST, len(one), len(other))
    for start, other_start, length in SequenceMatcher(None, one, other, autojunk=False).get_matching_blocks():
        if length >= least:
            yield start, other_start, length


def _equal_runs(one: str, other: str) -> Iterator[Span]:
    """Runs of at least `GRAM` letters that stand in both texts, in order and without overlap."""
    end = other_end = 0
    for start, other_start, number in SequenceMatcher(None, _grams(one), _grams(other)).get_matching_blocks():
        if not number:
            continue
        late = max(0, end - start, other_end - other_start)  # two runs may share letters
        length = number + GRAM - 1 - late
        if length > 0:
            yield start + late, other_start + late, length
            end, other_end = start + late + length, other_start + late + length


def _grams(text: str) -> list[str]:
    return [text[at : at + GRAM] for at in range(len(text) - GRAM + 1)]
