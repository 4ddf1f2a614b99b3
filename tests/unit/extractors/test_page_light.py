"""What stands between a picture and its writing is evened out, and clean pictures are left as they are."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image, ImageDraw, ImageFont

from extractors.pictures import page_image, page_light
from extractors.pictures.page_ink import ink_level, letter_height, needs_local_threshold
from extractors.pictures.page_light import even_light, full_contrast, without_screen
from extractors.pictures.word_gaps import parted

FONT = ImageFont.load_default(size=32)


def page(ink: int = 0, paper: int = 255, size: int = 32, lines: int = 12) -> Image.Image:
    image = Image.new("L", (900, 60 + lines * size * 2), paper)
    draw, font = ImageDraw.Draw(image), ImageFont.load_default(size=size)
    for row in range(lines):
        draw.text((40, 30 + row * size * 2), "Every vessel pays its berth before winter", fill=ink, font=font)
    return image


CLEAN = page()


def test_a_clean_page_is_left_as_it_is() -> None:
    for change in (without_screen, even_light, full_contrast):
        assert change(CLEAN) is CLEAN


@given(st.integers(5, 200), st.integers(5, 12), st.integers(0, 2**32 - 1))
def test_lone_dots_are_those_that_differ_from_all_four_neighbours(height: int, width: int, seed: int) -> None:
    pixels = np.random.default_rng(seed).choice(np.array([0, 255], dtype=np.uint8), (height, width))
    found = page_light._lone_dots(pixels)
    middle = pixels[1:-1, 1:-1]
    neighbours = (pixels[:-2, 1:-1], pixels[2:, 1:-1], pixels[1:-1, :-2], pixels[1:-1, 2:])
    assert np.array_equal(found, np.logical_and.reduce([middle != side for side in neighbours]))


def test_light_on_dark_is_turned_over_whatever_its_size() -> None:
    for size in ((30, 40), (900, 1200)):
        for paper in (95, 96):
            flat = page_image.flatten(Image.new("L", size, paper))
            assert flat.getextrema() == ((160, 160) if paper == 95 else (96, 96))


def test_a_sloping_page_is_turned_level_with_and_without_speckle() -> None:
    sloping = CLEAN.rotate(3, Image.Resampling.BICUBIC, expand=True, fillcolor=255)
    angle = page_image.skew_angle(sloping)
    sharp, smooth = (page_image.turn_level(sloping, angle, speckled=speckled) for speckled in (False, True))
    assert sharp.size == smooth.size
    assert (page_image.skew_angle(sharp), page_image.skew_angle(smooth)) == (0.0, 0.0)
    edges = [int(np.abs(np.diff(np.asarray(turned).astype(int), 2)).sum()) for turned in (sharp, smooth)]
    assert edges[1] < edges[0]


def test_shade_is_taken_off_and_ink_stays_dark() -> None:
    shade = np.linspace(1, 0.55, CLEAN.width)[None, :]
    even = np.asarray(even_light(Image.fromarray((np.asarray(CLEAN) * shade).astype(np.uint8))))
    ink = np.asarray(CLEAN) == 0
    paper = np.asarray(CLEAN) == 255
    assert np.percentile(even[paper], 2) > 225
    assert even[ink].max() < 60


def test_a_dark_box_with_white_writing_stays_dark() -> None:
    image = page()
    ImageDraw.Draw(image).rectangle((0, 0, 900, 160), fill=60)
    ImageDraw.Draw(image).text((40, 50), "Closed in winter", fill=255, font=FONT)
    even = np.asarray(even_light(image))
    assert even[:160].min() < 150 < even[:160].max() - 80


@pytest.mark.parametrize(("ink", "changed"), [(30, False), (90, False), (150, True), (200, True)])
def test_pale_ink_becomes_black(ink: int, changed: bool) -> None:
    image = page(ink, 245)
    full = full_contrast(image)
    assert (full is not image) is changed
    assert full.getextrema()[0] == (0 if changed else ink)


def test_dots_of_a_screen_become_grey_and_letters_stay() -> None:
    dithered = Image.fromarray((np.asarray(CLEAN) * 0.6 + 80).astype(np.uint8)).convert("1").convert("L")
    smooth = np.asarray(without_screen(dithered))
    paper, ink = np.asarray(CLEAN) == 255, np.asarray(CLEAN) == 0
    assert smooth[paper].mean() - smooth[ink].mean() > 60
    assert smooth[paper].std() < np.asarray(dithered)[paper].std() / 2


@pytest.mark.parametrize(("size", "height"), [(20, 13), (32, 17), (45, 24), (60, 32)])
def test_the_height_of_letters_is_measured(size: int, height: float) -> None:
    measured = letter_height(page(size=size))
    assert measured == pytest.approx(height, rel=0.3)
    assert letter_height(page(size=size).transpose(Image.Transpose.ROTATE_90)) == pytest.approx(measured, rel=0.4)


def test_bar_codes_and_filled_boxes_do_not_count_as_letters() -> None:
    image = page(lines=12)
    ImageDraw.Draw(image).rectangle((20, image.height - 120, 880, image.height - 70), fill=0)
    for left in range(100, 500, 8):
        ImageDraw.Draw(image).rectangle((left, image.height - 40, left + 4, image.height), fill=0)
    assert letter_height(image) == pytest.approx(18, rel=0.2)


def test_a_page_with_a_few_letters_has_no_height_of_letters() -> None:
    assert letter_height(Image.new("L", (300, 300), 255)) is None


@pytest.mark.parametrize(
    ("ground", "ink", "local"),
    [(255, 0, False), (255, 150, True), (255, 185, True), (110, 0, True), (60, 255, False), (200, 0, False)],
    ids=["black", "grey", "pale", "black in a dark box", "white in a dark box", "tinted box"],
)
def test_the_threshold_is_local_where_a_common_one_loses_writing(ground: int, ink: int, local: bool) -> None:
    image = page()
    draw = ImageDraw.Draw(image)
    draw.rectangle((20, 660, 880, 740), fill=ground)
    draw.text((40, 675), "Every vessel pays its berth before winter", fill=ink, font=FONT)
    assert needs_local_threshold(image) is local


def test_ink_and_paper_are_parted_between_their_levels() -> None:
    assert 40 <= ink_level(page(40, 220)) < 220


@settings(max_examples=40, deadline=None)
@given(st.integers(1, 30), st.integers(1, 30), st.randoms(use_true_random=False))
def test_any_small_picture_is_taken(width: int, height: int, chance: object) -> None:
    noise = np.random.default_rng(width * 31 + height).integers(0, 256, (height, width)).astype(np.uint8)
    for pixels in (noise, noise // 200 * 255, noise * 0):
        image = Image.fromarray(pixels)
        assert full_contrast(even_light(without_screen(image))).size == (width, height)
        assert letter_height(image) is None or height > 8
        assert needs_local_threshold(image) in (True, False)


def drawn(left: str, gap: int, right: str) -> Image.Image:
    """Two parts of a line, `gap` pixels apart, cut to their ink."""
    image = Image.new("L", (400, 60), 255)
    draw = ImageDraw.Draw(image)
    draw.text((10, 10), left, fill=0, font=FONT)
    draw.text((10 + FONT.getlength(left) + gap, 10), right, fill=0, font=FONT)
    box = image.point(lambda level: 255 - level).getbbox()
    assert box
    return image.crop(box)


@pytest.mark.parametrize(
    ("left", "gap", "right", "text"),
    [
        ("Seite", 7, "1", "Seite 1"),
        ("Anlage", 16, "12", "Anlage 12"),
        ("Seite", 0, "1", "Seite1"),
        ("DE", 0, "1234", "DE1234"),
        ("Sei", 9, "te1", "Seite1"),
        ("Bon", 8, "12345", "Bon12345"),
    ],
    ids=["page", "annex", "no gap", "a number of letters and digits", "gap elsewhere", "long number"],
)
def test_a_number_is_parted_where_the_picture_shows_a_gap(left: str, gap: int, right: str, text: str) -> None:
    picture = drawn(left, gap, right)
    assert parted(left + right, (0, 0, *picture.size), picture) == text
