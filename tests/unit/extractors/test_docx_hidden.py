"""Word files: what is in the file and not shown: hidden text, deleted paragraphs in lists, soft hyphens, decoration."""

from __future__ import annotations

from pathlib import Path

import pytest
from word_files import add, element, new, paragraph, read, read_xml, run

HIDDEN_STYLES = (
    '<w:style w:type="character" w:styleId="Hid"><w:name w:val="Hid"/><w:rPr><w:vanish/></w:rPr></w:style>',
    '<w:style w:type="character" w:styleId="Hid2"><w:name w:val="Hid2"/><w:basedOn w:val="Hid"/></w:style>',
    '<w:style w:type="paragraph" w:styleId="Top"><w:name w:val="z-Top"/><w:rPr><w:vanish/></w:rPr></w:style>',
)


def styled(style: str, text: str, more: str = "") -> str:
    return f'<w:r><w:rPr><w:rStyle w:val="{style}"/>{more}</w:rPr><w:t xml:space="preserve">{text}</w:t></w:r>'


def test_text_is_hidden_by_a_style_as_well(tmp_path: Path) -> None:
    word = new()
    for style in HIDDEN_STYLES:
        word.styles.element.append(element(style))
    add(
        word,
        paragraph(styled("Hid", "gone "), styled("Hid2", "gone too "), run("shown"), styled("Other", " as well")),
        paragraph(run("Top of Form"), properties='<w:pStyle w:val="Top"/>'),
        paragraph(styled("Hid", "kept by its own will", '<w:vanish w:val="0"/>')),
    )
    assert read(word, tmp_path).text == "shown as well\n\nkept by its own will"


def test_a_list_counts_only_paragraphs_that_are_shown(tmp_path: Path) -> None:
    word = new()
    word.part.numbering_part._element = element(
        '<w:numbering><w:abstractNum w:abstractNumId="1"><w:lvl w:ilvl="0"><w:start w:val="1"/>'
        '<w:numFmt w:val="decimal"/>'
        '<w:lvlText w:val="%1."/></w:lvl></w:abstractNum><w:num w:numId="1"><w:abstractNumId w:val="1"/></w:num>'
        "</w:numbering>"
    )
    number = '<w:numPr><w:ilvl w:val="0"/><w:numId w:val="1"/></w:numPr>'
    hidden = "<w:r><w:rPr><w:vanish/></w:rPr><w:t>hidden</w:t></w:r>"
    deleted = '<w:del w:id="1"><w:r><w:delText>struck</w:delText></w:r></w:del>'
    add(
        word,
        paragraph(run("one"), properties=number),
        paragraph(deleted, properties=f'{number}<w:rPr><w:del w:id="2"/></w:rPr>'),
        paragraph(run("t"), properties=f'{number}<w:rPr><w:del w:id="3"/></w:rPr>'),
        paragraph(run("wo"), properties=number),
        paragraph(hidden, properties=f"{number}<w:rPr><w:vanish/></w:rPr>"),
        paragraph(
            f'<w:moveFrom w:id="4">{run("m")}</w:moveFrom>', properties=f'{number}<w:rPr><w:moveFrom w:id="5"/></w:rPr>'
        ),
        paragraph(properties=number),
        paragraph(run("four, after an empty item"), properties=number),
    )
    assert read(word, tmp_path).text == "1. one\n2. two\n4. four, after an empty item"


def test_a_soft_hyphen_is_no_part_of_its_word(tmp_path: Path) -> None:
    soft = "<w:r><w:t>Donau</w:t><w:softHyphen/><w:t>dampf</w:t></w:r>"
    assert read_xml(tmp_path, paragraph(soft, run("schiff\u00adfahrt"))).text == "Donaudampfschifffahrt"


def test_the_form_for_older_programs_is_read_where_the_newer_says_nothing(tmp_path: Path) -> None:
    older = f"<mc:Fallback>{paragraph(run('older'))}</mc:Fallback>"
    document = read_xml(
        tmp_path,
        f'<mc:AlternateContent><mc:Choice Requires="w14"/>{older}</mc:AlternateContent>',
        f'<mc:AlternateContent><mc:Choice Requires="w14">{paragraph(run("newer"))}</mc:Choice>{older}'
        "</mc:AlternateContent>",
    )
    assert document.text == "older\n\nnewer"


@pytest.mark.parametrize(("mark", "shown"), [("", "[Picture: A line]\n\n"), ("1", ""), ("0", "[Picture: A line]\n\n")])
def test_a_decoration_says_nothing_where_only_its_frame_is_marked(mark: str, shown: str, tmp_path: Path) -> None:
    name = "http://schemas.microsoft.com/office/drawing/2017/decorative"
    extension = f'<a:extLst><a:ext><d:decorative xmlns:d="{name}" val="{mark}"/></a:ext></a:extLst>' if mark else ""
    drawing = (
        f'<w:r><w:drawing><wp:inline><wp:docPr id="1" name="p" descr="A line">{extension}</wp:docPr><a:graphic>'
        '<a:graphicData><pic:pic><pic:nvPicPr><pic:cNvPr id="0" name="q" descr="A line"/></pic:nvPicPr></pic:pic>'
        "</a:graphicData></a:graphic></wp:inline></w:drawing></w:r>"
    )
    assert read_xml(tmp_path, paragraph(drawing), paragraph(run("x"))).text == f"{shown}x"
