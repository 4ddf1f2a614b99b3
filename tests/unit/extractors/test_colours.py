"""Coloured writing on coloured grounds is brought to black on white."""

from __future__ import annotations

import numpy as np
import pytest
from pdf_sheets import photograph, writing
from PIL import Image, ImageOps

from extractors.pictures.colours import grey_of_colours, is_light_writing
from extractors.pictures.page_image import flatten
from extractors.pictures.page_light import full_contrast

LINES = ["Serial number HX-40917 of the crane", "The brake of the hoist was renewed"]
PAGE = writing(LINES, (900, 300), 36)
INK = np.asarray(PAGE) < 60
PAPER = np.asarray(PAGE) > 240


@pytest.mark.parametrize(
    ("writing_colour", "ground"),
    [
        ((255, 255, 255), (245, 150, 40)),
        ((255, 255, 255), (120, 190, 80)),
        ((0, 128, 0), (255, 0, 0)),
        ((0, 150, 0), (200, 60, 60)),
        ((40, 40, 255), (150, 40, 90)),
        ((255, 230, 60), (255, 255, 255)),
        ((10, 10, 10), (140, 140, 140)),
        ((70, 45, 20), (210, 180, 140)),
        ((255, 255, 255), (0, 0, 0)),
    ],
)
def test_writing_is_black_on_white(writing_colour: tuple[int, int, int], ground: tuple[int, int, int]) -> None:
    page = ImageOps.colorize(PAGE, writing_colour, ground)
    levels = np.asarray(full_contrast(flatten(page)))
    assert np.median(levels[PAPER]) >= 190
    assert np.median(levels[PAPER]) - np.median(levels[INK]) >= 150


def test_brightness_is_kept_where_it_shows_the_writing() -> None:
    page = ImageOps.colorize(PAGE, (200, 20, 20), (255, 255, 255))
    assert grey_of_colours(page) == page.convert("L")


def test_a_photograph_keeps_its_brightness() -> None:
    picture = Image.merge("RGB", [photograph((400, 500), seed) for seed in (1, 2, 3)])
    assert grey_of_colours(picture) == picture.convert("L")


@pytest.mark.parametrize(
    ("ground", "ink", "is_light"), [(160, 250, True), (160, 20, False), (250, 20, False), (20, 250, True)]
)
def test_light_writing(ground: int, ink: int, is_light: bool) -> None:
    page = PAGE.point([ink + (ground - ink) * level // 250 if level < 250 else ground for level in range(256)])
    assert is_light_writing(page) is is_light


def test_an_uneven_dim_picture_is_not_stretched() -> None:
    dim = photograph((400, 500)).point([level // 2 for level in range(256)])
    assert full_contrast(dim) == dim


@pytest.mark.parametrize("size", [(1, 1), (3, 200), (2, 2)])
def test_tiny_pictures(size: tuple[int, int]) -> None:
    assert flatten(Image.new("RGB", size, (250, 120, 40))).size == size
