"""Blank pages are found by their pixels; whatever may be writing, however pale or small, is left to OCR."""

from __future__ import annotations

import random
from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image, ImageDraw, ImageFont

from extractors.pictures.blank_page import is_blank
from extractors.pictures.page_image import flatten

SIZE = (1240, 1754)
"""A4 at 150 dpi."""


def paper(colour: int = 252, noise: float = 0.0, seed: int = 7) -> Image.Image:
    if not noise:
        return Image.new("L", SIZE, colour)
    grain = np.random.default_rng(seed).normal(colour, noise, SIZE[::-1])
    return Image.fromarray(grain.clip(0, 255).astype(np.uint8))


def written(
    page: Image.Image, text: str, at: tuple[int, int] = (300, 400), size: float = 24, ink: int = 0
) -> Image.Image:
    ImageDraw.Draw(page).text(at, text, fill=ink, font=ImageFont.load_default(size))
    return page


def specked(page: Image.Image, number: int = 6) -> Image.Image:
    """Specks of dust, one in each of so many parts of the page."""
    for place in range(number):
        x, y = 200 + 150 * (place % 6), 300 + 400 * (place // 6)
        page.paste(40, (x, y, x + 2 + place % 3, y + 3))
    return page


def bordered(page: Image.Image) -> Image.Image:
    """The dark edges that a scanner shows beside and under the sheet."""
    page.paste(25, (0, 0, 40, SIZE[1]))
    page.paste(30, (0, SIZE[1] - 30, SIZE[0], SIZE[1]))
    return page


BLANK: dict[str, Callable[[], Image.Image]] = {
    "white": lambda: paper(255),
    "black": lambda: paper(0),
    "cream": lambda: paper(233),
    "one bit": lambda: Image.new("1", SIZE, 1),
    "with a sensor's noise": lambda: paper(noise=2.5),
    "with dust": lambda: specked(paper()),
    "with a dark border": lambda: bordered(paper()),
    "with all three": lambda: bordered(specked(paper(noise=2.5), 12)),
    "a few pixels": lambda: Image.new("L", (3, 2), 200),
}
WRITTEN: dict[str, Callable[[], Image.Image]] = {
    "print": lambda: written(paper(), "The ferry leaves at seven."),
    "pencil on noisy paper": lambda: written(paper(245, 3.0), "The ferry leaves at seven.", ink=175),
    "hardly visible": lambda: written(paper(), "The ferry leaves at seven.", ink=225),
    "the number of the page": lambda: written(paper(), "7", (610, 1690), 16),
    "one small word in a corner": lambda: written(paper(noise=2.0), "No", (1200, 6), 12),
    "a footnote": lambda: written(paper(), "See 4.", (90, 1700), 9),
    "beside the dark border": lambda: written(bordered(paper()), "Page 7", (48, 800), 14),
    "in the dark border": lambda: written(bordered(paper()), "7", (14, 800), 14, 240),
    "a bar with white letters": lambda: written(bar(paper()), "INVOICE", (500, 30), 20, 255),
    "white on black": lambda: written(paper(5), "The ferry leaves at seven.", ink=250),
    "an icon": lambda: written(Image.new("L", (40, 16), 255), "OK", (2, 2), 10),
    "letters of dots": lambda: dots(paper()),
    "a bar with dark letters": lambda: written(bar(paper(), 170), "CONFIDENTIAL", (400, 20), 30),
    "a black bar with grey letters": lambda: written(bar(paper()), "CONFIDENTIAL", (400, 20), 30, 150),
    "a mark on the tab at the side": lambda: written(tab(paper()), "42", (4, 800), 30),
    "a word on a long screen": lambda: written(Image.new("L", (800, 24_000), 255), "No", (200, 9000), 16),
}


def bar(page: Image.Image, colour: int = 20) -> Image.Image:
    page.paste(colour, (0, 0, SIZE[0], 90))
    return page


def tab(page: Image.Image) -> Image.Image:
    page.paste(170, (0, 0, 60, SIZE[1]))
    return page


def dots(page: Image.Image) -> Image.Image:
    """A 7 as a needle printer makes it."""
    for x, y in [(0, 0), (1, 0), (2, 0), (3, 0), (3, 1), (2, 2), (2, 3), (1, 4), (1, 5)]:
        page.paste(60, (600 + 7 * x, 800 + 7 * y, 602 + 7 * x, 802 + 7 * y))
    return page


@pytest.mark.parametrize("make", BLANK.values(), ids=BLANK)
def test_page_without_writing_is_blank(make: Callable[[], Image.Image]) -> None:
    assert is_blank(flatten(make()))


@pytest.mark.parametrize("make", WRITTEN.values(), ids=WRITTEN)
def test_page_with_any_writing_is_not_blank(make: Callable[[], Image.Image]) -> None:
    assert not is_blank(flatten(make()))


@settings(deadline=None, max_examples=15)
@given(st.integers(0, 2**32), st.integers(100, 200), st.floats(0, 3), st.floats(10, 30))
def test_a_word_anywhere_is_found(seed: int, ink: int, noise: float, size: float) -> None:
    place = random.Random(seed)
    at = place.randrange(SIZE[0] - 100), place.randrange(SIZE[1] - 40)
    page = paper(250, noise, seed)
    assert not is_blank(written(specked(page) if seed % 2 else page, "Tide", at, size, ink))
