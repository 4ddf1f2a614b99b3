"""A second reading by pypdf, where the text layer that pdfium gives is not to be trusted."""

from __future__ import annotations

from pathlib import Path

import pytest
from pdf_builder import book, pdf, show

from extractors.options import Options, PdfEngine
from extractors.pdf.engine import Drawn, RawPage
from extractors.pdf.second_reading import with_second_readings

CHINESE = "离心泵的机械密封每周检查一次。"
DIGITS = RawPage("12. 34 (56) 78, 90 % " * 4)
WORDS = [
    "The harbour office lets the boat shed",
    "to members of the sailing club for seven years.",
]


def _chinese(encoding: bytes, codec: str) -> bytes:
    """A file whose font has a predefined character map and no table of its own."""
    content = b"BT /F 12 Tf 50 700 Td <%s> Tj ET" % CHINESE.encode(codec).hex().encode()
    info = b"/CIDSystemInfo << /Registry (Adobe) /Ordering (GB1) /Supplement 2 >>"
    return pdf(
        [
            b"<< /Type /Catalog /Pages 2 0 R >>",
            b"<< /Type /Pages /Count 1 /Kids [3 0 R] >>",
            b"<< /Type /Page /Parent 2 0 R /MediaBox [0 0 595 842] /Contents 4 0 R"
            b" /Resources << /Font << /F 5 0 R >> >> >>",
            b"<< /Length %d >>\nstream\n%s\nendstream" % (len(content), content),
            b"<< /Type /Font /Subtype /Type0 /BaseFont /SimSun /Encoding /%s /DescendantFonts [6 0 R] >>" % encoding,
            b"<< /Type /Font /Subtype /CIDFontType2 /BaseFont /SimSun %s /FontDescriptor 7 0 R >>" % info,
            b"<< /Type /FontDescriptor /FontName /SimSun /Flags 4 /FontBBox [0 -200 1000 900] /StemV 80 >>",
        ]
    )


def _again(folder: Path, data: bytes, raws: list[RawPage | None], engine: PdfEngine = "pdfium") -> list[RawPage | None]:
    path = folder / "file.pdf"
    path.write_bytes(data)
    return with_second_readings(raws, path, Options(pdf_engine=engine))


@pytest.mark.parametrize(("encoding", "codec"), [(b"GBK-EUC-H", "gbk"), (b"UniGB-UCS2-H", "utf-16-be")])
def test_a_page_of_digits_alone_is_read_again_by_its_predefined_map(
    tmp_path: Path, encoding: bytes, codec: str
) -> None:
    (page,) = _again(tmp_path, _chinese(encoding, codec), [DIGITS])
    assert page is not None
    assert page.text.strip() == CHINESE
    assert page.note == "Its text was read by the engine pypdf: that of pdfium has hardly any letters."


def test_letters_that_are_no_words_are_read_again(tmp_path: Path) -> None:
    wrong = RawPage("\ue001\ue002\ue003", "iv", Drawn(pictures=0.5, unmapped=1.0))
    (page,) = _again(
        tmp_path, book([show(*WORDS)]).replace(b"/Subtype /Type1", b"/ToUnicode 9 0 R /Subtype /Type1"), [wrong]
    )
    assert page is not None
    assert (page.text.split(), page.label) == (" ".join(WORDS).split(), "iv")
    assert (page.drawn.pictures, page.drawn.unmapped) == (0.5, 0.0)


def test_what_stands_over_a_page_is_kept_beside_the_second_reading(tmp_path: Path) -> None:
    wrong = RawPage("12. 34 (56) 78, 90 % " * 4, overlay="Note: which pump?")
    (page,) = _again(tmp_path, _chinese(b"GBK-EUC-H", "gbk"), [wrong])
    assert page is not None
    assert page.text.strip() == f"{CHINESE}\nNote: which pump?"


def test_glyph_numbers_of_a_font_without_characters_are_not_taken(tmp_path: Path) -> None:
    assert _again(tmp_path, _chinese(b"Identity-H", "utf-16-be"), [DIGITS]) == [DIGITS]


def test_a_reading_that_is_no_better_is_not_taken(tmp_path: Path) -> None:
    assert _again(tmp_path, _chinese(b"GBKp-EUC-H", "gbk"), [DIGITS]) == [DIGITS]
    assert _again(tmp_path, b"%PDF-1.7 rubbish", [DIGITS]) == [DIGITS]


def test_trusted_pages_and_other_engines_are_left_alone(tmp_path: Path) -> None:
    data = _chinese(b"GBK-EUC-H", "gbk")
    trusted = RawPage(" ".join(WORDS))
    assert _again(tmp_path, data, [trusted, None]) == [trusted, None]
    assert _again(tmp_path, data, [DIGITS], "pypdf") == [DIGITS]
