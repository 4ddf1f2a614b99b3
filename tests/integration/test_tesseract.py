"""OCR of pages in every rotation and pixel mode: words are read, or the reason is reported."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageDraw, ImageFont

from extractors.errors import OcrUnavailable, TimedOut
from extractors.options import Options
from extractors.pictures import page_image, tesseract
from extractors.pictures.tesseract_process import Processes, Rows
from extractors.pictures.words import Reading, Word

LINES = (
    "The harbour master wrote the letter on Monday.",
    "Every vessel pays its berth before winter begins.",
    "Questions about the invoice are answered by telephone.",
)
TEXT = "\n".join(LINES)
OPTIONS = Options(ocr_languages="eng")


@pytest.fixture
def ocr() -> None:
    if shutil.which("tesseract") is None and not os.environ.get("CI"):
        pytest.skip("tesseract is not installed")


def page(size: tuple[int, int] = (1100, 420), height: int = 32, ink: int = 0, paper: int = 255) -> Image.Image:
    image = Image.new("L", size, paper)
    draw = ImageDraw.Draw(image)
    for row, line in enumerate(LINES):
        draw.text((60, 80 + row * height * 1.7), line, fill=ink, font=ImageFont.load_default(size=height))
    return image


@pytest.mark.usefixtures("ocr")
@pytest.mark.parametrize("degrees", [0, 90, 180, 270, 3, -7, 183])
def test_a_page_is_read_whichever_way_it_lies(degrees: int) -> None:
    turned = page().rotate(degrees, Image.Resampling.BICUBIC, expand=True, fillcolor=255)
    text, confidence, warnings = tesseract.read_image(turned, OPTIONS)
    assert text == TEXT
    assert warnings == ()
    assert confidence is not None
    assert 0.85 < confidence <= 1


@pytest.fixture
def pages_read(ocr: None, monkeypatch: pytest.MonkeyPatch) -> list[tuple[int, int]]:
    """The sizes of the pictures that Tesseract got."""
    sizes = list[tuple[int, int]]()
    read = Processes.read

    def counted(processes: Processes, options: tuple[str, ...], picture: Image.Image, deadline: float) -> Rows:
        sizes.append(picture.size)
        return read(processes, options, picture, deadline)

    monkeypatch.setattr(Processes, "read", counted)
    return sizes


def test_equal_pictures_are_read_once(pages_read: list[tuple[int, int]]) -> None:
    """What the picture is read with makes another reading."""
    monday, white = page((1104, 420)), page((1104, 421), ink=255)
    texts = [tesseract.read_image(monday.copy(), OPTIONS) for _ in range(3)]
    assert {text.text for text in texts} == {TEXT}
    assert len(pages_read) == 1
    assert tesseract.read_image(monday, Options(ocr_languages="eng", ocr_dpi=200)).text == TEXT
    assert len(pages_read) == 2
    assert tesseract.read_image(white, OPTIONS) == ("", None, ())
    assert len(pages_read) == 2


def test_pale_writing_is_read(pages_read: list[tuple[int, int]]) -> None:
    """A pencil's grey, and what is hardly seen, on paper with a scanner's noise: no such page counts as blank."""
    for ink in (170, 215):
        grain = np.random.default_rng(3).normal(0, 2, (420, 1100))
        noisy = Image.fromarray((np.asarray(page(ink=ink, paper=245)) + grain).clip(0, 255).astype(np.uint8))
        assert tesseract.read_image(noisy, OPTIONS).text == TEXT
    assert len(pages_read) >= 2


@pytest.mark.usefixtures("ocr")
def test_white_on_black_is_read() -> None:
    assert tesseract.read_image(page(ink=255, paper=0), OPTIONS)[0] == TEXT


@pytest.mark.usefixtures("ocr")
@pytest.mark.parametrize("ink", [(255, 255, 255), (255, 230, 0), (0, 0, 0)])
def test_writing_of_any_colour_on_a_transparent_ground_is_read(ink: tuple[int, int, int]) -> None:
    image = Image.new("RGBA", (1100, 420), (*ink, 0))
    image.putalpha(page().point(lambda value: 255 - value))
    assert tesseract.read_image(image, OPTIONS)[0] == TEXT


@pytest.mark.usefixtures("ocr")
def test_small_letters_of_a_screenshot_are_enlarged() -> None:
    assert "pays its berth before winter" in tesseract.read_image(page((440, 150), 11), OPTIONS)[0]


@pytest.mark.usefixtures("ocr")
def test_a_single_word_upside_down_is_read() -> None:
    image = Image.new("L", (300, 100), 255)
    ImageDraw.Draw(image).text((20, 20), "Invoice", fill=0, font=ImageFont.load_default(size=40))
    assert tesseract.read_image(image.rotate(180), OPTIONS)[0] == "Invoice"


@pytest.mark.usefixtures("ocr")
def test_paragraphs_are_parted_by_a_blank_line() -> None:
    image = page((1100, 900))
    ImageDraw.Draw(image).text((60, 600), "Yours faithfully", fill=0, font=ImageFont.load_default(size=32))
    assert tesseract.read_image(image, OPTIONS)[0] == TEXT + "\n\nYours faithfully"


@pytest.mark.usefixtures("ocr")
def test_a_blank_page_has_no_text_and_no_confidence() -> None:
    assert tesseract.read_image(Image.new("L", (600, 800), 255), OPTIONS) == ("", None, ())


@pytest.mark.usefixtures("ocr")
def test_a_page_that_takes_too_long_is_given_up() -> None:
    with pytest.raises(TimedOut, match="ocr_timeout_s"):
        tesseract.read_image(page(), Options(ocr_languages="eng", ocr_timeout_s=0.001))


@pytest.mark.usefixtures("ocr")
def test_missing_language_is_named_with_its_package() -> None:
    assert tesseract.available("eng+tlh") == ["tlh"]
    with pytest.raises(OcrUnavailable, match=r"lacks tlh.*apt-get install tesseract-ocr-tlh$"):
        tesseract.read_image(page(), Options(ocr_languages="eng+tlh"))


@pytest.fixture
def empty_path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    tesseract._installed.cache_clear()
    monkeypatch.setenv("PATH", str(tmp_path))
    yield tmp_path
    tesseract._installed.cache_clear()


def test_without_tesseract_the_packages_are_named(empty_path: Path) -> None:
    assert tesseract.available("deu+eng") == ["tesseract"]
    with pytest.raises(OcrUnavailable, match=r"apt-get install tesseract-ocr tesseract-ocr-deu tesseract-ocr-chi-sim$"):
        tesseract.read_image(page(), Options(ocr_languages="deu+chi_sim"))


def test_missing_tesseract_is_searched_again(empty_path: Path) -> None:
    assert tesseract.available("eng") == ["tesseract"]
    program = empty_path / "tesseract"
    program.write_text("#!/bin/sh\necho 'List of available languages (1):'\necho eng\n")
    program.chmod(0o755)
    assert tesseract.available("eng") == []
    program.unlink()
    assert tesseract.available("eng") == [], "while nothing is missing the answer is kept"


@pytest.mark.usefixtures("ocr")
def test_tesseract_is_started_with_one_thread(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A wrapper on the path writes down what it was given, then starts the real one."""
    real = shutil.which("tesseract")
    program = tmp_path / "tesseract"
    program.write_text(f'#!/bin/sh\necho "$OMP_THREAD_LIMIT" >> {tmp_path}/threads\nexec {real} "$@"\n')
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}{os.pathsep}{os.environ['PATH']}")
    monkeypatch.delenv("OMP_THREAD_LIMIT", raising=False)
    tesseract.read_image(page(), OPTIONS)
    assert (tmp_path / "threads").read_text().split()[-1] == "1"
    assert "OMP_THREAD_LIMIT" not in os.environ


def test_importing_tesseract_loads_neither_numpy_nor_pillow() -> None:
    code = (
        "import sys, extractors.pictures.tesseract; print(sorted({'numpy', 'PIL', 'pytesseract'} & set(sys.modules)))"
    )
    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert ran.stdout.strip() == "[]"


def test_image_of_every_mode_becomes_dark_text_on_white() -> None:
    grey = page()
    deep = Image.fromarray(np.asarray(grey).astype(np.uint16) * 257)
    alpha = Image.new("RGBA", grey.size, (0, 0, 0, 0))
    alpha.putalpha(grey.point(lambda value: 255 - value))
    modes = [grey.convert(mode) for mode in ("1", "P", "RGB", "RGBA", "CMYK", "YCbCr", "HSV", "LA", "I", "F")]
    for image in [*modes, deep, alpha]:
        flat = page_image.flatten(image)
        assert flat.mode == "L"
        difference = np.abs(np.asarray(flat, dtype=int) - np.asarray(grey, dtype=int))
        assert difference.mean() < 3, image.mode


@pytest.mark.parametrize(("degrees", "measured"), [(0.0, 0.0), (0.2, 0.0), (3.0, -3.0), (-5.0, 5.0), (8.0, -8.0)])
def test_slope_of_text_lines_is_measured(degrees: float, measured: float) -> None:
    turned = page().rotate(degrees, Image.Resampling.BICUBIC, expand=True, fillcolor=255)
    assert page_image.skew_angle(turned) == pytest.approx(measured, abs=0.3)


def test_a_level_page_is_left_as_it_is() -> None:
    level = page()
    assert page_image.turn_level(level, page_image.skew_angle(level), speckled=False) is level
    assert page_image.calm(level) is level


@pytest.mark.parametrize(
    ("size", "dpi", "zoom"),
    [
        ((2480, 3508), 300, 1.0),
        ((2480, 3508), None, 1.0),  # taken for A4
        ((1240, 1754), 150, 2.0),
        ((4960, 7016), 600, 0.5),
        ((794, 1123), 96, 3.125),  # a sheet at screen resolution
        ((4000, 3000), 72, 0.8775),  # no sheet is that large: a photograph that knows no resolution
        ((300, 100), None, 4.0),
    ],
)
def test_pictures_are_brought_to_the_wanted_resolution(size: tuple[int, int], dpi: int | None, zoom: float) -> None:
    assert page_image.zoom_for(size, dpi, 300, 120_000_000) == pytest.approx(zoom, rel=0.01)


@pytest.mark.parametrize(
    ("size", "dpi", "letters", "zoom"),
    [
        ((640, 1110), None, 14.0, 1.53),  # a receipt: a sheet of A4 would be enlarged more than three times
        ((640, 1110), 72, 14.0, 1.53),
        ((640, 1110), 203, 30.0, 1.478),  # what a scanner claims holds, however high the letters are
        ((2480, 3508), None, 20.0, 1.0),
    ],
)
def test_letters_tell_the_resolution_where_the_file_does_not(
    size: tuple[int, int], dpi: int | None, letters: float, zoom: float
) -> None:
    assert page_image.zoom_for(size, dpi, 300, 120_000_000, letters) == pytest.approx(zoom, rel=0.01)


def receipt() -> tuple[Image.Image, list[str]]:
    """A till's receipt: rules of stars and dashes, a dithered logo, a bar code; and the lines that are words."""
    image = Image.new("L", (640, 720), 255)
    draw, font = ImageDraw.Draw(image), ImageFont.load_default(size=26)
    shade = np.tile(np.linspace(40, 220, 260), (110, 1)).astype(np.uint8)
    image.paste(Image.fromarray(shade).convert("1").convert("L"), (190, 20))
    lines = [
        "Harbour Street Bakery",
        "Cheese scone 1.95",
        "Orange juice 2.85",
        "Total 4.80",
        "Thank you for your visit",
    ]
    for row, line in enumerate(lines):
        draw.text((40, 160 + row * 80), line, fill=0, font=font)
    for top in (210, 370):
        for left in range(40, 600, 16):
            draw.text((left, top), "*", fill=0, font=font)
    for left in range(40, 590, 22):
        draw.rectangle((left, 300, left + 13, 302), fill=0)
    for step, width in enumerate([2, 6, 2, 4, 2, 2, 6, 4, 2, 4] * 4):
        draw.rectangle((150 + step * 8, 590, 149 + step * 8 + width, 670), fill=0)
    return image, lines


@pytest.mark.usefixtures("ocr")
def test_rules_pictures_and_bar_codes_of_a_receipt_do_not_become_words() -> None:
    image, lines = receipt()
    words = " ".join(tesseract.read_image(image, OPTIONS).text.split())
    assert [line for line in lines if line not in words] == []
    assert sum(map(str.isalnum, words)) <= sum(map(str.isalnum, "".join(lines))) + 3


@pytest.mark.usefixtures("ocr")
def test_a_page_in_shade_and_one_printed_in_dots_are_read() -> None:
    grey = np.asarray(page(), dtype=np.float64)
    shade = np.linspace(1, 0.3, grey.shape[1])[None, :]
    shaded = Image.fromarray((grey * 0.9 * shade).astype(np.uint8))
    assert tesseract.read_image(shaded, OPTIONS).text.split() == TEXT.split()
    dithered = Image.fromarray((grey * 0.65 + 75).astype(np.uint8)).convert("1")
    assert tesseract.read_image(dithered, OPTIONS).text.split() == TEXT.split()


@pytest.mark.usefixtures("ocr")
def test_pale_writing_beside_black_is_read() -> None:
    image = page((1100, 460))
    ImageDraw.Draw(image).text((60, 320), "Lighthouse keeper", fill=165, font=ImageFont.load_default(size=32))
    assert "Lighthouse keeper" in tesseract.read_image(image, OPTIONS).text


def test_a_page_that_ocr_is_unsure_of_says_so() -> None:
    unsure = Reading((Word("Teh", (1, 1), 1, 0.41),), dropped=12)
    assert tesseract._warnings(unsure) == (
        "OCR is unsure of this page: mean confidence 0.41.",
        "OCR left out 12 marks of this page that are no words.",
    )
    assert tesseract._warnings(Reading((Word("The", (1, 1), 1, 0.9),), dropped=3)) == ()


def test_enlarging_keeps_to_the_limit_of_pixels() -> None:
    zoom = page_image.zoom_for((1000, 1000), None, 300, 2_000_000)
    assert (1000 * zoom) ** 2 <= 2_000_001
