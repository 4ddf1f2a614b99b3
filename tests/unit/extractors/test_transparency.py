"""Transparent pictures: writing of any colour is dark on white afterwards, areas keep their colours."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image, ImageDraw, ImageFont

from extractors.pictures.page_image import flatten
from extractors.pictures.transparency import on_paper

WHITE, BLACK, CLEAR = (255, 255, 255, 255), (0, 0, 0, 255), (0, 0, 0, 0)
Colour = tuple[int, int, int, int]


def writing(ink: Colour, ground: Colour = CLEAR, size: tuple[int, int] = (400, 120), height: int = 32) -> Image.Image:
    image = Image.new("RGBA", size, ground)
    ImageDraw.Draw(image).text((20, 30), "Low tide 6:40", fill=ink, font=ImageFont.load_default(size=height))
    return image


def ink_share(grey: Image.Image) -> float:
    return float((np.asarray(grey) < 200).mean())


DARK_ON_WHITE = ink_share(writing(BLACK, WHITE).convert("L"))


@pytest.mark.parametrize(
    "ink",
    [WHITE, BLACK, (128, 128, 128, 255), (210, 210, 210, 255), (255, 230, 0, 255), (0, 200, 255, 255), (90, 0, 0, 255)],
)
@pytest.mark.parametrize("under", [CLEAR, (255, 255, 255, 0)], ids=["black under it", "white under it"])
def test_writing_of_any_colour_is_dark_on_white(ink: Colour, under: Colour) -> None:
    grey = on_paper(writing(ink, under))
    assert grey.mode == "L"
    assert grey.getpixel((0, 0)) == 255
    assert ink_share(grey) == pytest.approx(DARK_ON_WHITE, rel=0.15)


@pytest.mark.parametrize("mode", ["LA", "P", "PA"])
def test_white_writing_is_found_in_every_mode_with_transparency(mode: str) -> None:
    white = writing(WHITE)
    image = white.quantize(8) if mode == "P" else white.convert("LA") if mode == "LA" else white.convert("PA")
    assert image.mode == mode
    assert ink_share(flatten(image)) == pytest.approx(DARK_ON_WHITE, rel=0.3)


def test_a_single_transparent_colour_is_ground() -> None:
    image = Image.new("P", (400, 120), 0)
    image.putpalette([0, 0, 0, 255, 255, 255])
    image.paste(1, mask=writing(WHITE).getchannel("A").point(lambda value: 255 if value > 127 else 0))
    image.info["transparency"] = 0
    assert ink_share(flatten(image)) == pytest.approx(DARK_ON_WHITE, rel=0.15)


def test_white_and_black_writing_on_one_clear_ground_are_both_dark() -> None:
    image = Image.new("RGBA", (400, 240), CLEAR)
    image.paste(writing(WHITE), (0, 0))
    image.paste(writing(BLACK), (0, 120))
    grey = on_paper(image)
    assert ink_share(grey.crop((0, 0, 400, 120))) == pytest.approx(DARK_ON_WHITE, rel=0.15)
    assert ink_share(grey.crop((0, 120, 400, 240))) == pytest.approx(DARK_ON_WHITE, rel=0.15)


@pytest.mark.parametrize(("ink", "ground"), [(BLACK, WHITE), (WHITE, (20, 30, 90, 255))], ids=["light", "dark"])
def test_a_panel_on_a_clear_ground_keeps_its_colours(ink: Colour, ground: Colour) -> None:
    image = Image.new("RGBA", (600, 320), CLEAR)
    panel = writing(ink, ground)
    image.paste(panel, (100, 100))
    inside = np.asarray(on_paper(image).crop((100, 100, 500, 220)), dtype=int)
    assert np.abs(inside - np.asarray(panel.convert("L"), dtype=int)).max() <= 1


def test_a_page_of_white_writing_is_dark_on_white() -> None:
    page = Image.new("RGBA", (1240, 1754), CLEAR)
    for top in range(0, 1700, 120):
        page.alpha_composite(writing(WHITE), (100, top))
    grey = flatten(page)
    assert grey.getpixel((0, 0)) == 255
    assert (np.asarray(grey) < 100).sum() > 14 * 0.8 * DARK_ON_WHITE * 400 * 120


@settings(max_examples=30, deadline=None)
@given(grey=st.integers(0, 255), alpha=st.integers(0, 255), size=st.tuples(st.integers(1, 40), st.integers(1, 40)))
def test_one_colour_over_the_whole_picture_is_laid_on_white(grey: int, alpha: int, size: tuple[int, int]) -> None:
    flat = on_paper(Image.new("RGBA", size, (grey, grey, grey, alpha)))
    assert flat.size == size
    assert flat.getextrema() == pytest.approx((255 - (255 - grey) * alpha / 255,) * 2, abs=1)
