"""Word files: documents of other kinds within them, comments, embedded files, damaged parts."""

from __future__ import annotations

import io
import zipfile
from pathlib import Path
from typing import Any

import pytest
from docx.opc.constants import RELATIONSHIP_TYPE as RT
from docx.opc.packuri import PackURI
from docx.opc.part import Part
from word_files import SPACES, add, new, paragraph, read, relate, run

from extractors.docx.extract import extract_docx
from extractors.docx.package import Budget, open_package
from extractors.errors import TooLarge
from extractors.options import Options

PAGE = "<h1>Grüße</h1><p>one <b>two</b><br>three</p><ul><li>item</li></ul><table><tr><td>a<td>b</tr></table>"
READ = "Grüße\n\none two\nthree\n\n- item\n\na | b"
SENTENCE = "Die Übergabe der neuen Fähre fällt auf Mittwoch, die Gäste müssen früh auf die große Brücke gehen."
MHT = (
    "MIME-Version: 1.0\r\nContent-Type: multipart/related; boundary=b\r\n\r\n--b\r\nContent-Type: text/html;"
    " charset=iso-8859-1\r\nContent-Transfer-Encoding: quoted-printable\r\n\r\n"
    f"{PAGE.replace('ü', '=FC').replace('ß', '=DF')}\r\n--b\r\nContent-Type: image/png\r\n\r\nxx\r\n--b--\r\n"
)


def chunk(word: Any, name: str, content: bytes, media_type: str = "application/x-other") -> None:
    """Embed a document of another kind at the end of the body."""
    add(word, f'<w:altChunk r:id="{relate(word, "aFChunk", name, content, media_type)}"/>')


def word_bytes(text: str, *chunks: tuple[str, bytes]) -> bytes:
    word = new()
    word.add_heading(text, 1)
    for name, content in chunks:
        chunk(word, name, content)
    stream = io.BytesIO()
    word.save(stream)
    return stream.getvalue()


@pytest.mark.parametrize(
    ("name", "content", "text"),
    [
        ("c.html", PAGE.encode(), READ),
        ("c.htm", f'<html><head><meta charset="cp1252"><title>NOT</title></head>{PAGE}'.encode("cp1252"), READ),
        ("c.xhtml", f'<?xml version="1.0" encoding="utf-8"?><html><body>{PAGE}</body></html>'.encode(), READ),
        ("c.html", f"<!DOCTYPE html><script>NOT</script><style>NOT</style>{PAGE}<!-- NOT -->".encode(), READ),
        ("c.mht", MHT.encode("ascii"), READ),
        ("c.dat", MHT.encode("ascii"), READ),
        ("c.txt", f"{SENTENCE}\r\nzwei".encode("cp1252"), f"{SENTENCE}\n\nzwei"),
        ("c.docx", word_bytes("Inner"), "Inner"),
        ("c.bin", word_bytes("Inner", ("d.html", b"<p>deep</p>")), "Inner\n\ndeep"),
    ],
)
def test_a_document_within_the_document_is_read_at_its_place(
    name: str, content: bytes, text: str, tmp_path: Path
) -> None:
    word = new()
    word.add_paragraph("Before")
    chunk(word, name, content)
    word.add_paragraph("After")
    document = read(word, tmp_path)
    assert document.text == f"Before\n\n{text}\n\nAfter"
    assert (document.warnings, document.missing) == ((), ())


@pytest.mark.parametrize(
    ("content", "media_type", "text"),
    [
        (PAGE.encode(), "application/x-other", READ),
        (b"Fan <b>nine</b> broke", "text/html", "Fan nine broke"),
        (b"Fan <b>nine</b> broke", "text/plain", "Fan <b>nine</b> broke"),
        (b"From: x\n" + MHT.encode("ascii"), "message/rfc822", READ),
    ],
)
def test_a_part_with_any_name_is_read_by_its_type_and_content(
    content: bytes, media_type: str, text: str, tmp_path: Path
) -> None:
    word = new()
    chunk(word, "afchunk1.dat", content, media_type)
    assert read(word, tmp_path).text == text


def test_a_table_of_a_page_knows_the_row_that_names_its_columns(tmp_path: Path) -> None:
    word = new()
    table = "<table><tr><th>Boat<th>Berth</tr><tr><td>Ada<td>3</tr></table>"
    chunk(word, "c.html", (table + table + f"<table><tr><td>{table}<td>x</tr></table>").encode())
    document = read(word, tmp_path)
    own = "Boat | Berth\nAda | 3"
    assert document.text == f"{own}\n\n{own}\n\n{own}\nx"
    headers = [document.text[table.char_start : table.header_end] for table in document.tables]
    assert headers == ["Boat | Berth", "Boat | Berth", ""]


def test_headings_of_a_document_within_the_document_are_sections(tmp_path: Path) -> None:
    word = new()
    chunk(word, "c.html", PAGE.encode())
    chunk(word, "c.docx", word_bytes("Inner"))
    assert [section.path for section in read(word, tmp_path).sections] == [("Grüße",), ("Inner",)]


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("c.doc", b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + bytes(600)),
        ("c.rtf", b"{\\rtf1 " + b"{" * 2000),
        ("c.docx", b"PK\x03\x04 no package"),
        ("c.mht", b"MIME-Version: 1.0\r\nContent-Type: image/png\r\n\r\nx"),
        ("c.xml", b"<?xml version='1.0'?><pkg:package/>"),
        ("c.bin", bytes(range(256))),
    ],
)
def test_what_cannot_be_read_is_named(name: str, content: bytes, tmp_path: Path) -> None:
    word = new()
    word.add_paragraph("Before")
    chunk(word, name, content)
    document = read(word, tmp_path)
    assert document.text == "Before"
    assert document.missing == document.warnings
    assert len(document.missing) == 1
    assert document.missing[0].startswith(f"The embedded document {name} is not in the text: ")


def test_documents_within_documents_end_at_a_depth(tmp_path: Path) -> None:
    content = word_bytes("level 5")
    for level in (4, 3, 2, 1):
        content = word_bytes(f"level {level}", ("c.docx", content))
    word = new()
    chunk(word, "c.docx", content)
    document = read(word, tmp_path)
    assert document.text == "level 1\n\nlevel 2\n\nlevel 3"
    assert "depth" in document.missing[0]


def test_a_document_and_those_within_it_share_one_budget() -> None:
    outer = io.BytesIO(word_bytes("outer", ("c.docx", word_bytes("inner"))))
    budget = Budget(2**20)
    package = open_package(outer, Options(), budget)
    left = budget.left
    assert 0 < left < 2**20
    inner = package.chunks.popitem()[1].content
    open_package(io.BytesIO(inner), Options(), budget)
    assert budget.left < left
    with pytest.raises(TooLarge):
        open_package(io.BytesIO(inner), Options(), Budget(1000))


def test_a_comment_stands_after_the_paragraph_that_it_is_about(tmp_path: Path) -> None:
    def comment(number: int, author: str, *texts: str) -> str:
        body = "".join(paragraph(run(text)) for text in texts)
        return f'<w:comment w:id="{number}" w:author="{author}">{body}</w:comment>'

    word = new()
    comments = comment(0, "M. Lind", "Too dear.", "Ask again.") + comment(1, "", "Yes") + comment(2, "X", "No anchor")
    relate(
        word,
        "comments",
        "comments.xml",
        f"<w:comments {SPACES}>{comments}</w:comments>".encode(),
        "application/vnd.openxmlformats-officedocument.wordprocessingml.comments+xml",
    )
    refers = (f'<w:r><w:commentReference w:id="{number}"/></w:r>' for number in (0, 1))
    add(word, paragraph('<w:commentRangeStart w:id="0"/>', run("A quotation"), *refers, run(" came.")))
    word.add_paragraph("Next")
    assert read(word, tmp_path).text == (
        "A quotation came.\n\nComment (M. Lind): Too dear.\nAsk again.\n\nComment: Yes\n\nNext\n\n"
        "Comment (X): No anchor"
    )


def packed(name: str) -> bytes:
    """The beginning of an embedded file as the packager of Windows writes it, in a container."""
    label, path = name.encode("cp1252"), f"C:\\Temp\\{name}".encode("cp1252")
    return bytes(512) + b"\x40\0\0\0\x02\0" + label + b"\0" + path + b"\0\0\0\x03\0" + bytes(64)


def test_embedded_files_are_named(tmp_path: Path) -> None:
    word = new()
    word.add_paragraph("Text")
    relate(word, "package", "embeddings/Prices.xlsx", b"PK\x03\x04")
    relate(word, "oleObject", "embeddings/oleObject1.bin", packed("Angebot März.pdf"))
    relate(word, "oleObject", "embeddings/oleObject2.bin", b"unknown")
    word.part.relate_to("https://x.invalid/part%20two.docx", f"{RT.STYLES.rpartition('/')[0]}/subDocument", True)
    document = read(word, tmp_path)
    assert document.text == "Text"
    assert document.missing == document.warnings
    for name in ("Prices.xlsx", "Angebot März.pdf", "oleObject2.bin", "part two.docx"):
        assert sum(name in sentence for sentence in document.missing) == 1
    assert len(document.missing) == 4


@pytest.mark.parametrize(("kind", "is_text"), [("footnotes", True), ("comments", True), ("numbering", False)])
def test_a_damaged_part_is_left_out_and_named(kind: str, is_text: bool, tmp_path: Path) -> None:
    word = new()
    word.add_paragraph("Text")
    for old in [name for name, relation in word.part.rels.items() if relation.reltype.endswith(kind)]:
        del word.part.rels[old]
    relate(word, kind, "broken.xml", b"<w:broken")
    document = read(word, tmp_path)
    assert document.text == "Text"
    assert document.warnings == ("The part word/broken.xml of the Word file is damaged and was left out.",)
    assert document.missing == (document.warnings if is_text else ())


def test_a_part_with_a_wrong_sum_is_left_out(tmp_path: Path) -> None:
    word = new()
    word.add_paragraph("Text")
    relate(word, "footnotes", "notes.xml", b"<w:footnotes>" + b"x" * 500 + b"</w:footnotes>")
    stored = io.BytesIO()
    word.save(stored)
    path = tmp_path / "bad.docx"
    with zipfile.ZipFile(stored) as source, zipfile.ZipFile(path, "w", zipfile.ZIP_STORED) as target:
        for name in source.namelist():
            target.writestr(name, source.read(name))
    path.write_bytes(path.read_bytes().replace(b"xxx</w:footnotes>", b"xxy</w:footnotes>"))
    document = extract_docx(path, Options())
    assert (document.text, len(document.missing)) == ("Text", 1)


def test_an_embedded_object_is_named_with_its_program(tmp_path: Path) -> None:
    word = new()
    name = relate(word, "oleObject", "embeddings/oleObject1.bin", b"x")
    add(word, paragraph(f'<w:r><w:object><o:OLEObject ProgID="Visio.Drawing.15" r:id="{name}"/></w:object></w:r>'))
    for number in range(60):
        relate(word, "oleObject", f"embeddings/object{number + 2}.bin", b"x")
    missing = read(word, tmp_path).missing
    assert "oleObject1.bin (Visio.Drawing.15)" in missing[0]
    assert (len(missing), missing[-1]) == (51, "11 more embedded files are not in the text.")


def test_form_controls_of_another_kind_are_named(tmp_path: Path) -> None:
    word = new()
    word.add_paragraph("Text")
    relate(word, "control", "activeX/activeX1.xml", b"<x/>")
    (sentence,) = read(word, tmp_path).missing
    assert "activeX1.xml" in sentence
    for number in range(2, 111):
        relate(word, "control", f"activeX/activeX{number}.xml", b"<x/>")
    missing = read(word, tmp_path).missing
    assert (len(missing), missing[-1]) == (101, "10 more parts are not in the text.")


def test_the_workbook_of_a_chart_is_not_missed(tmp_path: Path) -> None:
    word = new()
    chart = Part(
        PackURI("/word/charts/chart1.xml"),
        "application/vnd.openxmlformats-officedocument.drawingml.chart+xml",
        b'<c:chartSpace xmlns:c="http://schemas.openxmlformats.org/drawingml/2006/chart"/>',
        word.part.package,
    )
    word.part.relate_to(chart, RT.CHART)
    workbook = Part(PackURI("/word/embeddings/Book.xlsx"), "application/zip", b"PK", word.part.package)
    chart.relate_to(workbook, RT.PACKAGE)
    word.add_paragraph("Text")
    assert read(word, tmp_path).missing == ()


@pytest.mark.parametrize(
    ("share", "behind", "text", "warned", "missed"),
    [
        (0.9, 0, "Scan", 1, 1),
        (0.4, 0, "Scan", 0, 0),
        (0.9, 1, "Scan", 0, 0),
        (0.9, 0, "A long report. " * 100, 1, 0),
    ],
)
def test_a_picture_that_fills_a_page_is_missed_where_it_is_the_content(
    share: float, behind: int, text: str, warned: int, missed: int, tmp_path: Path
) -> None:
    extent = f'<wp:extent cx="{12240 * 635}" cy="{int(15840 * 635 * share)}"/>'
    picture = f'<wp:anchor behindDoc="{behind}">{extent}<a:graphic><pic:pic/></a:graphic></wp:anchor>'
    word = new()
    add(word, paragraph(run(text), f"<w:r><w:drawing>{picture}</w:drawing></w:r>"))
    document = read(word, tmp_path)
    assert (len(document.warnings), len(document.missing)) == (warned, missed)
    assert all(sentence.startswith("A picture fills most of a page;") for sentence in document.warnings)
