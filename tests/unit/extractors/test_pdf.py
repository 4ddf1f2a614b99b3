"""PDF: behaviour that both engines share, and functions of pdfium alone."""

from __future__ import annotations

import sys
from contextlib import suppress
from pathlib import Path

import pypdf
import pytest
from pdf_builder import PICTURE, book, pdf, show

from extractors import Document, Options, extract
from extractors.errors import Corrupt, Empty, Encrypted, TooLarge, Unsupported
from extractors.options import PdfEngine
from extractors.pdf.extract import extract_pdf, render_page

ENGINES: tuple[PdfEngine, ...] = ("pdfium", "pypdf", "pypdf2")
LONG = "A page with a text layer that is certainly long enough to be one."


@pytest.fixture(params=ENGINES)
def engine(request: pytest.FixtureRequest) -> PdfEngine:
    if request.param == "pypdf2":
        pytest.importorskip("PyPDF2", exc_type=ImportError)
    return request.param  # type: ignore[no-any-return]


def _extract(folder: Path, data: bytes, engine: PdfEngine = "pdfium", **options: object) -> Document:
    path = folder / "file.pdf"
    path.write_bytes(data)
    return extract(path, Options(pdf_engine=engine, **options))  # type: ignore[arg-type]


def test_pdf_text_is_read_page_by_page(tmp_path: Path, engine: PdfEngine) -> None:
    document = _extract(tmp_path, book([show(LONG, "Löwe & Söhne"), show("Second")]), engine)
    assert [(page.number, page.origin) for page in document.pages] == [(1, "text"), (2, "text")]
    assert document.pages[0].text == f"{LONG}\nLöwe & Söhne"
    assert document.text[document.page_starts[1] :] == "Second"
    assert document.media_type == "application/pdf"


@pytest.mark.parametrize(
    ("content", "origin"),
    [
        (show(LONG), "text"),
        (show(LONG) + b" " + PICTURE, "text"),
        (show("Scan 7") + b" " + PICTURE, "pending"),
        (show("Short"), "text"),
        (show("Short") + b" q 20 0 0 20 0 0 cm /I Do Q", "text"),
        (PICTURE, "pending"),
        (b"0 0 100 100 re f", "pending"),
        (b"", "empty"),
    ],
)
def test_which_pages_wait_for_ocr(tmp_path: Path, engine: PdfEngine, content: bytes, origin: str) -> None:
    document = _extract(tmp_path, book([show(LONG), content]), engine)
    assert document.pages[1].origin == origin
    assert document.pending == ([2] if origin == "pending" else [])


def test_text_of_private_characters_waits_for_ocr(tmp_path: Path, engine: PdfEngine) -> None:
    cmap = b"1 begincodespacerange <00> <FF> endcodespacerange 1 beginbfrange <20> <7E> <E020> endbfrange"
    stream = b"<< /Length %d >>\nstream\n%s\nendstream" % (len(cmap), cmap)
    data = book([show(LONG)], extra=[stream]).replace(b"/BaseFont /Helvetica", b"/BaseFont /Helv /ToUnicode 5 0 R")
    document = _extract(tmp_path, data, engine)
    assert document.pages[0].origin == "pending"
    assert document.text == ""


def test_pdf_metadata_is_read(tmp_path: Path, engine: PdfEngine) -> None:
    info = b"<< /Title (Report) /Author (M\\374ller) >>"
    document = _extract(tmp_path, book([show(LONG)], extra=[info], trailer=b"/Info 5 0 R"), engine)
    assert document.metadata == {"title": "Report", "author": "Müller"}


def test_pdf_page_labels_are_read(tmp_path: Path) -> None:
    data = book([show(LONG)] * 3, b"/PageLabels << /Nums [0 << /S /r /St 3 >> 2 << /S /D /P (A-) >>] >>")
    for engine in ("pdfium", "pypdf"):
        assert [page.label for page in _extract(tmp_path, data, engine).pages] == ["iii", "iv", "A-1"]


def test_outline_becomes_sections(tmp_path: Path, engine: PdfEngine) -> None:
    outline = [
        b"<< /Type /Outlines /First 6 0 R /Last 8 0 R /Count 3 >>",
        b"<< /Title (One) /Parent 5 0 R /Next 8 0 R /First 7 0 R /Last 7 0 R /Count 1 /Dest [9 0 R /Fit] >>",
        b"<< /Title (Inner part) /Parent 6 0 R /Dest [9 0 R /Fit] >>",
        b"<< /Title (Two) /Parent 5 0 R /Prev 6 0 R /Dest [11 0 R /Fit] >>",
    ]
    pages = [show("Preface.", "One", "first text", "Inner  Part", "inner text"), show("Two", "second text")]
    document = _extract(tmp_path, book(pages, b"/Outlines 5 0 R", outline), engine)
    spans = {section.path: document.text[section.char_start : section.char_end] for section in document.sections}
    assert list(spans) == [("One",), ("One", "Inner part"), ("Two",)]
    assert spans["One",] == "One\nfirst text\n"
    assert spans["One", "Inner part"].startswith("Inner")
    assert spans["Two",] == "Two\nsecond text"


def test_a_word_divided_at_the_line_end_is_whole(tmp_path: Path, engine: PdfEngine) -> None:
    document = _extract(tmp_path, book([show("The exam-", "ple is text of a longer kind than usual.")]), engine)
    assert "example" in document.text


@pytest.mark.parametrize("algorithm", ["RC4-128", "RC4-40"])
def test_pdf_passwords_are_tried(tmp_path: Path, engine: PdfEngine, algorithm: str) -> None:
    path = tmp_path / "plain.pdf"
    path.write_bytes(book([show(LONG)]))
    writer = pypdf.PdfWriter(clone_from=path)
    writer.encrypt("geheim", "owner", algorithm=algorithm)
    writer.write(path)
    for passwords in ((), ("wrong",)):
        with pytest.raises(Encrypted):
            extract(path, Options(pdf_engine=engine, passwords=passwords))
    assert extract(path, Options(pdf_engine=engine, passwords=("wrong", "geheim"))).text == LONG


def test_an_empty_password_opens_without_being_asked_for(tmp_path: Path, engine: PdfEngine) -> None:
    path = tmp_path / "plain.pdf"
    path.write_bytes(book([show(LONG)]))
    writer = pypdf.PdfWriter(clone_from=path)
    writer.encrypt("", "owner", algorithm="RC4-128")
    writer.write(path)
    assert extract(path, Options(pdf_engine=engine)).text == LONG


def test_filled_form_fields_are_text(tmp_path: Path) -> None:
    field = b"<< /Type /Annot /Subtype /Widget /FT /Tx /T (name) /V (Wacholder) /Rect [0 0 99 20] /DA (/F 9 Tf) >>"
    data = book([show(LONG)], b"/AcroForm << /Fields [5 0 R] /DA (/F 9 Tf) >>", [field])
    data = data.replace(b"/MediaBox", b"/Annots [5 0 R] /MediaBox")
    assert _extract(tmp_path, data).text == f"{LONG}\nWacholder"


@pytest.mark.parametrize("data", [b"%PDF-1.7\n", b"%PDF-1.7\n" + b"\xff\x00 rubbish" * 50])
def test_a_pdf_damaged_beyond_repair_is_refused(tmp_path: Path, engine: PdfEngine, data: bytes) -> None:
    with pytest.raises((Corrupt, Empty)):
        _extract(tmp_path, data, engine)


def test_a_truncated_pdf_is_read_or_refused(tmp_path: Path, engine: PdfEngine) -> None:
    data = book([show(LONG)] * 3)
    for cut in range(20, len(data), 97):
        with suppress(Corrupt, Empty):
            assert set(_extract(tmp_path, data[:cut], engine).text.split()) <= set(LONG.split())


def test_pages_and_characters_above_the_limit_are_refused(tmp_path: Path, engine: PdfEngine) -> None:
    data = book([show(LONG)] * 4)
    with pytest.raises(TooLarge, match="max_pages"):
        _extract(tmp_path, data, engine, max_pages=3)
    with pytest.raises(TooLarge, match="max_chars"):
        _extract(tmp_path, data, engine, max_chars=3 * len(LONG))
    assert len(_extract(tmp_path, data, engine, max_pages=4).pages) == 4


def test_a_page_that_cannot_be_read_is_named(tmp_path: Path) -> None:
    data = book([show(LONG)] * 2).replace(b"/Kids [5 0 R 7 0 R]", b"/Kids [5 0 R 9 0 R]")
    document = _extract(tmp_path, data)
    assert [page.origin for page in document.pages] == ["text", "failed"]
    assert document.warnings == ("Pages that could not be read: 2.",)


def test_no_readable_page_is_corrupt(tmp_path: Path) -> None:
    with pytest.raises(Corrupt):
        _extract(tmp_path, book([show(LONG)]).replace(b"/Kids [5 0 R]", b"/Kids [9 0 R]"))


def test_a_cycle_in_the_page_tree_ends(tmp_path: Path, engine: PdfEngine) -> None:
    with pytest.raises((Corrupt, Empty)):
        _extract(tmp_path, book([show(LONG)]).replace(b"/Kids [5 0 R]", b"/Kids [2 0 R]"), engine)


def test_without_pypdf2_the_error_says_what_to_install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "PyPDF2", None)
    with pytest.raises(Unsupported, match=r"pip install docrelay\[pypdf2\]"):
        _extract(tmp_path, book([show(LONG)]), "pypdf2")


def test_a_page_is_drawn_at_the_asked_resolution(tmp_path: Path) -> None:
    path = tmp_path / "file.pdf"
    path.write_bytes(book([show(LONG), b"0 0 100 200 re f"]))
    image = render_page(path, 2, Options(ocr_dpi=144))
    assert (image.size, image.mode, image.info["dpi"]) == ((400, 400), "L", (144, 144))
    assert (image.getpixel((100, 200)), image.getpixel((300, 200))) == (0, 255)
    with pytest.raises(IndexError):
        render_page(path, 3, Options())


@pytest.mark.parametrize("box", [b"[0 0 200000 200000]", b"[0 0 2 10000000]"])
def test_a_huge_page_is_drawn_within_the_limits(tmp_path: Path, box: bytes) -> None:
    path = tmp_path / "file.pdf"
    path.write_bytes(book([show(LONG)]).replace(b"[0 0 200 200]", box))
    image = render_page(path, 1, Options(max_image_pixels=1_000_000))
    assert image.width * image.height <= 1_010_000
    assert max(image.size) <= 32_767


def test_a_pdf_without_pages_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "file.pdf"
    path.write_bytes(pdf([b"<< /Type /Catalog /Pages 2 0 R >>", b"<< /Type /Pages /Count 0 /Kids [] >>"]))
    with pytest.raises(Corrupt):
        extract_pdf(path, Options())
