"""Word files: headings, pages, headers, notes, metadata, and offsets that hold."""

from __future__ import annotations

from pathlib import Path

import docx
import pytest
from docx.enum.section import WD_SECTION
from docx.opc.constants import RELATIONSHIP_TYPE as RT
from docx.opc.packuri import PackURI
from docx.opc.part import Part
from hypothesis import given, settings
from hypothesis import strategies as st
from word_files import SPACES, add, element, paragraph, read, read_xml, run

from extractors.document import Document
from extractors.docx.blocks import Block
from extractors.docx.inline import HARD_BREAK, RENDERED_BREAK
from extractors.docx.styles import W
from extractors.docx.writer import Writer


def test_headings_become_sections(tmp_path: Path) -> None:
    word = docx.Document()
    word.add_paragraph("Before any heading.")
    word.add_heading("The yard", 0)
    word.add_heading("Boats", 1)
    word.add_paragraph("They float.")
    word.add_heading("Rowing boats", 2)
    word.add_heading("Berths", 1)
    word.add_paragraph("They cost.")
    document = read(word, tmp_path)
    assert (
        document.text
        == "Before any heading.\n\nThe yard\n\nBoats\n\nThey float.\n\nRowing boats\n\nBerths\n\nThey cost."
    )
    assert [section.path for section in document.sections] == [
        ("The yard",),
        ("The yard", "Boats"),
        ("The yard", "Boats", "Rowing boats"),
        ("The yard", "Berths"),
    ]
    assert document.text[: document.sections[0].char_start] == "Before any heading.\n\n"
    spans = [document.text[section.char_start : section.char_end].strip() for section in document.sections]
    assert spans == ["The yard", "Boats\n\nThey float.", "Rowing boats", "Berths\n\nThey cost."]


@pytest.mark.parametrize(
    ("style", "level"),
    [
        ('<w:style w:type="paragraph" w:styleId="berschrift2"><w:name w:val="heading 2"/></w:style>', 2),
        ('<w:style w:type="paragraph" w:styleId="Heading3"><w:name w:val="Kop 3"/></w:style>', 3),
        (
            '<w:style w:type="paragraph" w:styleId="Clause"><w:name w:val="Clause"/>'
            '<w:pPr><w:outlineLvl w:val="1"/></w:pPr></w:style>',
            2,
        ),
        (
            '<w:style w:type="paragraph" w:styleId="Own"><w:name w:val="Own"/><w:basedOn w:val="Heading1"/></w:style>',
            1,
        ),
        (
            '<w:style w:type="paragraph" w:styleId="Toc"><w:name w:val="TOC Heading"/><w:basedOn w:val="Heading1"/>'
            '<w:pPr><w:outlineLvl w:val="9"/></w:pPr></w:style>',
            None,
        ),
        (
            '<w:style w:type="paragraph" w:styleId="Ring"><w:name w:val="Ring"/><w:basedOn w:val="Ring"/></w:style>',
            None,
        ),
    ],
)
def test_headings_are_known_in_every_language(style: str, level: int | None, tmp_path: Path) -> None:
    word = docx.Document()
    own = element(style)
    for old in [s for s in word.styles.element if s.get(W + "styleId") == own.get(W + "styleId")]:
        word.styles.element.remove(old)
    word.styles.element.append(own)
    for upper in (1, 2):
        word.add_heading(f"Level {upper}", upper)
    name = own.get(W + "styleId")
    fragment = paragraph(run("Here"), properties=f'<w:pStyle w:val="{name}"/>')
    add(word, fragment)
    paths = [section.path for section in read(word, tmp_path).sections if section.path[-1] == "Here"]
    assert paths == ([] if level is None else [(*(f"Level {upper}" for upper in range(1, level)), "Here")])


@pytest.mark.parametrize("level", ["²", "9" * 5000, "-1", ""])
def test_an_outline_level_that_is_no_level_makes_no_heading(level: str, tmp_path: Path) -> None:
    odd = paragraph(
        run("Text"), properties=f'<w:outlineLvl w:val="{level}"/><w:numPr><w:ilvl w:val="{level}"/></w:numPr>'
    )
    document = read_xml(tmp_path, odd)
    assert (document.text, document.sections) == ("Text", ())


def test_headers_and_footers_stand_once(tmp_path: Path) -> None:
    word = docx.Document()
    word.add_heading("Inside", 1)
    for number in range(3):
        section = word.sections[0] if number == 0 else word.add_section(WD_SECTION.CONTINUOUS)
        section.header.is_linked_to_previous = section.footer.is_linked_to_previous = False
        section.header.paragraphs[0].text = "Boatyard Ltd"
        section.footer.paragraphs[0].text = "Page 1"
    word.sections[0].first_page_header.paragraphs[0].text = "NEVER SHOWN"
    document = read(word, tmp_path)
    assert document.text == "Boatyard Ltd\n\nInside\n\nPage 1"
    section = document.sections[0]
    assert document.text[section.char_start : section.char_end] == "Inside"
    word.sections[0].different_first_page_header_footer = True
    assert "NEVER SHOWN" in read(word, tmp_path).text


def test_notes_stand_after_the_paragraph_that_refers_to_them(tmp_path: Path) -> None:
    word = docx.Document()
    for kind, relationship in (("footnote", RT.FOOTNOTES), ("endnote", RT.ENDNOTES)):
        notes = "".join(
            f'<w:{kind} w:id="{number}"><w:p><w:r><w:{kind}Ref/></w:r>{run(f" {kind} {number}")}'
            f'<w:r><w:{kind}Reference w:id="{number}"/></w:r></w:p></w:{kind}>'
            for number in (-1, 1, 2)
        )
        blob = f"<w:{kind}s {SPACES}>{notes}</w:{kind}s>".encode()
        content_type = f"application/vnd.openxmlformats-officedocument.wordprocessingml.{kind}s+xml"
        part = Part(PackURI(f"/word/{kind}s.xml"), content_type, blob, word.part.package)
        word.part.relate_to(part, relationship)
    first = paragraph(run("word"), '<w:r><w:footnoteReference w:id="2"/></w:r>', run(" goes on"))
    second = paragraph(run("again"), '<w:r><w:footnoteReference w:id="2"/><w:endnoteReference w:id="1"/></w:r>')
    for fragment in (first, second):
        add(word, fragment)
    assert read(word, tmp_path).text == "word goes on\n\nfootnote 2\n\nagain\n\nendnote 1"


def test_a_paragraph_an_item_and_a_row_is_a_line_each(tmp_path: Path) -> None:
    word = docx.Document()
    word.add_paragraph("First")
    word.add_paragraph("")
    word.add_paragraph("Item", style="List Bullet")
    word.add_paragraph("Item", style="List Bullet")
    table = word.add_table(2, 2)
    for cell in (cell for row in table.rows for cell in row.cells):
        cell.text = "two\nparagraphs"
    word.add_paragraph("Last")
    lines = [line for line in read(word, tmp_path).text.splitlines() if line.strip()]
    row = "two paragraphs | two paragraphs"
    assert lines == ["First", "- Item", "- Item", row, row, "Last"]


def test_core_properties_are_the_metadata(tmp_path: Path) -> None:
    word = docx.Document()
    word.core_properties.title, word.core_properties.author = "Berths", "A. Harbour"
    word.core_properties.language = "de-DE"
    document = read(word, tmp_path)
    assert (document.metadata["title"], document.metadata["author"]) == ("Berths", "A. Harbour")
    assert document.language == "de"
    assert "comments" not in document.metadata


def test_a_second_part_of_core_properties_is_passed_over(tmp_path: Path) -> None:
    word = docx.Document()
    word.core_properties.title = "Berths"
    blob = f"<x:coreProperties xmlns:x='{CORE_NAMESPACE}'/>".encode()
    content_type = "application/vnd.openxmlformats-package.core-properties+xml"
    second = Part(PackURI("/docProps/core2.xml"), content_type, blob, word.part.package)
    word.part.package.relate_to(second, RT.CORE_PROPERTIES)
    word.add_paragraph("Text")
    document = read(word, tmp_path)
    assert (document.text, document.metadata["title"]) == ("Text", "Berths")


CORE_NAMESPACE = "http://schemas.openxmlformats.org/package/2006/metadata/core-properties"
pieces = st.lists(st.sampled_from(["word", " ", "\n", HARD_BREAK, RENDERED_BREAK, "Umlaut ä", "😀"]), max_size=6)


@settings(max_examples=40, deadline=None)
@given(st.lists(st.tuples(pieces, st.sampled_from([None, None, 1, 2])), max_size=8), st.booleans())
def test_offsets_hold_and_no_word_is_lost(blocks: list[tuple[list[str], int | None]], laid_out: bool) -> None:
    writer = Writer(1_000_000, laid_out)
    texts = [("".join(parts), level) for parts, level in blocks]
    for text, level in texts:
        writer.add(Block(text, level))
    writer.end_body()
    document = Document("x", writer.pages(1_000), writer.sections())
    assert document.text.split() == " ".join(text for text, _ in texts).split()
    headings = [" ".join(text.split()) for text, level in texts if level and text.strip()]
    assert [section.path[-1] for section in document.sections] == headings
    for section, title in zip(document.sections, headings, strict=True):
        assert " ".join(document.text[section.char_start : section.char_end].split()).startswith(title)
    assert HARD_BREAK not in document.text
    assert RENDERED_BREAK not in document.text


REPEATED = "<w:tblHeader/>"


def rows_of(document: Document) -> list[tuple[str, str]]:
    """The header and the whole text of each table."""
    text = document.text
    return [(text[t.char_start : t.header_end], text[t.char_start : t.char_end]) for t in document.tables]


def cells(*texts: str, properties: str = "") -> str:
    inner = "".join(f"<w:tc>{paragraph(run(text))}</w:tc>" for text in texts)
    return f"<w:tr><w:trPr>{properties}</w:trPr>{inner}</w:tr>"


@pytest.mark.parametrize(
    ("rows", "header"),
    [
        ((cells("Boat", "Berth"), cells("Ada", "3"), cells("Ida", "4")), "Boat | Berth"),
        ((cells("Boat", "2026"), cells("Ada", "3"), cells("Ida", "4")), "Boat | 2026"),
        ((cells("Boat", "2.5"), cells("Ada", "3"), cells("Ida", "4")), ""),
        ((cells("", "Berth"), cells("Ada", "3"), cells("Ida", "4")), "| Berth"),
        ((cells("Boat", ""), cells("Ada", "3"), cells("Ida", "4")), ""),
        ((cells("Boat", "Berth"), cells("Ada", "3")), ""),
        (
            (cells("Boat", "2026", properties=REPEATED), cells("", "km", properties=REPEATED), cells("Ada", "3")),
            "Boat | 2026\n| km",
        ),
        ((cells("Boat", "Berth", properties='<w:tblHeader w:val="0"/>'), cells("Ada", "3")), ""),
    ],
)
def test_tables_know_the_rows_that_name_their_columns(rows: tuple[str, ...], header: str, tmp_path: Path) -> None:
    document = read_xml(tmp_path, paragraph(run("Before")), f"<w:tbl>{''.join(rows)}</w:tbl>", paragraph(run("After")))
    ((own, whole),) = rows_of(document)
    assert own == header
    assert document.text == f"Before\n\n{whole}\n\nAfter"


def test_tables_stand_side_by_side_and_within_each_other(tmp_path: Path) -> None:
    table = f"<w:tbl>{cells('Boat', 'Berth')}{cells('Ada', '3')}{cells('Ida', '4')}</w:tbl>"
    frame = f"<w:tbl><w:tr><w:tc>{table}{paragraph()}</w:tc></w:tr></w:tbl>"
    text = "Boat | Berth\nAda | 3\nIda | 4"
    outer = f"<w:tbl><w:tr><w:tc>{table}{paragraph()}</w:tc><w:tc>{paragraph(run('x'))}</w:tc></w:tr></w:tbl>"
    document = read_xml(tmp_path, table, paragraph(), frame, outer)
    assert rows_of(document) == [("Boat | Berth", text), ("Boat | Berth", text), ("", f"{text}\nx")]
