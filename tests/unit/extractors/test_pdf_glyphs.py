"""Text that is drawn twice is read once; letters that are set apart are words; what only looks like it stays."""

from __future__ import annotations

from pathlib import Path

import pytest
from pdf_builder import book

from extractors import Options, extract
from extractors.options import PdfEngine

WIDTHS = {
    "i": 222,
    "l": 222,
    "t": 278,
    "I": 278,
    " ": 278,
    "r": 333,
    "c": 500,
    "v": 500,
    "s": 500,
    "S": 667,
    "A": 667,
    "K": 667,
    "V": 667,
    "U": 722,
    "w": 722,
}
"""Of Helvetica, in thousandths; other letters in use here are 556 wide."""


def _line(x: float, y: float, text: str, size: float = 12) -> bytes:
    return b"BT /F %g Tf %g %g Td (%s) Tj ET " % (size, x, y, text.encode("cp1252"))


def _letters(x: float, text: str, apart: float = 0.0, *, copies: int = 1, aside: float = 0.3) -> bytes:
    """Letters of 12 points that are set one by one; a space between words is as wide as two gaps more."""
    drawn = b""
    for char in text:
        if char != " ":
            drawn += b"".join(_line(x + aside * copy, 150, char) for copy in range(copies))
        x += WIDTHS.get(char, 556) * 0.012 + apart
    return drawn


def _text(folder: Path, content: bytes, engine: PdfEngine = "pdfium") -> str:
    path = folder / "file.pdf"
    path.write_bytes(book([content]))
    return extract(path, Options(pdf_engine=engine)).text


@pytest.mark.parametrize("engine", ["pdfium", "pypdf"])
@pytest.mark.parametrize("aside", [0.0, 0.3, 1.0])
def test_a_page_whose_lines_are_all_drawn_again_is_read_once(tmp_path: Path, engine: PdfEngine, aside: float) -> None:
    lines = [f"line {number} of the bill" for number in range(10)]
    content = b"".join(_line(10 + shift, 180 - 14 * y, text) for shift in (0, aside) for y, text in enumerate(lines))
    assert _text(tmp_path, content, engine) == "\n".join(lines)


@pytest.mark.parametrize(
    "content",
    [
        _letters(10, "Invoice total") + _line(10.3, 150, "Invoice total"),
        _line(10.3, 150, "Invoice total") + _letters(10, "Invoice total"),
        b"BT /F 12 Tf 10 150 Td [(Invoice) -278 (total)] TJ ET BT /F 12 Tf 10.3 150 Td [(Inv) 0 (oice total)] TJ ET",
        _line(10, 150, "Invoice total", 8) + _line(12, 150, "Invoice total", 8),
        _letters(10, "Invoice total", copies=3, aside=0.2),
        _letters(10, "Invoice total", copies=2, aside=1.0),
        _line(10, 150, "Invoice total") + _line(10.5, 149.5, "Invoice total"),
    ],
)
def test_what_is_drawn_twice_to_be_bold_is_read_once(tmp_path: Path, content: bytes) -> None:
    assert _text(tmp_path, content + _line(10, 100, "to be paid")) == "Invoice total\nto be paid"


@pytest.mark.parametrize(
    "text",
    ["they had had 2 2 dogs", "bookkeeper 22 11 00", "no, no, no, no, no, no", "- - - - - - - -", "aa ii ll ss"],
)
def test_real_doubles_stay(tmp_path: Path, text: str) -> None:
    assert _text(tmp_path, _line(10, 150, text)) == text
    again = _line(10, 150, text) + _line(10, 100, text)
    assert _text(tmp_path, again) == f"{text}\n{text}"


def test_words_that_only_begin_alike_at_one_place_stay(tmp_path: Path) -> None:
    """Two states of a slide lie over each other."""
    content = b"".join(_line(10, 180 - 20 * y, "state") for y in range(3))
    content += _line(10, 50, "enabled") + _line(10, 90, "x") + _line(10.2, 50, "entered")
    assert _text(tmp_path, content).split() == ["state", "state", "state", "enabled", "x", "entered"]


@pytest.mark.parametrize("apart", [2.4, 3.0, 4.8, 7.2])
def test_letters_that_are_set_apart_are_words(tmp_path: Path, apart: float) -> None:
    content = _letters(10, "total cost", apart) + _line(10, 100, "of a b c")
    assert _text(tmp_path, content) == "total cost\nof a b c"


def test_letters_that_someone_typed_apart_are_words(tmp_path: Path) -> None:
    assert _text(tmp_path, _line(10, 150, "S u m m e  o f f e n")) == "Summe offen"
    assert _text(tmp_path, _line(10, 150, "R e c h n u n g")) == "Rechnung"
    assert _text(tmp_path, _line(10, 150, "R E C H N U N G")) == "RECHNUNG"


def test_plain_words_may_stand_beside_letters_that_are_set_apart(tmp_path: Path) -> None:
    content = _letters(10, "total", 3.0) + _line(80, 150, "is due on 3 May")
    assert _text(tmp_path, content) == "total is due on 3 May"


@pytest.mark.parametrize(
    "content",
    [
        _line(10, 150, "a b c d e f g"),
        _line(10, 150, "n k m p r s t v"),
        _line(10, 150, "M T W T F S S"),
        _letters(10, "hdnbpg", 3),
        _line(10, 150, "b d a c e b a d"),
        _line(10, 150, "x + y = z + w + v + u"),
        _line(10, 150, "1 2 3 4 5 6 7 8"),
        _letters(10, "noxsu", 20),
        _letters(10, "abcdefg", 3),
    ],
)
def test_single_letters_of_formulas_and_tables_stay(tmp_path: Path, content: bytes) -> None:
    assert all(len(word) == 1 for word in _text(tmp_path, content).split())


def test_letters_torn_off_their_words_are_put_back(tmp_path: Path) -> None:
    """A program sets the last letter of each word by itself, as far off as the others."""
    words = [("Unite", "d", 170), ("Ara", "b", 150), ("Shippin", "g", 130), ("Kuwai", "t", 110), ("Vapore", "s", 90)]
    content = b""
    for word, last, y in words:
        end = 10 + sum(WIDTHS.get(char, 556) for char in word) * 0.012
        content += b"BT /F 12 Tf 3 Tc 10 %d Td (%s) Tj ET " % (y, word.encode())
        content += _line(end + 3 * len(word), y, last)
    assert _text(tmp_path, content) == "United\nArab\nShipping\nKuwait\nVapores"


def test_a_value_stands_at_its_place_on_a_page_that_is_mended(tmp_path: Path) -> None:
    from pdf_builder import annotated

    field = b"/Subtype /Widget /FT /Tx /T (a) /Rect [60 95 190 110] /V (Okonjo)"
    path = tmp_path / "file.pdf"
    path.write_bytes(annotated(_letters(10, "total cost", 3.0) + _line(10, 100, "Name:"), field))
    assert extract(path, Options()).text == "total cost\nName: Okonjo"
