"""Which pages of a PDF wait for OCR: what is drawn decides."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from pathlib import Path

import pytest
from pdf_sheets import HEIGHT, LETTER, WIDTH, lines_of_text, outlined, photograph, placed, sheet, writing
from PIL import Image, ImageDraw

from extractors import Options, Page, extract
from extractors.errors import Empty
from extractors.options import PdfEngine
from extractors.pdf.engine import Drawn
from extractors.pdf.pages_for_ocr import unread_pictures, why_ocr

WHOLE = (0, 0, WIDTH, HEIGHT)
SIGNED = b"BT /F 8 Tf 40 20 Td (Signing envelope no. 7F3A19C2-55D0-4E6B-9B1C-0A8842D7E610, page 1 of 2) Tj ET"
HEADER = lines_of_text(5)
"""A header of more than 200 characters."""


@cache
def _scan() -> Image.Image:
    return writing()


def _page(folder: Path, data: bytes, engine: PdfEngine = "pdfium") -> Page:
    path = folder / "file.pdf"
    path.write_bytes(data)
    return extract(path, Options(pdf_engine=engine)).pages[0]


def _strips(count: int) -> bytes:
    image, height = _scan(), HEIGHT / count
    rows = image.height // count
    parts = [image.crop((0, number * rows, image.width, (number + 1) * rows)) for number in range(count)]
    drawn = [placed(number, 0, HEIGHT - (number + 1) * height, WIDTH, height) for number in range(count)]
    return sheet(b" ".join([*drawn, SIGNED]), parts)


def _tiles() -> bytes:
    image, parts, drawn = _scan(), [], []
    for number in range(12):
        column, row = number % 3, number // 3
        left, top = column * image.width // 3, row * image.height // 4
        parts.append(image.crop((left, top, left + image.width // 3, top + image.height // 4)))
        drawn.append(placed(number, column * WIDTH / 3, HEIGHT - (row + 1) * HEIGHT / 4, WIDTH / 3, HEIGHT / 4))
    return sheet(b" ".join([*drawn, SIGNED]), parts)


def _hidden_layer(lines: int) -> bytes:
    """A scan with the text layer of a scanning program: invisible, over its first lines."""
    image = writing(LETTER * 2)
    rows = []
    for number in range(lines):
        top = (image.height / 12 + number * 38 * 1.8 + 38) / image.height * HEIGHT
        rows.append(b"1 0 0 1 50 %f Tm (%s) Tj" % (HEIGHT - top, LETTER[number % len(LETTER)].encode()))
    return sheet(placed(0, *WHOLE) + b" BT /F 18 Tf 3 Tr " + b" ".join(rows) + b" ET", [image])


def _painted() -> bytes:
    """A scan that a pattern paints into a box of the page's size."""
    pattern = b"<< /Type /Pattern /PatternType 1 /PaintType 1 /TilingType 1 /BBox [0 0 %d %d] /XStep %d /YStep %d"
    pattern = pattern % (WIDTH, HEIGHT, WIDTH, HEIGHT) + b" /Resources << /XObject << /P0 7 0 R >> >> /Length 31 >>"
    data = sheet(b"/Pattern cs /Q scn 0 0 %d %d re f " % (WIDTH, HEIGHT) + SIGNED, [_scan()])
    assert data.count(b"/XObject << /X 6 0 R") == 1
    data = data.replace(b"/XObject << /X 6 0 R", b"/Pattern << /Q 8 0 R >> /XObject << /X 6 0 R")
    content = placed(0, *WHOLE)
    stream = pattern.replace(b"/Length 31", b"/Length %d" % len(content)) + b"\nstream\n" + content + b"\nendstream"
    return data.replace(b"xref\n", b"8 0 obj\n" + stream + b"\nendobj\nxref\n", 1)


SCANS: dict[str, Callable[[], bytes]] = {
    "signed scan": lambda: sheet(placed(0, *WHOLE) + SIGNED, [_scan()]),
    "scan that a form XObject draws": lambda: sheet(b"/X Do " + SIGNED, [_scan()], form=placed(0, *WHOLE)),
    "scan in a form that is scaled": lambda: sheet(
        b"q 2 0 0 2 0 0 cm /X Do Q " + SIGNED, [_scan()], form=placed(0, 0, 0, WIDTH / 2, HEIGHT / 2)
    ),
    "scan under a text header": lambda: sheet(HEADER + placed(0, 0, 0, WIDTH, 700), [_scan()]),
    "half a page of scan under a header": lambda: sheet(
        lines_of_text(8) + placed(0, 30, 30, 535, 500), [writing(LETTER * 2, (1240, 1160))]
    ),
    "scan in strips": lambda: _strips(60),
    "scan in tiles": _tiles,
    "scan that a pattern paints": _painted,
    "pale scan": lambda: sheet(placed(0, *WHOLE) + SIGNED, [_scan().point(lambda grey: 190 + grey // 5)]),
    "white on black": lambda: sheet(placed(0, *WHOLE) + SIGNED, [_scan().point(lambda grey: 255 - grey)]),
    "writing as outlines": lambda: sheet(outlined(LETTER)),
    "outlines under a header": lambda: sheet(HEADER + outlined(LETTER * 2, 700)),
    "stamp alone": lambda: sheet(b"", stamps=[b"BT /F 30 Tf 10 40 Td (Received) Tj ET"]),
    "stamp beside a page number": lambda: sheet(
        b"BT /F 9 Tf 300 20 Td (Page 4) Tj ET", stamps=[b"BT /F 24 Tf 10 40 Td (Received 12 March) Tj ET"]
    ),
    "scan with the long record of a signing service": lambda: sheet(
        placed(0, *WHOLE)
        + b"BT /F 5 Tf 6 TL 20 100 Td "
        + b"(Signed by the tenant, page 1 of 2, envelope 7F3A) Tj T* " * 16
        + b"ET",
        [_scan()],
    ),
    "scan over the text that it hides": lambda: sheet(SIGNED + placed(0, *WHOLE), [_scan()]),
    "free text without its words": lambda: sheet(b"", stamps=[b"BT /F 30 Tf 10 40 Td (Received) Tj ET"]).replace(
        b"/Subtype /Stamp", b"/Subtype /FreeText"
    ),
    "scan with a text layer over one line": lambda: _hidden_layer(1),
}


@pytest.mark.parametrize("kind", SCANS)
def test_a_page_whose_writing_is_not_in_its_text_layer_waits_for_ocr(tmp_path: Path, kind: str) -> None:
    page = _page(tmp_path, SCANS[kind]())
    assert page.origin == "pending"
    assert len(page.warnings) == 1
    assert page.warnings[0].startswith("Read by OCR: ")


def _chart() -> Image.Image:
    image = Image.new("L", (900, 700), 255)
    draw = ImageDraw.Draw(image)
    for number in range(12):
        draw.line((60, 50 + 50 * number, 860, 50 + 50 * number), fill=200)
        draw.rectangle((80 + 62 * number, 640 - 40 * (number % 7 + 2), 120 + 62 * number, 640), fill=60 + 12 * number)
    return image


def _texture() -> Image.Image:
    return photograph((620, 877), seed=4).point(lambda grey: 215 + grey // 8)


DIGITAL: dict[str, Callable[[], bytes]] = {
    "text": lambda: sheet(lines_of_text(50)),
    "photograph beside text": lambda: sheet(lines_of_text(20) + placed(0, 60, 60, 475, 400), [photograph()]),
    "photograph as the ground of a title": lambda: sheet(placed(0, *WHOLE) + lines_of_text(2), [photograph()]),
    "texture behind a page of text": lambda: sheet(placed(0, *WHOLE) + lines_of_text(50), [_texture()]),
    "grey box behind a few lines": lambda: sheet(b".75 g 0 0 595 842 re f 0 g " + lines_of_text(4)),
    "plain ground behind a few lines": lambda: sheet(
        placed(0, *WHOLE) + lines_of_text(4), [Image.new("L", (80, 90), 230)]
    ),
    "chart beside text": lambda: sheet(lines_of_text(12) + placed(0, 30, 30, 535, 420), [_chart()]),
    "small picture of writing beside text": lambda: sheet(lines_of_text(30) + placed(0, 60, 60, 200, 280), [_scan()]),
    "logo": lambda: sheet(lines_of_text(10) + placed(0, 430, 760, 120, 50), [writing(["KQ"], (240, 100), 60)]),
    "form with rules": lambda: sheet(
        lines_of_text(6) + b" ".join(b"60 %d 400 14 re S" % (30 + 20 * n) for n in range(30))
    ),
    "letter on the picture of a letterhead": lambda: sheet(
        placed(0, *WHOLE) + lines_of_text(30, 680), [writing(["KESTREL QUAY LTD", "Harbour Road 7"])]
    ),
    "recognised scan": lambda: _hidden_layer(16),
    "outlines that the text layer repeats": lambda: sheet(lines_of_text(16, 700) + outlined(LETTER[:1], 780)),
    "small stamp on a page of text": lambda: sheet(
        lines_of_text(50), stamps=[b"BT /F 30 Tf 10 40 Td (Received) Tj ET"]
    ),
}


@pytest.mark.parametrize("kind", DIGITAL)
def test_a_page_whose_text_layer_is_the_page_is_not_read_by_ocr(tmp_path: Path, kind: str) -> None:
    page = _page(tmp_path, DIGITAL[kind]())
    assert (page.origin, page.warnings) == ("text", ())


@pytest.mark.parametrize("engine", ["pypdf", "pypdf2"])
def test_the_other_engines_decide_alike(tmp_path: Path, engine: PdfEngine) -> None:
    if engine == "pypdf2":
        pytest.importorskip("PyPDF2", exc_type=ImportError)
    assert _page(tmp_path, SCANS["signed scan"](), engine).origin == "pending"
    assert _page(tmp_path, SCANS["writing as outlines"](), engine).origin == "pending"
    assert _page(tmp_path, DIGITAL["photograph beside text"](), engine).origin == "text"


def test_the_text_layer_of_a_page_that_waits_is_kept(tmp_path: Path) -> None:
    page = _page(tmp_path, SCANS["signed scan"]())
    assert page.text == "Signing envelope no. 7F3A19C2-55D0-4E6B-9B1C-0A8842D7E610, page 1 of 2"
    assert page.warnings == (
        "Read by OCR: pictures cover 100% of the page, and their writing is not in its text layer.",
    )


def test_a_hidden_stamp_is_not_seen(tmp_path: Path) -> None:
    data = sheet(b"", stamps=[b"BT /F 30 Tf 10 40 Td (Received) Tj ET"]).replace(
        b"/Subtype /Stamp /F 4", b"/Subtype /Stamp /F 2"
    )
    with pytest.raises(Empty):
        _page(tmp_path, data)


def test_only_so_many_pages_of_a_file_are_looked_at(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("extractors.pdf.drawn.MAX_LOOKS", 0)
    assert _page(tmp_path, SCANS["signed scan"]()).origin == "pending"
    assert _page(tmp_path, DIGITAL["texture behind a page of text"]()).origin == "text"
    assert _page(tmp_path, SCANS["half a page of scan under a header"]()).origin == "pending"


def test_a_turned_page_with_shifted_boxes_is_looked_at_in_place(tmp_path: Path) -> None:
    boxes = b"/MediaBox [-100 -50 %d %d] /CropBox [0 0 %d %d] /Rotate 90" % (WIDTH + 9, HEIGHT + 9, WIDTH, HEIGHT)
    plain = b"/MediaBox [0 0 %d %d]" % (WIDTH, HEIGHT)
    for kind, origin in (("signed scan", "pending"), ("recognised scan", "text")):
        data = {**SCANS, **DIGITAL}[kind]()
        assert plain in data
        assert _page(tmp_path, data.replace(plain, boxes)).origin == origin


def test_a_picture_of_writing_beside_text_is_read_and_the_text_layer_kept(tmp_path: Path) -> None:
    receipt = writing(LETTER, (1240, 800), 40)
    beside = _page(tmp_path, sheet(lines_of_text(25) + placed(0, 40, 40, 515, 332), [receipt]))
    assert (beside.origin, beside.layer) == ("pending", "keep")
    assert beside.warnings == ("Read by OCR: pictures beside its text cover 30% of the page and hold writing.",)
    assert not _page(tmp_path, DIGITAL["photograph beside text"]()).warnings
    assert not _page(tmp_path, DIGITAL["chart beside text"]()).warnings


def test_a_page_in_another_script_says_that_the_writing_of_its_picture_is_not_read() -> None:
    pictures = Drawn(pictures=0.3, bare=0.3, marked=True, writing=0.03)
    russian, english = (
        "Члены товарищества решили заменить насос. " * 20,
        "The members decided to replace the pump. " * 20,
    )
    assert why_ocr(pictures, russian) is None
    assert "their writing is not read" in (unread_pictures(pictures, russian) or "")
    assert why_ocr(pictures, english) == "pictures beside its text cover 30% of the page and hold writing"


@pytest.mark.parametrize("kind", ["Stamp", "FreeText", "Widget /FT /Sig /T (s)"])
def test_a_stamp_or_signature_drawn_by_a_picture_alone_waits_for_ocr(tmp_path: Path, kind: str) -> None:
    stamp = placed(0, 0, 0, 300, 100)
    data = sheet(b"", [writing(LETTER[:2], (900, 300), 44)], stamps=[stamp])
    page = _page(tmp_path, data.replace(b"/Subtype /Stamp", b"/Subtype /" + kind.encode()))
    assert (page.origin, page.layer) == ("pending", "keep")


def test_a_stamp_drawn_by_a_picture_on_a_page_of_text_waits_for_ocr(tmp_path: Path) -> None:
    data = sheet(lines_of_text(25), [writing(LETTER[:3], (900, 300), 44)], stamps=[placed(0, 0, 0, 300, 100)])
    data = data.replace(b"/Rect [100 400 400 500]", b"/Rect [100 100 400 200]")
    assert _page(tmp_path, data).origin == "pending"


def test_a_signature_drawn_by_text_is_text(tmp_path: Path) -> None:
    data = sheet(b"", stamps=[b"BT /F 14 Tf 10 40 Td (Signed by Elin Holm) Tj ET"])
    page = _page(tmp_path, data.replace(b"/Subtype /Stamp", b"/Subtype /Widget /FT /Sig /T (s)"))
    assert (page.origin, page.text) == ("text", "Signed by Elin Holm")


def test_a_page_with_a_drawing_by_hand_alone_is_not_blank(tmp_path: Path) -> None:
    data = sheet(b"", stamps=[b"0 0 m 200 80 l 250 10 l S"]).replace(b"/Subtype /Stamp", b"/Subtype /Ink")
    assert _page(tmp_path, data).origin == "pending"
