"""Form XObjects that draw each other without end are left out; the rest of the file is read."""

from __future__ import annotations

from io import BytesIO
from pathlib import Path

import pytest
from pdf_builder import FONT, pdf, show

from extractors import Document, Options, extract
from extractors.options import PdfEngine
from extractors.pdf.extract import render_page
from extractors.pdf.nesting import may_nest, without_endless_drawings

LEFT_OUT = "Page 1: drawings that repeat themselves without end are left out."
FIRST = 6
"""The number of the first form XObject."""


def _form(content: bytes, resources: bytes) -> bytes:
    entries = b"/Type /XObject /Subtype /Form /BBox [0 0 200 200] %s" % resources
    return b"<< %s /Length %d >>\nstream\n%s\nendstream" % (entries, len(content), content)


def _file(forms: list[bytes], page: bytes, page_forms: bytes = b"/X 6 0 R", annotations: bytes = b"") -> bytes:
    """A file of two pages of text; the first one draws form XObjects, which are the objects from number 6."""
    second = FIRST + len(forms)
    text = show("Second page")
    resources = b"/Resources << /Font << /F 3 0 R >> /XObject << %s >> >>" % page_forms
    entries = b"/Type /Page /Parent 2 0 R /MediaBox [0 0 200 200]"
    return pdf(
        [
            b"<< /Type /Catalog /Pages 2 0 R >>",
            b"<< /Type /Pages /Count 2 /Kids [4 0 R %d 0 R] >>" % second,
            FONT,
            b"<< %s /Contents 5 0 R /Annots [%s] %s >>" % (entries, annotations, resources),
            b"<< /Length %d >>\nstream\n%s\nendstream" % (len(page), page),
            *forms,
            b"<< %s /Contents %d 0 R %s >>" % (entries, second + 1, resources),
            b"<< /Length %d >>\nstream\n%s\nendstream" % (len(text), text),
        ]
    )


def _doubling(levels: int) -> list[bytes]:
    """Forms that each draw the next one twice; the last one writes a word."""
    own = b"/Resources << /XObject << /X %d 0 R >> /Font << /F 3 0 R >> >>"
    drawing = [_form(b"/X Do q /X Do Q", own % (FIRST + level + 1)) for level in range(levels)]
    return [*drawing, _form(show("Innermost"), own % 4)]


def _without_resources(levels: int) -> tuple[list[bytes], bytes]:
    """The same, with the names of all forms among the page's resources alone."""
    names = b" ".join(b"/X%d %d 0 R" % (level, FIRST + level) for level in range(levels + 1))
    drawing = [_form(b"/X%d Do /X%d Do" % (level + 1, level + 1), b"") for level in range(levels)]
    return [*drawing, _form(b"0 0 9 9 re f", b"")], names


def _read(folder: Path, data: bytes, engine: PdfEngine = "pdfium") -> Document:
    path = folder / "file.pdf"
    path.write_bytes(data)
    return extract(path, Options(pdf_engine=engine))


@pytest.mark.parametrize("engine", ["pdfium", "pypdf"])
def test_endless_drawings_are_left_out(tmp_path: Path, engine: PdfEngine) -> None:
    document = _read(tmp_path, _file(_doubling(40), show("First page") + b" /X Do"), engine)
    assert [page.text for page in document.pages] == ["First page", "Second page"]
    assert document.missing == (LEFT_OUT,)


def test_a_page_with_endless_drawings_is_drawn(tmp_path: Path) -> None:
    path = tmp_path / "file.pdf"
    path.write_bytes(_file(_doubling(40), b"0 0 99 99 re f /X Do"))
    assert render_page(path, 1, Options(ocr_dpi=72)).getpixel((50, 150)) == 0


def test_endless_drawings_by_the_names_of_the_page(tmp_path: Path) -> None:
    forms, names = _without_resources(40)
    document = _read(tmp_path, _file(forms, show("First page") + b" /X0 Do", names))
    assert [page.text for page in document.pages] == ["First page", "Second page"]
    assert document.missing == (LEFT_OUT,)


def test_endless_drawings_of_an_annotation(tmp_path: Path) -> None:
    stamp = b"<< /Type /Annot /Subtype /Stamp /F 4 /Rect [10 10 90 90] /AP << /N 6 0 R >> >>"
    document = _read(tmp_path, _file(_doubling(40), show("First page"), b"", stamp))
    assert [page.text for page in document.pages] == ["First page", "Second page"]
    assert document.missing == (LEFT_OUT,)


def test_a_few_levels_are_read(tmp_path: Path) -> None:
    document = _read(tmp_path, _file(_doubling(2), show("First page") + b" /X Do"))
    assert "Innermost" in document.pages[0].text
    assert not document.missing


@pytest.mark.parametrize(("times", "missing"), [(1, ()), (2, (LEFT_OUT,))])
def test_a_form_that_draws_itself(tmp_path: Path, times: int, missing: tuple[str, ...]) -> None:
    own = b"/Resources << /XObject << /X 6 0 R >> /Font << /F 3 0 R >> >>"
    forms = [_form(b"0 0 9 9 re f " + b"/X Do " * times, own)] * 2
    document = _read(tmp_path, _file(forms, show("First page") + b" /X Do"))
    assert [page.text for page in document.pages] == ["First page", "Second page"]
    assert document.missing == missing


def test_only_the_page_that_is_drawn_is_looked_at() -> None:
    data = _file(_doubling(40), b"/X Do")
    assert [without_endless_drawings(BytesIO(data), page)[1] for page in (None, 1, 2, 3)] == [[1], [1], [], []]


def test_which_files_are_looked_at(tmp_path: Path) -> None:
    path = tmp_path / "file.pdf"
    plain = _form(b"0 0 9 9 re f", b"/Resources << /Font << /F 3 0 R >> >>")
    path.write_bytes(_file([plain] * 5, b"/X Do"))
    assert not may_nest(path)
    path.write_bytes(_file(_doubling(2), b"/X Do"))
    assert may_nest(path)
