"""A page's text is found among the drawn glyphs: what is there in order, and nothing that is not."""

from __future__ import annotations

import random
import string

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from extractors.boxes import Box, Glyph, Place, passage_boxes
from extractors.drawing.alignment import find_places


def drawn(text: str) -> list[Glyph]:
    """One glyph for each character that is no space, from left to right in lines of 40."""
    return [
        Glyph(char, Box(at % 40 / 40, at // 40 / 1000, (at % 40 + 1) / 40, (at // 40 + 1) / 1000))
        for at, char in enumerate(text)
        if not char.isspace()
    ]


def read(text: str, places: list[Place], glyphs: list[Glyph]) -> dict[int, str]:
    """What is drawn in the place of each character of the text."""
    by_box = {glyph.box: glyph.text for glyph in glyphs}
    return {at: by_box[place.box] for place in places for at in range(place.start, place.end) if not text[at].isspace()}


@given(st.text(st.characters(exclude_categories=["Cs"]), max_size=300))
@settings(deadline=None)
def test_a_text_is_found_where_it_is_drawn_as_it_is(text: str) -> None:
    glyphs = drawn(text)
    for at, char in read(text, find_places(text, glyphs), glyphs).items():
        assert char == text[at]


@given(st.integers(0, 2**32), st.integers(0, 12))
@settings(deadline=None, max_examples=40)
def test_what_was_added_or_left_out_shifts_nothing(seed: int, changes: int) -> None:
    """Random words with insertions and cuts: every character that is placed is the one that is drawn there."""
    chance = random.Random(seed)
    words = ["".join(chance.choices(string.ascii_lowercase, k=chance.randint(2, 11))) for _ in range(400)]
    kept = list(words)
    for number in range(changes):
        at = chance.randrange(len(kept))
        kept[at : at + chance.randint(0, 6)] = [f"[note{number}]"] * chance.randint(0, 5)
    text, glyphs = "\n".join(kept), drawn(" ".join(words))

    found = read(text, find_places(text, glyphs), glyphs)

    assert all(char == text[at] for at, char in found.items())
    letters = sum(not char.isspace() for word in kept if not word.startswith("[") for char in word)
    assert len(found) >= letters * 0.97


@pytest.mark.parametrize(
    ("text", "glyphs", "expected"),
    [
        ("office find", ["o", "\ufb03", "c", "e", "\ufb01", "n", "d"], "o\ufb03\ufb03\ufb03ce\ufb01\ufb01nd"),
        ("harbour", list("har-bour"), "harbour"),
        ("Größe", list("GRÖSSE"), "GRÖSE"),
        ("café", ["c", "a", "f", "e", "\u0301"], "cafe"),
        ("The light burns", ["The", "light", "burns"], ["The"] * 3 + ["light"] * 5 + ["burns"] * 5),
    ],
)
def test_tidied_characters_are_found(text: str, glyphs: list[str], expected: str | list[str]) -> None:
    row = [Glyph(char, Box(at / 100, 0, (at + 1) / 100, 1)) for at, char in enumerate(glyphs)]
    assert list(read(text, find_places(text, row), row).values()) == list(expected)


def test_chance_letters_of_another_text_are_not_taken_for_it() -> None:
    glyphs = drawn("Minutes of the harbour board, fourth of May: the quay wall is leaking again.")
    assert find_places("Zwölf Boxkämpfer jagen Viktor quer", glyphs) == []


def test_a_table_of_equal_numbers_is_found_in_bounded_time() -> None:
    text = "\n".join("0 0 0 1" for _ in range(8000))
    assert len(find_places(text, drawn(text))) == 32_000


def test_a_passage_has_a_box_for_each_of_its_lines() -> None:
    text = "".join(string.ascii_letters[at % 52] for at in range(120))
    places = find_places(text, drawn(text))
    assert passage_boxes(places, 10, 90, (40, 1000)) == [
        Box(0.25, 0, 1, 0.001),
        Box(0, 0.001, 1, 0.002),
        Box(0, 0.002, 0.25, 0.003),
    ]
    assert passage_boxes(places, 7, 7, (40, 1000)) == []
