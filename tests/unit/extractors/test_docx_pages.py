"""Word files: pages are numbered where Word has laid the file out, and counted once."""

from __future__ import annotations

from pathlib import Path

import docx
import pytest
from docx.enum.section import WD_SECTION
from docx.enum.text import WD_BREAK
from word_files import add, paragraph, read, read_xml, run


def test_without_recorded_breaks_there_are_no_page_numbers(tmp_path: Path) -> None:
    word = docx.Document()
    word.add_paragraph("One")
    assert [(page.number, page.text) for page in read(word, tmp_path).pages] == [(None, "One")]


def test_a_hard_page_break_alone_numbers_no_page(tmp_path: Path) -> None:
    word = docx.Document()
    word.add_paragraph("Cover").add_run().add_break(WD_BREAK.PAGE)
    word.add_heading("Chapter", 1).paragraph_format.page_break_before = True
    word.add_paragraph("The end of a line").runs[0].add_break(WD_BREAK.PAGE)
    word.paragraphs[-1].add_run("goes on.")
    word.add_section(WD_SECTION.NEW_PAGE)
    word.add_paragraph("Last")
    document = read(word, tmp_path)
    assert [(page.number, page.text) for page in document.pages] == [
        (None, "Cover\n\nChapter\n\nThe end of a line\ngoes on.\n\nLast")
    ]


def test_a_laid_out_file_of_hard_breaks_is_numbered(tmp_path: Path) -> None:
    word = docx.Document()
    word.add_paragraph("one").add_run().add_break(WD_BREAK.PAGE)
    word.add_paragraph("two").add_run().add_break(WD_BREAK.PAGE)
    add(word, paragraph("<w:r><w:lastRenderedPageBreak/></w:r>", run("three")))
    assert [(page.number, page.text) for page in read(word, tmp_path).pages] == [(1, "one"), (2, "two"), (3, "three")]


def test_every_kind_of_page_break_counts_once(tmp_path: Path) -> None:
    word = docx.Document()
    word.add_paragraph("one").add_run().add_break(WD_BREAK.PAGE)
    rendered = "<w:r><w:lastRenderedPageBreak/></w:r>"
    add(word, paragraph(rendered, run("two")))  # the same break
    add(word, paragraph(run("still two "), rendered, run("three")))
    word.add_heading("four", 1).paragraph_format.page_break_before = True
    word.add_section(WD_SECTION.NEW_PAGE)
    word.add_paragraph("five")
    word.add_section(WD_SECTION.CONTINUOUS)
    word.add_paragraph("still five")
    document = read(word, tmp_path)
    assert [page.number for page in document.pages] == [1, 2, 3, 4, 5]
    assert [page.text for page in document.pages] == ["one", "two\n\nstill two", "three", "four", "five\n\nstill five"]
    section = document.sections[0]
    assert document.text[section.char_start : section.char_end] == "four\nfive\n\nstill five"


def test_a_row_over_two_pages_is_one_row(tmp_path: Path) -> None:
    def cell(text: str) -> str:
        return f"<w:tc><w:p>{run(text)}<w:r><w:lastRenderedPageBreak/></w:r>{run(' on')}</w:p></w:tc>"

    rows = f"<w:tbl><w:tr>{cell('left')}{cell('right')}</w:tr><w:tr>{'<w:tc><w:p>' + run('next') + '</w:p></w:tc>'}"
    document = read_xml(tmp_path, rows + "<w:tc><w:p/></w:tc></w:tr></w:tbl>")
    assert [page.text for page in document.pages] == ["left on | right on", "next |"]


def test_a_row_on_a_new_page_begins_it(tmp_path: Path) -> None:
    def row(*cells: str) -> str:
        return f"<w:tr>{''.join(f'<w:tc><w:p>{cell}</w:p></w:tc>' for cell in cells)}</w:tr>"

    broken = "<w:r><w:lastRenderedPageBreak/></w:r>"
    document = read_xml(
        tmp_path, f"<w:tbl>{row(run('a'), run('b'))}{row(broken + run('c'), run('d'))}</w:tbl>", paragraph(run("after"))
    )
    assert [page.text for page in document.pages] == ["a | b", "c | d\n\nafter"]


def test_the_breaks_that_cells_and_the_next_row_repeat_count_once(tmp_path: Path) -> None:
    """As Word records rows over two pages: each cell goes back to the page before, the next row repeats the break."""

    def row(*cells: str) -> str:
        return f"<w:tr>{''.join(f'<w:tc><w:p>{cell}</w:p></w:tc>' for cell in cells)}</w:tr>"

    broken = "<w:r><w:lastRenderedPageBreak/></w:r>"
    split = run("on one") + broken + run(" and two")
    document = read_xml(
        tmp_path,
        f"<w:tbl>{row(run('a'), split, broken + run('c'))}{row(broken + run('d'), run('e'))}</w:tbl>",
        f"<w:tbl>{row(split, broken + split)}</w:tbl>",
        paragraph(broken, run("after")),
        paragraph(broken, run("new")),
    )
    assert [page.text for page in document.pages] == [
        "a | on one and two | c",
        "d | e\n\non one and two | on one and two",
        "after",
        "new",
    ]


@pytest.mark.parametrize(("length", "numbers"), [(19_000, [1, 2]), (21_000, [None])])
def test_a_page_longer_than_any_page_shows_that_the_layout_is_old(
    length: int, numbers: list[int | None], tmp_path: Path
) -> None:
    word = docx.Document()
    word.add_paragraph("Cover")
    add(word, paragraph("<w:r><w:lastRenderedPageBreak/></w:r>", run("Chapter")))
    word.add_heading("Added later", 1)
    word.add_paragraph("x" * length)
    document = read(word, tmp_path)
    assert [page.number for page in document.pages] == numbers
    assert document.text == f"Cover\nChapter\n\nAdded later\n\n{'x' * length}"
    (section,) = document.sections
    assert document.text[section.char_start :].startswith("Added later")
    assert len(document.warnings) == (numbers == [None])
    assert document.missing == ()
