"""Builds Word files for tests: python-docx for the usual, raw XML for what it cannot write."""

from __future__ import annotations

from functools import cache
from io import BytesIO
from pathlib import Path
from typing import Any

import docx
from docx.opc.packuri import PackURI
from docx.opc.part import Part
from docx.oxml.parser import parse_xml

from extractors.document import Document
from extractors.docx.extract import extract_docx
from extractors.docx.styles import W
from extractors.options import Options

OPTIONS = Options()
SPACES = (
    'xmlns:w="http://schemas.openxmlformats.org/wordprocessingml/2006/main" '
    'xmlns:mc="http://schemas.openxmlformats.org/markup-compatibility/2006" '
    'xmlns:m="http://schemas.openxmlformats.org/officeDocument/2006/math" '
    'xmlns:v="urn:schemas-microsoft-com:vml" '
    'xmlns:r="http://schemas.openxmlformats.org/officeDocument/2006/relationships" '
    'xmlns:w14="http://schemas.microsoft.com/office/word/2010/wordml" '
    'xmlns:wp="http://schemas.openxmlformats.org/drawingml/2006/wordprocessingDrawing" '
    'xmlns:a="http://schemas.openxmlformats.org/drawingml/2006/main" '
    'xmlns:pic="http://schemas.openxmlformats.org/drawingml/2006/picture" '
    'xmlns:o="urn:schemas-microsoft-com:office:office" '
    'xmlns:symex="http://schemas.microsoft.com/office/word/2015/wordml/symex"'
)


def new() -> Any:
    """An empty document without python-docx's 800 kB of table styles, which would be parsed for each test."""
    return docx.Document(BytesIO(_lean()))


@cache
def _lean() -> bytes:
    word = docx.Document()
    styles = word.styles.element
    for style in [style for style in styles if style.get(f"{W}type") == "table" and style.get(f"{W}default") != "1"]:
        styles.remove(style)
    for name in [name for name, relation in word.part.rels.items() if relation.reltype.endswith("stylesWithEffects")]:
        del word.part.rels[name]
    stream = BytesIO()
    word.save(stream)
    return stream.getvalue()


def element(xml: str) -> Any:
    """Parse a fragment; the first tag gets the namespaces."""
    head, rest = xml.split(">", 1) if not xml.split(">", 1)[0].endswith("/") else (xml[:-2], None)
    return parse_xml(f"{head} {SPACES}>{rest}" if rest is not None else f"{head} {SPACES}/>")


def read(word: Any, folder: Path) -> Document:
    """Save the document and read it back by our own reader."""
    word.save(folder / "word.docx")
    return extract_docx(folder / "word.docx", OPTIONS)


def add(word: Any, *fragments: str) -> None:
    """Append raw paragraphs and tables to the body."""
    for fragment in fragments:
        word.element.body.insert_element_before(element(fragment), "w:sectPr")


def read_xml(folder: Path, *fragments: str) -> Document:
    """Read a document whose body is the given fragments."""
    word = new()
    add(word, *fragments)
    return read(word, folder)


def relate(word: Any, kind: str, name: str, content: bytes, content_type: str = "application/octet-stream") -> str:
    """Add a part below word/ that the document refers to, and return the relationship's id."""
    part = Part(PackURI(f"/word/{name}"), content_type, content, word.part.package)
    relationship = f"http://schemas.openxmlformats.org/officeDocument/2006/relationships/{kind}"
    return str(word.part.relate_to(part, relationship))


def raw_row(*cells: str) -> str:
    """A table row; each cell is the XML of its paragraphs and tables."""
    return f"<w:tr>{''.join(f'<w:tc>{cell}</w:tc>' for cell in cells)}</w:tr>"


def raw_table(*rows: str) -> str:
    return f"<w:tbl>{''.join(rows)}</w:tbl>"


def paragraph(*content: str, properties: str = "") -> str:
    return f"<w:p><w:pPr>{properties}</w:pPr>{''.join(content)}</w:p>"


def run(text: str) -> str:
    return f'<w:r><w:t xml:space="preserve">{text}</w:t></w:r>'


def box(text: str) -> str:
    return f"<w:txbxContent><w:p>{run(text)}</w:p></w:txbxContent>"
