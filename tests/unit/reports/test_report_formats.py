"""Formats of a report read back by other programs' readers: any text of a document comes out as it is, and as text."""

from __future__ import annotations

import csv
import re
import sys
from pathlib import Path
from typing import Any

import html5lib
import openpyxl
import pypdfium2
import pytest
from hypothesis import given
from hypothesis import strategies as st
from openpyxl.utils.escape import unescape
from sample_reports import document, report

from pipeline.errors import BadRequest
from pipeline.reports.formats import FORMATS, writer_of
from pipeline.reports.texts import readable
from pipeline.results import Report, ReportedDocument

TEXT = st.text(st.characters(exclude_categories=("Cs",)), max_size=60)
NASTY = [
    "=cmd|' /C calc'!A0",
    "+1",
    "-2+3",
    "@SUM(A1)",
    "\t=1",
    "\r=1",
    "＝1+1",
    " =1",
    "'quoted",
    '=HYPERLINK("http://x")',
    "http://x/y",
    "1e5",
    'a,"b"\r\nc;d',
    "</td><script>alert(1)</script>",
    "]]>&amp;<svg onload=alert(1)>",
    "{{ 7*7 }} {% raw %} #evil[x] $x$",
    "\x00\x1b[31m\u202egnp.exe",
    "_x0041_",
    "x" * 300,
]
LANGUAGES = ["Größe der Übersicht.pdf", "Έκθεση μηνός.pdf", "Отчёт за май.pdf"]

Rows = list[ReportedDocument]


def write(name: Any, made: Report, rows: Rows, folder: Path) -> Path:
    path = folder / f"report.{name}"
    path.unlink(missing_ok=True)
    writer_of(name)(made, iter(rows), path)
    return path


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("reports")


def failed(text: str) -> ReportedDocument:
    return document(f"upload://{text}", state="failed", code="corrupt", message=text, hint=text, worker=text)


# HTML


def parsed(path: Path) -> Any:
    """The page as a browser's parser has it; it raises where the page is not well-formed."""
    parser = html5lib.HTMLParser(strict=True, namespaceHTMLElements=False)
    return parser.parse(path.read_text("utf-8"))


def cells(page: Any) -> list[str]:
    return ["".join(cell.itertext()) for cell in page.iter("td")]


@given(TEXT)
def test_no_text_breaks_the_page(folder: Path, text: str) -> None:
    rows = [failed(text)]
    page = parsed(write("html", report(rows), rows, folder))
    assert not [*page.iter("script"), *page.iter("a"), *page.iter("img"), *page.iter("link")]
    assert cells(page).count(readable(text)) >= 3
    assert readable(f"upload://{text}") in cells(page)


@pytest.mark.parametrize("text", NASTY)
def test_a_nasty_text_stays_a_text(folder: Path, text: str) -> None:
    rows = [failed(text)]
    path = write("html", report(rows, job=None), rows, folder)
    page = parsed(path)
    elements = {element.tag for element in page.iter() if isinstance(element.tag, str)}
    assert elements <= {
        *("html", "head", "meta", "title", "style", "body", "main", "h1", "h2", "p", "section", "div"),
        *("table", "thead", "tbody", "tr", "th", "td"),
        *(f"{{http://www.w3.org/2000/svg}}{name}" for name in ("svg", "title", "rect", "text", "line")),
        *("svg", "rect", "text", "line"),
    }
    assert not [name for element in page.iter() for name in element.attrib if str(name).startswith("on")]
    assert readable(text) in cells(page)


def test_the_page_fetches_nothing_and_has_its_charts_within(folder: Path) -> None:
    rows = [document(name) for name in LANGUAGES]
    text = write("html", report(rows), rows, folder).read_text("utf-8")
    assert "default-src 'none'" in text
    assert not re.search(r"(src|href|url\()\s*=?\s*[\"']?(https?:)?//(?!www\.w3\.org/2000/svg)", text)
    assert text.count("<svg ") == 5  # states, formats, stages, throughput, days
    assert "prefers-color-scheme: dark" in text
    assert "@media print" in text


def test_the_page_has_the_figures_and_says_what_it_leaves_out(folder: Path) -> None:
    rows = [*map(document, LANGUAGES), failed("It is broken.")]
    page = parsed(write("html", report(rows), rows, folder))
    text = " ".join(" ".join(page.itertext()).split())
    for figure in ("123,456,789", "98,765", "4,321", "0.938", "12.75", "And 99,800 more", "And 17 more", "2026-11-03"):
        assert figure in text
    assert set(LANGUAGES) <= set(cells(page))


def test_a_running_job_and_an_empty_one_say_so(folder: Path) -> None:
    made = report([])
    assert made.job is not None
    running = made.job.model_copy(update={"finished_at": None, "state": "running"})
    text = write("html", made.model_copy(update={"job": running}), [], folder).read_text("utf-8")
    assert "still running" in text
    assert "has no documents" in text
    assert "No document ended" in write("html", report([], job=None), [], folder).read_text("utf-8")


# CSV


def unguarded(text: str) -> str:
    return text.removeprefix("'")


@given(st.lists(TEXT, max_size=5))
def test_csv_read_back_is_what_was_written(folder: Path, texts: list[str]) -> None:
    rows = [failed(text) for text in texts]
    with write("csv", report(rows), rows, folder).open(encoding="utf-8-sig", newline="") as lines:
        found = list(csv.DictReader(lines, strict=True))
    assert [unguarded(row["message"]) for row in found] == texts
    assert [row["source"] for row in found] == [row.source for row in rows]
    assert [row["bytes"] for row in found] == ["1234"] * len(rows)
    assert [row["seconds"] for row in found] == [""] * len(rows)


@pytest.mark.parametrize("text", NASTY[:10])
def test_csv_has_no_formula(folder: Path, text: str) -> None:
    rows = [document(text, message=text)]
    with write("csv", report(rows), rows, folder).open(encoding="utf-8-sig", newline="") as lines:
        (found,) = csv.DictReader(lines)
    assert found["source"] == found["message"] == f"'{text}"


def test_csv_is_as_rfc_4180_says(folder: Path) -> None:
    rows = [document("a\nb", message='say "x", please')]
    written = write("csv", report(rows), rows, folder).read_bytes()
    assert written.startswith(b"\xef\xbb\xbfsource,state,")
    assert written.endswith(b"\r\n")
    assert b'"a\nb"' in written
    assert b'"say ""x"", please"' in written


# XLSX


def sheet_rows(path: Path, title: str) -> list[tuple[Any, ...]]:
    return list(openpyxl.load_workbook(path)[title].iter_rows(values_only=True))


@given(st.lists(TEXT, max_size=3))
def test_xlsx_read_back_is_what_was_written(folder: Path, texts: list[str]) -> None:
    rows = [failed(text) for text in texts]
    head, *found = sheet_rows(write("xlsx", report(rows), rows, folder), "Documents")
    column = head.index("message")
    assert [unescape(row[column] or "") for row in found] == [readable(text) for text in texts]
    assert [row[head.index("bytes")] for row in found] == [1234] * len(rows)


@pytest.mark.parametrize("text", NASTY)
def test_xlsx_has_neither_formula_nor_link(folder: Path, text: str) -> None:
    rows = [document(text, message=text)]
    workbook = openpyxl.load_workbook(write("xlsx", report(rows, job=None), rows, folder))
    for sheet in workbook.worksheets:
        assert [cell.coordinate for row in sheet.iter_rows() for cell in row if cell.data_type == "f"] == []
        assert [cell.coordinate for row in sheet.iter_rows() for cell in row if cell.hyperlink] == []
    # openpyxl reads no escapes of texts that stand in their cell, as Excel does.
    assert unescape(workbook["Documents"]["A2"].value) == readable(text)


def test_xlsx_has_the_figures_as_numbers(folder: Path) -> None:
    rows = [document("a.pdf")]
    path = write("xlsx", report(rows), rows, folder)
    facts = {row[0]: row[1] for row in sheet_rows(path, "Summary")}
    assert (facts["documents"], facts["chunks"], facts["mean confidence of OCR"]) == (1, 98_765, 0.9376)
    assert sheet_rows(path, "Time by stage")[1] == ("extract", 3, 0.125, 0.5, 12.75)
    assert sheet_rows(path, "Days")[3] == ("2026-11-03", 9, 1, 2, 30, 4)


# PDF


def pdf_text(path: Path) -> str:
    """The text of all pages with single spaces, as another program reads it; a hyphen at the end of a line is one."""
    with pypdfium2.PdfDocument(path) as pdf:
        pages = [pdf[number].get_textpage().get_text_range() for number in range(len(pdf))]
    return " ".join(" ".join(pages).replace("\ufffe", "-").split())


def test_pdf_has_the_figures_and_the_sources_in_every_script(folder: Path) -> None:
    rows = [*map(document, LANGUAGES), failed("Die Datei „Übersicht“ ist beschädigt: Έκθεση.")]
    text = pdf_text(write("pdf", report(rows), rows, folder))
    for figure in ("123,456,789", "98,765", "4,321", "0.938", "12.75", "And 99,800 more", "And 17 more", "2026-11-03"):
        assert figure in text
    for name in LANGUAGES:
        assert name.replace(" ", "") in text.replace(" ", "")
    assert "„Übersicht“ ist beschädigt: Έκθεση." in text
    assert "no font" not in text


def test_pdf_sets_arabic_with_joined_letters(folder: Path) -> None:
    rows = [document("تقرير")]
    text = pdf_text(write("pdf", report(rows), rows, folder))
    assert "تقرير" in text
    assert "no font" not in text


def test_pdf_says_which_characters_it_cannot_set(folder: Path) -> None:
    """A private character has no glyph in any font; one of another script may have one on this machine."""
    rows = [document("upload://a\U00030000b 报告.pdf")]
    text = pdf_text(write("pdf", report(rows), rows, folder))
    assert "no font" in text
    source = text.replace(" ", "")
    assert "a[U+30000]b" in source
    assert "[U+62A5U+544A].pdf" in source or "报告.pdf" in source


@pytest.mark.parametrize("text", NASTY)
def test_pdf_takes_no_text_for_a_command(folder: Path, text: str) -> None:
    rows = [failed(text)]
    path = write("pdf", report(rows), rows, folder)
    found = pdf_text(path).replace(" ", "")
    expected = "".join(char for char in readable(text) if char.isascii()).replace(" ", "")
    assert expected[:20] in found
    assert b"/JavaScript" not in path.read_bytes()


def test_pdf_of_the_longest_lists_is_small(folder: Path) -> None:
    rows = [failed(f"{number} " + "A long message about this file. " * 10) for number in range(200)]
    assert write("pdf", report(rows), rows, folder).stat().st_size < 3_000_000
    assert write("html", report(rows), rows, folder).stat().st_size < 3_000_000


def test_without_typst_a_pdf_is_refused_with_what_to_install(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "typst", None)
    with pytest.raises(BadRequest) as refused:
        write("pdf", report([]), [], folder)
    assert refused.value.hint == "pip install 'docrelay[pdf]'"


@pytest.mark.parametrize("name", FORMATS)
def test_every_format_is_written_and_leaves_nothing_else(name: Any, tmp_path: Path) -> None:
    rows = [document("a.pdf")]
    path = write(name, report(rows), rows, tmp_path)
    assert [entry.name for entry in tmp_path.iterdir()] == [path.name]
    assert path.stat().st_size > 100
