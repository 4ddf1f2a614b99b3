"""Files attached to PDFs are named as parts that are not in the text."""

from __future__ import annotations

from pathlib import Path

import pypdf
import pytest
from pdf_builder import annotated, book, show

from extractors import Document, Options, extract
from extractors.options import PdfEngine

ENGINES: tuple[PdfEngine, ...] = ("pdfium", "pypdf")
BUDGET = "The attached file budget.xlsx (12 kB) is not read: save it, and ingest it by itself."
FILE = b"<< /Type /EmbeddedFile /Params << /Size 12345 >> /Length 3 >>\nstream\nabc\nendstream"


def _specification(name: bytes, stream: int) -> bytes:
    return b"<< /Type /Filespec /F (%s) /EF << /F %d 0 R >> >>" % (name, stream)


def _missing(folder: Path, data: bytes, engine: PdfEngine = "pdfium") -> tuple[str, ...]:
    path = folder / "file.pdf"
    path.write_bytes(data)
    document: Document = extract(path, Options(pdf_engine=engine))
    assert set(document.missing) <= set(document.warnings)
    assert document.text.startswith("Cover")
    return document.missing


@pytest.mark.parametrize("engine", ENGINES)
def test_embedded_files_are_named(tmp_path: Path, engine: PdfEngine) -> None:
    names = b"/Names << /EmbeddedFiles << /Kids [<< /Names [(a) 5 0 R (b) 6 0 R] >>] >> >> /AF [5 0 R]"
    small = b"<< /Type /EmbeddedFile /Length 3 >>\nstream\nabc\nendstream"
    extra = [_specification(b"budget.xlsx", 7), _specification(b"note.txt", 8), FILE, small]
    assert _missing(tmp_path, book([show("Cover")], names, extra), engine) == (
        BUDGET,
        "The attached file note.txt (3 bytes) is not read: save it, and ingest it by itself.",
    )


@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.parametrize("catalog", [b"", b"/AF [6 0 R]"])
def test_files_pinned_to_a_page_are_named_once(tmp_path: Path, engine: PdfEngine, catalog: bytes) -> None:
    pin = b"/Subtype /FileAttachment /Rect [0 0 9 9] /FS 6 0 R /Contents (see this)"
    extra = (_specification(b"budget.xlsx", 7), FILE)
    assert _missing(tmp_path, annotated(show("Cover"), pin, catalog=catalog, extra=extra), engine) == (BUDGET,)


def test_associated_files_that_no_list_names(tmp_path: Path) -> None:
    data = book([show("Cover")], b"/AF [5 0 R]", [_specification(b"budget.xlsx", 6), FILE])
    assert _missing(tmp_path, data) == (BUDGET,)


def test_files_attached_to_an_encrypted_pdf(tmp_path: Path) -> None:
    writer = pypdf.PdfWriter()
    writer.append(_saved(tmp_path, book([show("Cover")])))
    writer.add_attachment("Übersicht.csv", b"a;b")
    writer.encrypt("", "owner", algorithm="RC4-128")
    writer.write(tmp_path / "sealed.pdf")
    (name,) = _missing(tmp_path, (tmp_path / "sealed.pdf").read_bytes())
    assert name.startswith("The attached file Übersicht.csv")


def test_a_file_that_lies_elsewhere_is_not_attached(tmp_path: Path) -> None:
    link = b"/Subtype /FileAttachment /Rect [0 0 9 9] /FS << /Type /Filespec /F (elsewhere.txt) >>"
    assert _missing(tmp_path, annotated(show("Cover"), link)) == ()


def test_many_files_are_counted(tmp_path: Path) -> None:
    specifications = [_specification(b"%d.txt" % number, 35 + number) for number in range(30)]
    names = b" ".join(b"(%03d) %d 0 R" % (number, 5 + number) for number in range(30))
    catalog = b"/Names << /EmbeddedFiles << /Names [%s] >> >>" % names
    missing = _missing(tmp_path, book([show("Cover")], catalog, [*specifications, *[FILE] * 30]))
    assert len(missing) == 21
    assert missing[0].startswith("The attached file 0.txt (12 kB)")
    assert missing[-1] == "10 more attached files are not read."


@pytest.mark.parametrize("engine", ENGINES)
def test_a_list_of_files_that_doubles_with_each_level_comes_to_an_end(tmp_path: Path, engine: PdfEngine) -> None:
    levels = [b"<< /Kids [%d 0 R %d 0 R] >>" % (number, number) for number in range(6, 46)]
    extra = [*levels, b"<< /Names [(a) 46 0 R] >>", _specification(b"budget.xlsx", 47), FILE]
    data = book([show("Cover")], b"/Names << /EmbeddedFiles 5 0 R >>", extra)
    assert _missing(tmp_path, data, engine) == (BUDGET,)


def _saved(folder: Path, data: bytes) -> Path:
    path = folder / "plain.pdf"
    path.write_bytes(data)
    return path


@pytest.mark.parametrize("engine", ENGINES)
def test_an_attached_file_need_not_say_its_type(tmp_path: Path, engine: PdfEngine) -> None:
    pin = b"/Subtype /FileAttachment /Rect [0 0 9 9] /FS 6 0 R"
    bare = FILE.replace(b"/Type /EmbeddedFile ", b"")
    assert bare != FILE
    extra = (_specification(b"budget.xlsx", 7), bare)
    assert _missing(tmp_path, annotated(show("Cover"), pin, extra=extra), engine) == (BUDGET,)


@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.parametrize(
    ("name", "relation", "is_missing"),
    [
        (b"factur-x.xml", b"/AFRelationship /Alternative", False),
        (b"zugferd-invoice.XML", b"/AFRelationship /Data", False),
        (b"factur-x.xml", b"/AFRelationship /Supplement", True),
        (b"factur-x.xml", b"", True),
        (b"terms.pdf", b"/AFRelationship /Alternative", True),
    ],
)
def test_the_xml_of_an_invoice_repeats_its_page(
    tmp_path: Path, name: bytes, relation: bytes, is_missing: bool, engine: PdfEngine
) -> None:
    specification = b"<< /Type /Filespec /F (%s) %s /EF << /F 6 0 R >> >>" % (name, relation)
    catalog = b"/Names << /EmbeddedFiles << /Names [(a) 5 0 R] >> >> /AF [5 0 R]"
    document = extract(
        _saved(tmp_path, book([show("Cover")], catalog, [specification, FILE])), Options(pdf_engine=engine)
    )
    (warning,) = document.warnings
    assert warning.startswith(f"The attached file {name.decode()} (12 kB) is not read: ")
    assert document.missing == ((warning,) if is_missing else ())


def test_xml_is_known_by_its_type_as_well(tmp_path: Path) -> None:
    specification = b"<< /Type /Filespec /F (invoice) /AFRelationship /Data /EF << /F 6 0 R >> >>"
    stream = b"<< /Type /EmbeddedFile /Subtype /text#2Fxml /Length 3 >>\nstream\nabc\nendstream"
    data = book([show("Cover")], b"/AF [5 0 R]", [specification, stream])
    assert _missing(tmp_path, data) == ()
