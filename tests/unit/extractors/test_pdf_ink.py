"""What looks like writing on the picture of a page."""

from __future__ import annotations

import random
from functools import cache

import pytest
from pdf_sheets import LETTER, photograph, writing
from PIL import Image, ImageDraw, ImageFilter, ImageOps

from extractors.pdf.ink import writing_share

SIZE = (827, 1169)
"""A4 at the resolution at which pages are looked at."""


@cache
def _letter() -> Image.Image:
    return writing(LETTER * 2, SIZE, 18)


def _noisy(image: Image.Image) -> Image.Image:
    chance = random.Random(3)
    grains = Image.frombytes("L", image.size, chance.randbytes(image.width * image.height))
    return Image.blend(image, grains, 0.15)


def _shadowed(image: Image.Image) -> Image.Image:
    shadow = Image.linear_gradient("L").resize(image.size).point(lambda grey: 110 + grey // 2)
    return Image.composite(image, Image.new("L", image.size, 30), shadow)


@pytest.mark.parametrize(
    "seen",
    [
        lambda image: image,
        ImageOps.invert,
        lambda image: image.filter(ImageFilter.GaussianBlur(0.8)),
        lambda image: image.point(lambda grey: 190 + grey // 5),
        lambda image: image.rotate(2, fillcolor=250),
        lambda image: image.transpose(Image.Transpose.ROTATE_90),
        _noisy,
        _shadowed,
    ],
    ids=["clean", "white on black", "blurred", "pale", "skewed", "on its side", "noisy", "shadowed"],
)
def test_writing_is_seen_however_it_was_scanned(seen) -> None:  # type: ignore[no-untyped-def]
    assert writing_share(seen(_letter())) > 0.03


def _lines() -> Image.Image:
    image = Image.new("L", SIZE, 255)
    draw = ImageDraw.Draw(image)
    for number in range(40):
        draw.line((40, 30 * number, 800, 30 * number), fill=0)
        draw.line((20 * number, 0, 20 * number, 1169), fill=0)
    return image


@pytest.mark.parametrize(
    "image",
    [
        Image.new("L", SIZE, 255),
        Image.new("L", SIZE, 0),
        Image.linear_gradient("L").resize(SIZE),
        _lines(),
        photograph(SIZE),
        photograph(SIZE, seed=2),
        Image.new("L", (20, 900), 255),
    ],
    ids=["white", "black", "gradient", "grid", "photograph", "other photograph", "narrow"],
)
def test_what_is_no_writing_is_not_seen(image: Image.Image) -> None:
    assert writing_share(image) < 0.004


def test_what_is_covered_does_not_count() -> None:
    covered = Image.new("L", SIZE, 0)
    assert writing_share(_letter(), covered) == writing_share(_letter())
    covered.paste(255, (0, 0, SIZE[0], SIZE[1] // 2))
    assert writing_share(_letter(), covered) < writing_share(_letter()) / 2
    assert writing_share(_letter(), Image.new("L", SIZE, 255)) == 0.0
