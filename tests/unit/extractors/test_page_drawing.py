"""Pages as pictures: a planted word's box lies where the PDF or the picture draws the word, whatever the page does."""

from __future__ import annotations

import io
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pdf_builder import at, book
from PIL import Image, ImageDraw, ImageFont

from extractors import extract
from extractors.boxes import Box, passage_boxes
from extractors.drawing.page import draw_page, page_places
from extractors.drawing.picture import FORMATS, MAX_HEIGHT, RIM, ImageFormat, Look, Picture
from extractors.drawing.sheet import LINES, draw_sheet, sheet_places, sheet_size, sheets
from extractors.errors import Corrupt, Encrypted
from extractors.options import Options, PdfEngine

OPTIONS = Options()
HELVETICA = {"H": 722, "a": 556, "v": 500, "e": 556, "n": 556}
"""Widths of letters in thousandths of the size, as Adobe's metrics of the font have them."""
WORD_WIDTH = sum(HELVETICA[letter] for letter in "Haven") / 1000 * 10
PIXELS = 800


def planted(tmp_path: Path, change: bytes = b"", content: bytes = at(50, 120, "Haven")) -> Path:
    """A page of 200 x 200 points with one word of 10 points that begins at (50, 120)."""
    path = tmp_path / "planted.pdf"
    path.write_bytes(book([content]).replace(b"/MediaBox [0 0 200 200]", b"/MediaBox [0 0 200 200] " + change))
    return path


def box_of(path: Path, word: str, number: int = 1) -> Box:
    """The box of a word on a page, by its place in the text as it is extracted."""
    text = extract(path, OPTIONS).pages[number - 1].text
    size, places = page_places(path, number, text, OPTIONS, ocr=False)
    (box,) = passage_boxes(places, text.index(word), text.index(word) + len(word), size)
    return box


def pixels_of(picture: Picture) -> np.ndarray:
    return np.asarray(Image.open(io.BytesIO(picture.data)).convert("L"))


def ink(picture: Picture) -> tuple[float, float, float, float]:
    """Where the picture is dark, as shares of its sides."""
    rows, columns = np.nonzero(pixels_of(picture) < 128)
    height, width = pixels_of(picture).shape
    return columns.min() / width, rows.min() / height, (columns.max() + 1) / width, (rows.max() + 1) / height


@pytest.mark.parametrize(
    ("change", "left", "baseline", "right", "sides"),
    [
        # Of the page as it is shown: the word's left end and baseline in points from its upper left corner.
        (b"", (50, 80), (50, 80), (50 + WORD_WIDTH, 80), (200, 200)),
        (b"/CropBox [40 100 140 180] ", (10, 60), (10, 60), (10 + WORD_WIDTH, 60), (100, 80)),
        (b"/Rotate 90 ", (120, 50), (120, 50), (120, 50 + WORD_WIDTH), (200, 200)),
        (b"/Rotate 180 ", (150, 120), (150, 120), (150 - WORD_WIDTH, 120), (200, 200)),
        (b"/Rotate 270 /CropBox [40 100 140 180] ", (60, 90), (60, 90), (60, 90 - WORD_WIDTH), (80, 100)),
    ],
)
def test_the_box_of_a_word_is_where_the_pdf_draws_it(
    tmp_path: Path,
    change: bytes,
    left: tuple[float, float],
    baseline: tuple[float, float],
    right: tuple[float, float],
    sides: tuple[float, float],
) -> None:
    path = planted(tmp_path, change)
    size, _ = page_places(path, 1, "", OPTIONS, ocr=False)
    box = box_of(path, "Haven")
    picture = draw_page(path, 1, Look(PIXELS), OPTIONS)

    assert size == sides
    assert (picture.width, picture.height) == (PIXELS, PIXELS * sides[1] // sides[0])
    for x, y in (left, baseline, right):
        assert box.left - 0.005 <= x / sides[0] <= box.right + 0.005
        assert box.top - 0.005 <= y / sides[1] <= box.bottom + 0.005
    area = (box.right - box.left) * sides[0] * (box.bottom - box.top) * sides[1]
    assert area <= WORD_WIDTH * 14  # nothing but the word: its width, and no more than the height of a line
    drawn = ink(picture)
    slack = 3 / PIXELS * (sides[0] / min(sides))
    assert box.left - slack <= drawn[0]
    assert box.top - slack <= drawn[1]
    assert drawn[2] <= box.right + slack
    assert drawn[3] <= box.bottom + slack


def test_ligatures_divided_words_and_annotations_do_not_shift_the_boxes(tmp_path: Path) -> None:
    """The text is another one than the one that is drawn: what is added or joined has no box, the rest its own."""
    content = at(20, 150, "The old har-") + at(20, 138, "bour of Kestrel Quay") + at(20, 60, "keeps the Haven light.")
    path = planted(tmp_path, content=content)
    text = extract(path, OPTIONS).pages[0].text
    assert "harbour of" in text

    changed = text.replace("Quay", "Quay\n[note: not drawn at all, anywhere on this page]\n")
    size, places = page_places(path, 1, changed, OPTIONS, ocr=False)

    def boxes(word: str) -> list[Box]:
        start = changed.index(word)
        return passage_boxes(places, start, start + len(word), size)

    assert [round(box.top, 1) for box in boxes("harbour")] == [0.2, 0.3]
    (haven,) = boxes("Haven")
    assert haven.top < (200 - 60) / 200 < haven.bottom
    assert boxes("note: not drawn at all") == []
    assert len(passage_boxes(places, 0, len(changed), size)) == 3


@pytest.mark.parametrize("engine", ["pdfium", "pypdf"])
def test_the_text_of_each_engine_is_found(tmp_path: Path, engine: PdfEngine) -> None:
    path, options = planted(tmp_path, content=at(20, 150, "The lamp of") + at(50, 120, "Haven")), Options(engine)
    text = extract(path, options).pages[0].text
    size, places = page_places(path, 1, text, options, ocr=False)
    (box,) = passage_boxes(places, text.index("Haven"), len(text), size)
    assert abs(box.left - 0.25) < 0.01
    assert box.top < 0.4 <= box.bottom


def test_a_text_that_is_not_on_the_page_has_no_boxes(tmp_path: Path) -> None:
    assert page_places(planted(tmp_path), 1, "Quite another sentence.", OPTIONS, ocr=False)[1] == []


def test_marked_passages_are_coloured_and_nothing_else_is(tmp_path: Path) -> None:
    path = planted(tmp_path, content=at(50, 120, "Haven") + at(50, 40, "Light"))
    box = box_of(path, "Haven")
    plain, marked = (
        np.asarray(Image.open(io.BytesIO(draw_page(path, 1, Look(PIXELS, "png", boxes), OPTIONS).data)))
        for boxes in ((), (box,))
    )
    rows, columns = np.nonzero((plain != marked).any(axis=2))
    found = (columns.min(), rows.min(), columns.max() + 1, rows.max() + 1)
    assert np.abs(np.array(found) - np.array(box) * PIXELS).max() <= 1
    assert tuple(marked[found[1], found[0]]) == RIM
    dark = plain.max(axis=2) < 60
    assert (marked[2:-2, 2:-2].max(axis=2)[dark[2:-2, 2:-2]] < 60).all()  # the word can be read


@pytest.mark.parametrize("kind", FORMATS)
def test_pictures_come_in_each_format_and_no_larger_than_asked(tmp_path: Path, kind: ImageFormat) -> None:
    picture = draw_page(planted(tmp_path), 1, Look(160, kind), OPTIONS)
    opened = Image.open(io.BytesIO(picture.data))
    assert (str(opened.format).lower(), opened.size) == (kind, (160, 160))
    assert Picture.from_json(picture.to_json()) == picture


def test_a_very_long_page_is_drawn_narrower(tmp_path: Path) -> None:
    path = tmp_path / "long.pdf"
    path.write_bytes(book([at(1, 9000, "Top")]).replace(b"[0 0 200 200]", b"[0 0 20 14000]"))
    picture = draw_page(path, 1, Look(800), OPTIONS)
    assert picture.height <= MAX_HEIGHT
    assert picture.width < 20


def test_pages_that_are_not_there_and_files_that_cannot_be_read_are_errors_of_the_file(tmp_path: Path) -> None:
    with pytest.raises(Corrupt):
        draw_page(planted(tmp_path), 2, Look(80), OPTIONS)
    torn = tmp_path / "torn.pdf"
    torn.write_bytes(b"%PDF-1.7\n1 0 obj\n")
    with pytest.raises(Corrupt):
        draw_page(torn, 1, Look(80), OPTIONS)
    with pytest.raises(Encrypted):
        draw_page(Path("samples/documents/salaries_encrypted.pdf"), 1, Look(80), OPTIONS)


@pytest.mark.parametrize("mode", ["1", "L", "LA", "P", "RGB", "RGBA", "CMYK", "I;16", "F"])
def test_pictures_of_every_kind_are_drawn_on_white_ground(tmp_path: Path, mode: str) -> None:
    image = Image.new("L", (400, 200), 255)
    ImageDraw.Draw(image).rectangle((100, 50, 199, 149), fill=0)
    deep = image.convert("I").point(lambda level: level * 257)
    path = tmp_path / "square.tif"
    (deep.convert(mode) if mode in ("I;16", "F") else image.convert(mode)).save(path)
    picture = draw_page(path, 1, Look(2400), OPTIONS)
    assert (picture.width, picture.height) == (400, 200)  # never enlarged
    assert ink(picture) == (0.25, 0.25, 0.5, 0.75)


def test_the_second_frame_of_a_tiff_is_its_second_page(tmp_path: Path) -> None:
    frames = [Image.new("L", (100, 60), 255) for _ in range(3)]
    for number, frame in enumerate(frames):
        ImageDraw.Draw(frame).rectangle((10 * number, 20, 10 * number + 9, 39), fill=0)
    path = tmp_path / "three.tif"
    frames[0].save(path, save_all=True, append_images=frames[1:])
    assert [round(100 * ink(draw_page(path, number, Look(800), OPTIONS))[0]) for number in (1, 2, 3)] == [0, 10, 20]


@pytest.mark.parametrize("turned", [0, 4, 90, 180, 270])
def test_the_words_of_a_scan_are_found_where_they_are_drawn(tmp_path: Path, turned: int, needs: object) -> None:
    needs("tesseract")  # type: ignore[operator]
    image = Image.new("L", (1000, 700), 255)
    font, spot = ImageFont.load_default(40), (335, 300)
    ImageDraw.Draw(image).text((60, 120), "The keeper of the harbour writes down", fill=0, font=font)
    ImageDraw.Draw(image).text((60, 300), "who passed in", fill=0, font=font)
    ImageDraw.Draw(image).text(spot, "Lighthouse", fill=0, font=font)
    ImageDraw.Draw(image).text((60, 480), "before the morning of that day", fill=0, font=font)
    only = Image.new("L", image.size, 255)
    ImageDraw.Draw(only).text(spot, "Lighthouse", fill=0, font=font)
    for name, picture in (("scan", image), ("only", only)):
        picture.rotate(turned, expand=True, fillcolor=255).save(tmp_path / f"{name}.png")
    rows, columns = np.nonzero(np.asarray(Image.open(tmp_path / "only.png")) < 128)

    text = "The keeper of the harbour writes down\nwho passed in Lighthouse\nbefore the morning of that day"
    size, places = page_places(tmp_path / "scan.png", 1, text, Options(ocr_languages="eng"), ocr=True)
    start = text.index("Lighthouse")
    (box,) = passage_boxes(places, start, start + len("Lighthouse"), size)

    expected = (columns.min() / size[0], rows.min() / size[1], columns.max() / size[0], rows.max() / size[1])
    slack = 0.015 if turned == 4 else 0.008
    assert np.abs(np.array(box) - np.array(expected)).max() <= slack
    assert len(passage_boxes(places, 0, len(text), size)) == 3


TEXTS = st.text(
    st.sampled_from("abc  \n\tÄé\u0301中文字ﬁ\x00") | st.characters(exclude_categories=["Cs"]), max_size=4000
)


@given(TEXTS, st.data())
def test_the_boxes_of_any_passage_lie_within_its_sheet(text: str, data: st.DataObject) -> None:
    spans = sheets(text)
    assert spans[0][0] == 0
    assert spans[-1][1] == len(text)
    assert {text[one[1] : other[0]] for one, other in pairwise(spans)} <= {"", "\n", " "}
    start, end = data.draw(st.sampled_from(spans))
    sheet = text[start:end]
    places = sheet_places(sheet)
    assert [place.start for place in places] == sorted({place.start for place in places})
    low = data.draw(st.integers(0, len(sheet)))
    for box in passage_boxes(places, low, data.draw(st.integers(low, len(sheet))), sheet_size(sheet)):
        assert 0 <= box.left < box.right <= 1
        assert 0 <= box.top < box.bottom <= 1
    placed = {at for place in places for at in range(place.start, place.end)}
    assert [c for at, c in enumerate(sheet) if at not in placed and c.isalnum()] == []


def test_a_sheet_shows_each_character_in_its_box() -> None:
    text = "First line\n\n" + "word " * 40 + "\n\tHaven 中文"
    picture = draw_sheet(text, Look(1600))
    grey = pixels_of(picture)
    for place in sheet_places(text):
        box = place.box
        part = grey[
            round(box.top * picture.height) : round(box.bottom * picture.height),
            round(box.left * picture.width) : round(box.right * picture.width),
        ]
        assert part.min() < 160, text[place.start : place.end]
    inside = sheet_places(text)
    left, right = min(place.box.left for place in inside), max(place.box.right for place in inside)
    assert ink(picture)[0] >= left - 0.002
    assert ink(picture)[2] <= right + 0.002


def test_long_texts_go_on_further_sheets_and_long_lines_are_wrapped_between_words() -> None:
    text = "\n".join(f"Line {number}" for number in range(LINES * 2 + 1))
    assert [text[start:end].split("\n")[0] for start, end in sheets(text)] == ["Line 0", "Line 60", "Line 120"]
    words = "harbour " * 100
    places = sheet_places(words)
    rows = {place.box.top for place in places}
    assert len(rows) == 10  # eleven words of eight columns in a line of 90
    firsts = [min((p for p in places if p.box.top == row), key=lambda p: p.box.left) for row in sorted(rows)]
    assert {words[place.start] for place in firsts} == {"h"}
