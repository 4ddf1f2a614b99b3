"""Word files: the text that a reader sees, in that order, each part once."""

from __future__ import annotations

from pathlib import Path

import docx
import pytest
from docx.opc.packuri import PackURI
from docx.opc.part import Part
from word_files import add, box, element, paragraph, raw_row, raw_table, read, read_xml, run

from extractors.docx.styles import RELATIONSHIPS


def test_insertions_are_in_and_deletions_out(tmp_path: Path) -> None:
    document = read_xml(
        tmp_path,
        paragraph(
            run("Rent is "),
            f'<w:del w:id="1"><w:r><w:delText>100</w:delText></w:r>{run("GONE")}</w:del>',
            f'<w:ins w:id="2">{run("120")}</w:ins>',
            f'<w:moveFrom w:id="3">{run("MOVED")}</w:moveFrom>',
            f'<w:moveTo w:id="4">{run(" euro")}</w:moveTo>',
        ),
        paragraph(run("First half, "), properties='<w:rPr><w:del w:id="5"/></w:rPr>'),
        paragraph(run("second half.")),
        f'<w:tbl><w:tr><w:trPr><w:del w:id="6"/></w:trPr><w:tc>{paragraph(run("struck"))}</w:tc></w:tr></w:tbl>',
    )
    assert document.text == "Rent is 120 euro\n\nFirst half, second half."


@pytest.mark.parametrize("kind", ["drop", "margin"])
def test_a_drop_cap_belongs_to_its_word(kind: str, tmp_path: Path) -> None:
    frame = f'<w:framePr w:dropCap="{kind}" w:lines="3" w:wrap="around" w:vAnchor="text" w:hAnchor="text"/>'
    document = read_xml(
        tmp_path,
        paragraph(run("Before")),
        paragraph(run("O"), properties=frame),
        paragraph(run("nce upon a tide")),
        paragraph(run("„A"), properties=frame),
        paragraph(run("m Hafen“")),
        paragraph(run("A frame"), properties='<w:framePr w:dropCap="none" w:w="2000"/>'),
        paragraph(run("stands alone")),
        paragraph(run("Z"), properties=frame),
    )
    assert document.text == "Before\n\nOnce upon a tide\n\n„Am Hafen“\n\nA frame\n\nstands alone\n\nZ"


def test_a_text_box_stands_once_after_its_paragraph(tmp_path: Path) -> None:
    both = (
        f'<w:r><mc:AlternateContent><mc:Choice Requires="wps"><w:drawing>{box("Boxed")}</w:drawing></mc:Choice>'
        f"<mc:Fallback><w:pict><v:shape><v:textbox>{box('Boxed')}</v:textbox></v:shape></w:pict></mc:Fallback>"
        "</mc:AlternateContent></w:r>"
    )
    old = f"<w:r><w:pict><v:shape><v:textbox>{box('Old box')}</v:textbox></v:shape></w:pict></w:r>"
    document = read_xml(
        tmp_path, paragraph(run("Anchor"), both, run(" goes on")), paragraph(old), paragraph(run("After"))
    )
    assert document.text == "Anchor goes on\n\nBoxed\n\nOld box\n\nAfter"


def test_the_fallback_form_is_read_only_if_the_newer_form_is_empty(tmp_path: Path) -> None:
    smile = (
        '<w:r><mc:AlternateContent><mc:Choice Requires="symex"><symex:symEx symex:font="Emoji" symex:char="1F600"/>'
        "</mc:Choice><mc:Fallback><w:t>twice</w:t></mc:Fallback></mc:AlternateContent></w:r>"
    )
    picture = (
        '<w:r><mc:AlternateContent><mc:Choice Requires="wpg"/><mc:Fallback><w:t>kept</w:t></mc:Fallback>'
        "</mc:AlternateContent></w:r>"
    )
    assert read_xml(tmp_path, paragraph(smile, run(" "), picture)).text == "😀 kept"


def test_text_inside_controls_links_and_tags_is_read(tmp_path: Path) -> None:
    document = read_xml(
        tmp_path,
        f"<w:sdt><w:sdtPr><w:alias w:val='NOT'/></w:sdtPr><w:sdtContent>{paragraph(run('In a control'))}"
        "</w:sdtContent></w:sdt>",
        paragraph(
            f"<w:hyperlink>{run('a link')}</w:hyperlink>",
            f"<w:smartTag>{run(', a tag')}</w:smartTag>",
            f"<w:sdt><w:sdtContent>{run(', a control')}</w:sdtContent></w:sdt>",
            f'<w:fldSimple w:instr="DATE">{run(", a field")}</w:fldSimple>',
        ),
    )
    assert document.text == "In a control\n\na link, a tag, a control, a field"


def test_the_result_of_a_field_is_read(tmp_path: Path) -> None:
    def mark(kind: str) -> str:
        return f'<w:r><w:fldChar w:fldCharType="{kind}"/></w:r>'

    instruction = "<w:r><w:instrText> IF </w:instrText></w:r>"
    inner = mark("begin") + "<w:r><w:instrText>NAME</w:instrText></w:r>" + mark("separate") + run("inner") + mark("end")
    field = mark("begin") + instruction + inner + mark("separate") + run("shown") + mark("end")
    assert read_xml(tmp_path, paragraph(run("It is "), field, run("."))).text == "It is shown."
    open_field = read_xml(tmp_path, paragraph(mark("begin"), run("never closed")), paragraph(run("after")))
    assert open_field.text == "never closed\n\nafter"


def test_symbols_tabs_and_hyphens_are_read_and_hidden_text_is_not(tmp_path: Path) -> None:
    document = read_xml(
        tmp_path,
        paragraph(
            "<w:r><w:t>a</w:t><w:tab/><w:t>b</w:t><w:br/><w:t>e</w:t><w:noBreakHyphen/><w:t>mail Dampf</w:t>"
            "<w:softHyphen/><w:t>schiff</w:t></w:r>",
            "<w:r><w:rPr><w:vanish/></w:rPr><w:t>HIDDEN</w:t></w:r>",
            '<w:r><w:rPr><w:vanish w:val="0"/></w:rPr><w:t> seen </w:t></w:r>',
            '<w:r><w:sym w:font="Symbol" w:char="F061"/><w:sym w:font="Wingdings" w:char="F0FC"/></w:r>',
        ),
    )
    assert document.text == "a\tb\ne-mail Dampfschiff seen α✓"


def test_formulas_are_read_in_a_line(tmp_path: Path) -> None:
    def letter(text: str) -> str:
        return f"<m:r><m:t>{text}</m:t></m:r>"

    half = f"<m:f><m:num>{letter('1')}</m:num><m:den>{letter('2')}</m:den></m:f>"
    square = f"<m:sSup><m:e>{letter('v')}</m:e><m:sup>{letter('2')}</m:sup></m:sSup>"
    formula = f"<m:oMath>{letter('E=')}{half}{letter('m')}{square}</m:oMath>"
    assert read_xml(tmp_path, paragraph(formula, f"<m:oMath>{letter('c')}</m:oMath>")).text == (r"E=\frac{1}{2}mv^2 c")


def test_tables_are_read_row_by_row(tmp_path: Path) -> None:
    word = docx.Document()
    word.add_paragraph("Prices")
    table = word.add_table(3, 3)
    for row, values in enumerate((("Boat", "Berth", "Price"), ("Dinghy", "A 1", "10"), ("Yacht", "B 2", "90"))):
        for column, value in enumerate(values):
            table.cell(row, column).text = value
    table.cell(1, 0).merge(table.cell(2, 0)).text = "Merged"
    table.cell(0, 1).merge(table.cell(0, 2)).text = "Wide"
    inner = table.cell(2, 2).add_table(1, 2)
    inner.cell(0, 0).text, inner.cell(0, 1).text = "in", "side"
    word.add_paragraph("After")
    text = read(word, tmp_path).text
    assert text == "Prices\n\nBoat | Wide\nMerged | A 1 | 10\n | B 2 | 90 in | side\n\nAfter".replace("\n |", "\n|")


def test_a_table_in_a_cell_is_read_row_by_row(tmp_path: Path) -> None:
    def p(text: str) -> str:
        return paragraph(run(text))

    inner = raw_table(raw_row(p("force"), p("40 kN")), raw_row(p("stroke"), p("120 mm")))
    deeper = raw_table(
        raw_row(p("x"), raw_table(raw_row(p("1"), p("2")), raw_row(p("3"), p("4")))), raw_row(p("y"), p("5"))
    )
    document = read_xml(
        tmp_path,
        raw_table(
            raw_row(p("Machine"), p("Values"), p("Note")), raw_row(p("Press"), p("") + inner + p(""), p("oiled"))
        ),
        p("First column"),
        raw_table(raw_row(inner, p("after")), raw_row(p("before") + inner + p("below"), p("last"))),
        p("Deeper"),
        raw_table(raw_row(deeper, p("beside"))),
    )
    assert document.text == (
        "Machine | Values | Note\nPress\nforce | 40 kN\nstroke | 120 mm\noiled\n\n"
        "First column\n\nforce | 40 kN\nstroke | 120 mm\nafter\n"
        "before\nforce | 40 kN\nstroke | 120 mm\nbelow | last\n\n"
        "Deeper\n\nx\n1 | 2\n3 | 4\ny | 5\nbeside"
    )


def test_a_frame_of_one_cell_keeps_its_paragraphs_and_headings(tmp_path: Path) -> None:
    word = docx.Document()
    cell = word.add_table(1, 1).cell(0, 0)
    cell.paragraphs[0].style, cell.paragraphs[0].text = "Heading 1", "Framed"
    cell.add_paragraph("Below")
    document = read(word, tmp_path)
    assert document.text == "Framed\n\nBelow"
    assert [section.path for section in document.sections] == [("Framed",)]


NUMBERING = """<w:numbering>
<w:abstractNum w:abstractNumId="90">
<w:lvl w:ilvl="0"><w:start w:val="1"/><w:numFmt w:val="decimal"/><w:lvlText w:val="%1."/></w:lvl>
<w:lvl w:ilvl="1"><w:start w:val="1"/><w:numFmt w:val="lowerLetter"/><w:lvlText w:val="%1.%2)"/></w:lvl>
</w:abstractNum>
<w:abstractNum w:abstractNumId="91">
<w:lvl w:ilvl="0"><w:numFmt w:val="bullet"/><w:lvlText w:val="&#xF0B7;"/></w:lvl></w:abstractNum>
<w:abstractNum w:abstractNumId="92">
<w:lvl w:ilvl="0"><w:start w:val="1"/><w:numFmt w:val="upperRoman"/><w:lvlText w:val="§ %1"/></w:lvl></w:abstractNum>
<w:num w:numId="90"><w:abstractNumId w:val="90"/></w:num>
<w:num w:numId="91"><w:abstractNumId w:val="91"/></w:num>
<w:num w:numId="92"><w:abstractNumId w:val="92"/></w:num>
<w:num w:numId="93"><w:abstractNumId w:val="90"/>
<w:lvlOverride w:ilvl="0"><w:startOverride w:val="7"/></w:lvlOverride></w:num>
</w:numbering>"""


def test_lists_are_read_with_the_markers_of_word(tmp_path: Path) -> None:
    word = docx.Document()
    own = element(NUMBERING)
    numbering = word.part.numbering_part.element
    for child in list(numbering):
        numbering.remove(child)
    numbering.extend(list(own))
    items = [
        ("90", 0),
        ("90", 1),
        ("90", 1),
        ("90", 0),
        ("90", 1),
        ("93", 0),
        ("91", 0),
        ("92", 0),
        ("92", 0),
        ("0", 0),
    ]
    for number, level in items:
        properties = f'<w:numPr><w:ilvl w:val="{level}"/><w:numId w:val="{number}"/></w:numPr>'
        add(word, paragraph(run("x"), properties=properties))
    lines = read(word, tmp_path).text.split()
    assert " ".join(lines) == "1. x 1.a) x 1.b) x 2. x 2.a) x 7. x - x § I x § II x x"


CHART = "http://schemas.openxmlformats.org/drawingml/2006/chart"
DIAGRAM = "http://schemas.openxmlformats.org/drawingml/2006/diagram"
DRAWING = "http://schemas.openxmlformats.org/drawingml/2006/main"


def series(name: str, *values: str) -> str:
    def points(texts: tuple[str, ...]) -> str:
        return "".join(f'<c:pt idx="{position}"><c:v>{text}</c:v></c:pt>' for position, text in enumerate(texts))

    categories = f"<c:cat><c:strRef><c:strCache>{points(('May', 'June'))}</c:strCache></c:strRef></c:cat>"
    return f"<c:ser><c:tx>{points((name,))}</c:tx>{categories}<c:val>{points(values)}</c:val></c:ser>"


def test_charts_and_smart_art_are_read_at_their_position(tmp_path: Path) -> None:
    word = docx.Document()
    title = f'<c:title><a:p xmlns:a="{DRAWING}"><a:r><a:t>Berths let</a:t></a:r></a:p></c:title>'
    plot = series("Moored", "2.3999999999999999", "7") + series("Ashore", "1")
    parts = {
        "chart": f'<c:chartSpace xmlns:c="{CHART}">{title}{plot}</c:chartSpace>',
        "diagramData": f'<d:dataModel xmlns:d="{DIAGRAM}" xmlns:a="{DRAWING}"><d:pt><a:p><a:r><a:t>Launch</a:t></a:r>'
        "</a:p></d:pt><d:pt><a:p><a:r><a:t>Sail</a:t></a:r></a:p></d:pt></d:dataModel>",
    }
    names = {}
    for kind, xml in parts.items():
        part = Part(PackURI(f"/word/{kind}.xml"), "application/xml", xml.encode(), word.part.package)
        names[kind] = word.part.relate_to(part, f"{RELATIONSHIPS}/{kind}")
    chart = f'<w:r><w:drawing><c:chart xmlns:c="{CHART}" r:id="{names["chart"]}"/></w:drawing></w:r>'
    art = f'<w:r><w:drawing><d:relIds xmlns:d="{DIAGRAM}" r:dm="{names["diagramData"]}"/></w:drawing></w:r>'
    add(word, paragraph(run("Before"), chart), paragraph(art), paragraph(run("After")))
    assert read(word, tmp_path).text == (
        "Before\n\nBerths let\nMoored | Ashore\nMay | 2.4 | 1\nJune | 7 |\n\nLaunch\nSail\n\nAfter"
    )


def test_a_chart_of_the_newer_kinds_is_read_once(tmp_path: Path) -> None:
    word = docx.Document()
    space = "http://schemas.microsoft.com/office/drawing/2014/chartex"
    rows = '<c:strDim><c:lvl><c:pt idx="0">Diesel</c:pt><c:pt idx="1">Oil</c:pt></c:lvl></c:strDim>'
    numbers = '<c:numDim><c:lvl><c:pt idx="0">12.5</c:pt><c:pt idx="1">3</c:pt></c:lvl></c:numDim>'
    title = f'<c:title><a:p xmlns:a="{DRAWING}"><a:r><a:t>Costs</a:t></a:r></a:p></c:title>'
    xml = f'<c:chartSpace xmlns:c="{space}">{rows}{numbers}{title}</c:chartSpace>'
    part = Part(PackURI("/word/charts/chartEx1.xml"), "application/xml", xml.encode(), word.part.package)
    name = word.part.relate_to(part, "http://schemas.microsoft.com/office/2014/relationships/chartEx")
    drawn = (
        f'<w:r><mc:AlternateContent><mc:Choice Requires="cx1"><c:chart xmlns:c="{space}" r:id="{name}"/></mc:Choice>'
        f"<mc:Fallback>{box('This chart is not available.')}</mc:Fallback></mc:AlternateContent></w:r>"
    )
    add(word, paragraph(run("Before"), drawn))
    assert read(word, tmp_path).text == "Before\n\nCosts\nDiesel | 12.5\nOil | 3"
