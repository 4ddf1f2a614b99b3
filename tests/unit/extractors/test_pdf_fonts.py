"""Fonts that name several glyphs by one character are not trusted; fonts that name them rightly are."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from pdf_builder import pdf

from extractors import extract
from extractors.pdf.trust import why_distrusted

LINES = [
    "Minutes of the harbour board held on the ninth of May",
    "The water pump of the eastern lock shall be replaced",
    "before winter since its bearings are worn out and leak",
    "The treasurer reported a surplus of four thousand",
]
FIGURES = ["1203 4411 7781 9021 5530 6627", "8812 1009 4456 7730 2218 9954", "3301 7748 1212 9090 4545 6161"]
UNNAMED = "the fonts of its text layer do not say which characters they show"
NO_TEXT = "its text layer stands for no characters that one could read"


def page_in_font(lines: list[str], named: Callable[[str], str]) -> bytes:
    """A file of one page whose font says of each letter that it is another one."""
    letters = sorted(set("".join(lines)))
    pairs = "\n".join(f"<{ord(letter):02X}> <{ord(named(letter)):04X}>" for letter in letters)
    names = (
        "/CIDInit /ProcSet findresource begin 12 dict begin begincmap /CMapName /N def /CMapType 2 def "
        f"1 begincodespacerange <00> <FF> endcodespacerange {len(letters)} beginbfchar\n{pairs}\nendbfchar "
        "endcmap end end"
    ).encode()
    shown = b" ".join(b"(%s) Tj T*" % line.encode("ascii") for line in lines)
    text = b"BT /F 11 Tf 14 TL 20 380 Td %s ET" % shown
    return pdf(
        [
            b"<< /Type /Catalog /Pages 2 0 R >>",
            b"<< /Type /Pages /Count 1 /Kids [3 0 R] >>",
            b"<< /Type /Page /Parent 2 0 R /MediaBox [0 0 400 400] /Contents 4 0 R "
            b"/Resources << /Font << /F 5 0 R >> >> >>",
            b"<< /Length %d >>\nstream\n%s\nendstream" % (len(text), text),
            b"<< /Type /Font /Subtype /Type1 /BaseFont /Helvetica /Encoding /WinAnsiEncoding /ToUnicode 6 0 R >>",
            b"<< /Length %d >>\nstream\n%s\nendstream" % (len(names), names),
        ]
    )


def read_page(path: Path, file: bytes) -> tuple[str, tuple[str, ...]]:
    """(origin, warnings) of the file's page."""
    path.write_bytes(file)
    page = extract(path).pages[0]
    return page.origin, page.warnings


@pytest.mark.parametrize(
    ("named", "why"),
    [
        (lambda letter: "a" if letter.isalpha() else letter, NO_TEXT),
        (lambda letter: "-" if letter.isalpha() else letter, UNNAMED),
        (lambda letter: str(ord(letter) % 7) if letter.isalpha() else letter, UNNAMED),
        (lambda letter: "abc"[ord(letter) % 3] if letter.isalpha() else letter, UNNAMED),
        (lambda letter: chr(0x4E00 + 7 * ord(letter)) if letter.isalpha() else letter, UNNAMED),
        (lambda letter: chr(0x2200 + ord(letter)) if letter.isalpha() else letter, NO_TEXT),
    ],
)
def test_several_glyphs_of_one_name(tmp_path: Path, named: Callable[[str], str], why: str) -> None:
    assert read_page(tmp_path / "a.pdf", page_in_font(LINES, named)) == ("pending", (f"Read by OCR: {why}.",))


@pytest.mark.parametrize("lines", [LINES, FIGURES, [line.upper() for line in LINES]])
def test_fonts_that_name_their_glyphs(tmp_path: Path, lines: list[str]) -> None:
    assert read_page(tmp_path / "a.pdf", page_in_font(lines, str)) == ("text", ())


def test_letters_of_many_kinds_without_a_name() -> None:
    text = " ".join(LINES)
    assert why_distrusted(text, 0.3, "\x10 \x19\x0c \x15 \x08 \x0e \x11 \x12") == UNNAMED


def test_leaders_and_bullets_without_a_name() -> None:
    assert why_distrusted(" ".join(LINES), 0.3, "\x0e\x0e\x0e \x0e\x0e \x0f") is None


def test_a_page_of_one_letter() -> None:
    assert why_distrusted("a" * 50) == NO_TEXT
    assert why_distrusted("." * 50) is None
    assert why_distrusted("aaaa " * 5) is None
