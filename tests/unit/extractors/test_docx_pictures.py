"""Word files: descriptions of pictures, WordArt and texts in drawings, each once."""

from __future__ import annotations

from pathlib import Path

import pytest
from word_files import box, paragraph, raw_row, raw_table, read_xml, run


def picture(description: str, inside: str = "", title: str = "") -> str:
    properties = f'<wp:docPr id="1" name="Picture 1" descr="{description}" title="{title}">{inside}</wp:docPr>'
    same = f'<pic:pic><pic:nvPicPr><pic:cNvPr id="1" name="a.png" descr="{description}"/></pic:nvPicPr></pic:pic>'
    return f"<w:r><w:drawing><wp:inline>{properties}{same}</wp:inline></w:drawing></w:r>"


@pytest.mark.parametrize(
    ("description", "shown"),
    [
        ("The slipway at low tide", "The slipway at low tide"),
        ("A cartoon duck&#xA;&#xA;Description automatically generated", "A cartoon duck"),
        ("Diagram&#xA;&#xA;Description automatically generated with medium confidence", "Diagram"),
        ("Ein Segelboot&#xA;&#xA;KI-generierte Inhalte können fehlerhaft sein.", "Ein Segelboot"),
        ("Ein Boot, Wasser enthält.&#xA;&#xA;Automatisch generierte Beschreibung", "Ein Boot, Wasser enthält."),
        ("Automatically generated reports lie in the tray.", "Automatically generated reports lie in the tray."),
    ],
)
def test_a_picture_is_read_by_its_description(description: str, shown: str, tmp_path: Path) -> None:
    document = read_xml(tmp_path, paragraph(run("See below."), picture(description)))
    assert document.text == f"See below.\n\n[Picture: {shown}]"


@pytest.mark.parametrize(
    "description", ["", "IMG_2033.JPG", "C:\\Users\\ada\\my boat.png", "AI-generated content may be incorrect."]
)
def test_a_file_name_is_no_description(description: str, tmp_path: Path) -> None:
    assert read_xml(tmp_path, paragraph(run("Text"), picture(description))).text == "Text"


def test_a_title_stands_for_a_description_and_a_decoration_says_nothing(tmp_path: Path) -> None:
    decoration = (
        '<a:extLst><a:ext><d:decorative xmlns:d="http://schemas.microsoft.com/office/drawing/2017/decorative" val="1"/>'
        "</a:ext></a:extLst>"
    )
    document = read_xml(
        tmp_path, paragraph(picture("", title="Harbour map")), paragraph(run("x"), picture("", decoration, "A line"))
    )
    assert document.text == "[Picture: Harbour map]\n\nx"


def test_the_same_picture_is_described_once(tmp_path: Path) -> None:
    logo = paragraph(picture("Logo of the yard"))
    old = '<w:r><w:pict><v:shape alt="Old map"><v:imagedata o:title="map"/></v:shape></w:pict></w:r>'
    document = read_xml(tmp_path, logo, paragraph(run("between")), logo, paragraph(old))
    assert document.text == "[Picture: Logo of the yard]\n\nbetween\n\n[Picture: Old map]"


def test_a_described_picture_has_two_forms_and_is_read_once(tmp_path: Path) -> None:
    both = (
        f'<w:r><mc:AlternateContent><mc:Choice Requires="wps">{picture("A chart of depths")}</mc:Choice>'
        '<mc:Fallback><w:pict><v:shape alt="A chart of depths"/></w:pict></mc:Fallback></mc:AlternateContent></w:r>'
    )
    assert read_xml(tmp_path, paragraph(both)).text == "[Picture: A chart of depths]"


def test_word_art_and_drawings_are_read(tmp_path: Path) -> None:
    art = '<w:r><w:pict><v:shape><v:textpath on="t" string="DRAFT COPY"/></v:shape></w:pict></w:r>'
    drawn = (
        "<w:r><w:drawing><a:graphic><a:txSp><a:txBody><a:p><a:r><a:t>Valve </a:t></a:r><a:r><a:t>7</a:t></a:r></a:p>"
        "<a:p/><a:p><a:r><a:t>shut</a:t></a:r></a:p></a:txBody></a:txSp></a:graphic></w:drawing></w:r>"
    )
    assert (
        read_xml(tmp_path, paragraph(run("Above"), art), paragraph(drawn)).text
        == "Above\n\nDRAFT COPY\n\nValve 7\n\nshut"
    )


def test_a_table_in_a_text_box_keeps_its_rows(tmp_path: Path) -> None:
    cells = raw_table(
        raw_row(paragraph(run("a")), paragraph(run("b"))), raw_row(paragraph(run("c")), paragraph(run("d")))
    )
    framed = f"<w:r><w:pict><v:shape><v:textbox>{box('First').replace('</w:txbxContent>', cells + '</w:txbxContent>')}"
    document = read_xml(tmp_path, paragraph(run("Above"), framed + "</v:textbox></v:shape></w:pict></w:r>"))
    assert document.text == "Above\n\nFirst\n\na | b\nc | d"


def test_a_line_break_in_a_drawing_parts_its_words(tmp_path: Path) -> None:
    body = "<a:txBody><a:p><a:r><a:t>Step</a:t></a:r><a:br/><a:r><a:t>one</a:t></a:r></a:p></a:txBody>"
    drawing = f"<w:r><w:drawing><wp:inline><a:graphic><a:graphicData>{body}</a:graphicData></a:graphic></wp:inline>"
    document = read_xml(tmp_path, paragraph(run("x"), f"{drawing}</w:drawing></w:r>"))
    assert document.text == "x\n\nStep one"
