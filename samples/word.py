"""Builds the Word sample: what python-docx writes, and by hand what it does not."""

from __future__ import annotations

import io
import zipfile
from datetime import datetime

import docx
from docx.enum.text import WD_BREAK
from docx.opc.constants import RELATIONSHIP_TYPE
from docx.opc.packuri import PackURI
from docx.opc.part import Part
from docx.oxml import parse_xml
from docx.oxml.ns import nsdecls
from docx.text.paragraph import Paragraph

__all__ = ["handbook"]

EPOCH = (2025, 1, 1, 0, 0, 0)
MAIN = nsdecls("w")
FOOTNOTE_TYPE = "application/vnd.openxmlformats-officedocument.wordprocessingml.footnotes+xml"
FOOTNOTES = f"""<w:footnotes {MAIN}>
<w:footnote w:type="separator" w:id="-1"><w:p><w:r><w:separator/></w:r></w:p></w:footnote>
<w:footnote w:type="continuationSeparator" w:id="0"><w:p><w:r><w:continuationSeparator/></w:r></w:p></w:footnote>
<w:footnote w:id="1"><w:p><w:r><w:footnoteRef/></w:r><w:r><w:t xml:space="preserve"> The gauge hangs in the sail \
loft; its tag is Footnote Cormorant.</w:t></w:r></w:p></w:footnote>
</w:footnotes>"""
TEXT_BOX = f"""<w:r {MAIN} xmlns:mc="http://schemas.openxmlformats.org/markup-compatibility/2006"
 xmlns:wp="http://schemas.openxmlformats.org/drawingml/2006/wordprocessingDrawing"
 xmlns:a="http://schemas.openxmlformats.org/drawingml/2006/main"
 xmlns:wps="http://schemas.microsoft.com/office/word/2010/wordprocessingShape"
 xmlns:v="urn:schemas-microsoft-com:vml"><mc:AlternateContent>
<mc:Choice Requires="wps"><w:drawing><wp:inline><wp:extent cx="2400000" cy="600000"/><wp:docPr id="7" name="Box"/>
<a:graphic><a:graphicData uri="http://schemas.microsoft.com/office/word/2010/wordprocessingShape"><wps:wsp><wps:spPr/>
<wps:txbx><w:txbxContent><w:p><w:r><w:t>BOXTEXT</w:t></w:r></w:p></w:txbxContent></wps:txbx><wps:bodyPr/></wps:wsp>
</a:graphicData></a:graphic></wp:inline></w:drawing></mc:Choice>
<mc:Fallback><w:pict><v:shape style="width:200pt;height:50pt"><v:textbox><w:txbxContent>
<w:p><w:r><w:t>BOXTEXT</w:t></w:r></w:p></w:txbxContent></v:textbox></v:shape></w:pict></mc:Fallback></mc:AlternateContent></w:r>"""
CHANGE = 'w:id="{id}" w:author="Amira Weiß" w:date="2025-01-01T00:00:00Z"'
INSERTED = f"<w:ins {MAIN} {CHANGE}><w:r><w:t>{{text}}</w:t></w:r></w:ins>"
DELETED = f"<w:del {MAIN} {CHANGE}><w:r><w:delText>{{text}}</w:delText></w:r></w:del>"


def handbook() -> bytes:
    """Write the staff handbook: three pages with all that a Word file can hide text in."""
    document = docx.Document()
    document.core_properties.title = "Staff handbook"
    document.core_properties.author = "Ilse Brandt-Öhler"
    document.core_properties.created = document.core_properties.modified = datetime(2025, 1, 1)  # noqa: DTZ001
    section = document.sections[0]
    section.header.paragraphs[0].text = "Lindenau Bootswerft GmbH, header mark Verbena"
    section.footer.paragraphs[0].text = "Staff handbook, footer mark Tansy"
    _working_hours(document)
    _tools(document)
    _leave(document)
    stream = io.BytesIO()
    document.save(stream)
    return _dated(stream.getvalue())


def _working_hours(document: docx.document.Document) -> None:
    document.add_heading("Staff handbook", 0)
    document.add_heading("Working hours", 1)
    document.add_paragraph(
        "Work begins at seven and ends at half past three. The bell at the gate, named Copper Nightjar, rings twice."
    )
    changed = document.add_paragraph("The lunch break lasts ")
    changed._p.append(parse_xml(DELETED.format(id=101, text="thirty minutes by the Vanished Sandpiper rule")))
    changed._p.append(parse_xml(INSERTED.format(id=102, text="forty minutes by the Inserted Avocet rule")))
    changed.add_run(" and is not paid.")
    document.add_heading("Breaks in the paint shop", 2)
    document.add_paragraph("Leave the spray booth after two hours", style="List Bullet")
    document.add_paragraph("Hang the respirator on hook Bullet Dunlin", style="List Bullet")
    document.add_paragraph().add_run().add_break(WD_BREAK.PAGE)


def _tools(document: docx.document.Document) -> None:
    _heading_after_break(document, "Tools and machines")
    noted = document.add_paragraph("Measure moisture before gluing; oak must be below twelve percent.")
    _footnote(document, noted)
    document.add_paragraph("Unplug the saw", style="List Number")
    document.add_paragraph("Change the blade with the key Numbered Godwit", style="List Number")
    rows = (
        ("Machine", "Keeper", "Checked"),
        ("Band saw", "Jörg Küster", "May"),
        ("Steam box", "Cell Turnstone", "June"),
    )
    table = document.add_table(rows=0, cols=3, style="Table Grid")
    for row in rows:
        for cell, text in zip(table.add_row().cells, row, strict=True):
            cell.text = text
    boxed = document.add_paragraph("Beside the table hangs a sign. ")
    boxed._p.append(parse_xml(TEXT_BOX.replace("BOXTEXT", "Text box: never run the saw alone, says Boxed Whimbrel.")))
    document.add_paragraph().add_run().add_break(WD_BREAK.PAGE)


def _leave(document: docx.document.Document) -> None:
    _heading_after_break(document, "Holidays and leave")
    document.add_paragraph(
        "Everyone has thirty days of holiday a year. Requests go to the office before the end of February; the form "
        "is called Lavender Curlew. During the launching weeks in April and May no holiday is granted."
    )


def _heading_after_break(document: docx.document.Document, title: str) -> None:
    """Add a heading at the top of a page, marked as Word marks it when it has laid the page out."""
    paragraph = document.add_heading(level=1)
    run = paragraph.add_run(title)
    run._r.insert(0, parse_xml(f"<w:lastRenderedPageBreak {MAIN}/>"))


def _footnote(document: docx.document.Document, paragraph: Paragraph) -> None:
    package = document.part.package
    notes = Part(PackURI("/word/footnotes.xml"), FOOTNOTE_TYPE, FOOTNOTES.encode(), package)
    document.part.relate_to(notes, RELATIONSHIP_TYPE.FOOTNOTES)
    paragraph._p.append(parse_xml(f'<w:r {MAIN}><w:footnoteReference w:id="1"/></w:r>'))


def _dated(data: bytes) -> bytes:
    """Give every member of the archive the same date, so that a second run writes the same bytes."""
    stream = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(data)) as old, zipfile.ZipFile(stream, "w", zipfile.ZIP_DEFLATED) as new:
        for info in old.infolist():
            dated = zipfile.ZipInfo(info.filename, EPOCH)
            dated.compress_type = zipfile.ZIP_DEFLATED
            new.writestr(dated, old.read(info))
    return stream.getvalue()
