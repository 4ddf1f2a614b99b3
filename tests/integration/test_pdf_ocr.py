"""Pages of PDFs that OCR reads: their writing is in the text, and the text layer as well, each once."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import pytest
from pdf_sheets import HEIGHT, LETTER, WIDTH, lines_of_text, outlined, placed, sheet, writing

from extractors import Document, Options, read
from extractors.errors import Empty
from extractors.options import OcrMode

CASES = Path(__file__).parents[1] / "data" / "cases"
SIGNED = "Signing envelope no. 7F3A19C2-55D0-4E6B-9B1C-0A8842D7E610, page 1 of 2"
SCAN = placed(0, 0, 0, WIDTH, HEIGHT)


@pytest.fixture(autouse=True)
def ocr() -> None:
    if shutil.which("tesseract") is None and not os.environ.get("CI"):
        pytest.skip("tesseract is not installed")


def _read(folder: Path, data: bytes, ocr: OcrMode = "auto") -> Document:
    path = folder / "file.pdf"
    path.write_bytes(data)
    return read(path, Options(ocr_languages="eng", ocr_dpi=150, ocr=ocr))


def _words(text: str) -> list[str]:
    return [word for word in text.split() if word.isalpha()]


def test_a_signed_scan_has_its_page_and_the_line_of_the_signing_service(tmp_path: Path) -> None:
    line = b"BT /F 8 Tf 40 20 Td (%s) Tj ET" % SIGNED.encode()
    page = _read(tmp_path, sheet(SCAN + line, [writing()])).pages[0]
    assert page.text.split("\n").count(SIGNED) == 1
    assert page.text.count("envelope") == 1
    assert "serial number WX-88213" in page.text
    assert (page.origin, len(page.warnings)) == ("ocr", 1)


def test_a_scan_under_a_header_follows_the_header(tmp_path: Path) -> None:
    data = sheet(lines_of_text(5) + placed(0, 0, 0, WIDTH, 700), [writing()])
    text = _read(tmp_path, data).text
    header = "\n".join(f"The pump is checked every week and oiled each month {number}" for number in range(5))
    assert text.startswith(header)
    assert text.count("checked every week") == 5
    assert text.index("slipway free of ice") > len(header)


def test_writing_as_outlines_and_a_stamp_are_read(tmp_path: Path) -> None:
    wanted = set(_words(" ".join(LETTER)))
    read_words = set(_words(_read(tmp_path, sheet(outlined(LETTER))).text))
    assert len(wanted & read_words) >= 0.8 * len(wanted)
    stamp = b"BT /F 30 Tf 10 40 Td (Received 12 March) Tj ET"
    assert _read(tmp_path, sheet(b"", stamps=[stamp])).text == "Received 12 March"


def test_a_font_without_characters_is_read_by_ocr() -> None:
    page = read(CASES / "minutes_no_tounicode.pdf", Options(ocr_languages="eng")).pages[0]
    assert "water pump" in page.text
    assert "UIF" not in page.text
    assert page.warnings == ("Read by OCR: the fonts of its text layer do not say which characters they show.",)


def test_ocr_is_forced_and_off(tmp_path: Path) -> None:
    forced = _read(tmp_path, sheet(lines_of_text(3)), "force").pages[0]
    assert forced.origin == "ocr"
    assert forced.text.count("The pump is checked every week") == 3
    with pytest.raises(Empty, match="`ocr`"):
        _read(tmp_path, sheet(SCAN, [writing()]), "off")
