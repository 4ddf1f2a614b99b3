"""XFA forms that the viewer lays out: their texts and values instead of "Please wait"."""

from __future__ import annotations

from pathlib import Path

import pytest
from pdf_builder import annotated, at, book, show

from extractors import Document, Options, extract
from extractors.options import PdfEngine

WAIT = show("Please wait...")
TEMPLATE = """
<template xmlns="http://www.xfa.org/schema/xfa-template/3.3/">
 <subform name="order">
  <pageSet><pageArea><draw><value><text>Harbour office</text></value></draw></pageArea></pageSet>
  <draw><value><exData contentType="text/html"><body xmlns="http://www.w3.org/1999/xhtml"><p>Berth <b>order</b></p>
   <p>since 1950</p></body></exData></value></draw>
  <draw presence="hidden"><value><text>never seen</text></value></draw>
  <draw><value><image>AAAA</image></value></draw>
  <field name="ship"><caption><value><text>Ship:</text></value></caption><ui><textEdit/></ui></field>
  <field name="flag"><caption><value><text>Flag:</text></value></caption>
   <value><text>DE</text></value></field>
  <field name="secret"><caption><value><text>Pin:</text></value></caption><ui><passwordEdit/></ui></field>
  <field name="power"><caption><value><text>Shore power</text></value></caption><ui><checkButton/></ui>
   <items><integer>1</integer><integer>0</integer></items></field>
  <field name="berth"><caption><value><text>Berth:</text></value></caption><ui><choiceList/></ui>
   <items><text>North pier</text><text>South pier</text></items>
   <items save="1"><text>n</text><text>s</text></items></field>
  <exclGroup name="pay"><field><caption><value><text>cash</text></value></caption><ui><checkButton/></ui>
   <bind match="dataRef" ref="$record.pay"/><items><text>c</text></items></field></exclGroup>
  <subform name="crew"><occur min="0" max="-1"/>
   <field name="who"><bind match="dataRef" ref="$.name"/></field></subform>
  <subform name="pets"><occur min="0" max="-1"/><draw><value><text>Pet</text></value></draw></subform>
 </subform>
</template>"""
DATA = """
<xfa:datasets xmlns:xfa="http://www.xfa.org/schema/xfa-data/1.0/"><xfa:data><order>
 <ship>Mövenfeder</ship><secret>1234</secret><power>1</power><berth>s</berth><pay>c</pay>
 <crew><name>Ada</name></crew><crew><name>Bo &amp; Co</name></crew>
</order></xfa:data></xfa:datasets>"""
READ = """Harbour office
Berth order
since 1950
Ship: Mövenfeder
Flag: DE
☒ Shore power
Berth: South pier
☒ cash
Ada
Bo & Co"""


def _stream(xml: str) -> bytes:
    data = xml.encode()
    return b"<< /Length %d >>\nstream\n%s\nendstream" % (len(data), data)


def _form(*parts: str, rendering: bytes = b"/NeedsRendering true") -> bytes:
    names = b" ".join(b"(part) %d 0 R" % (5 + number) for number in range(len(parts)))
    catalog = b"/AcroForm << /Fields [] /XFA [%s] >> %s" % (names, rendering)
    return book([WAIT], catalog, [_stream(part) for part in parts])


def _read(folder: Path, data: bytes, engine: PdfEngine = "pdfium") -> Document:
    path = folder / "file.pdf"
    path.write_bytes(data)
    return extract(path, Options(pdf_engine=engine))


@pytest.mark.parametrize("engine", ["pdfium", "pypdf"])
@pytest.mark.parametrize("rendering", [b"", b"/NeedsRendering true"])
def test_the_form_stands_in_the_place_of_the_page_that_asks_to_wait(
    tmp_path: Path, engine: PdfEngine, rendering: bytes
) -> None:
    head = '<xdp:xdp xmlns:xdp="http://ns.adobe.com/xdp/">'
    document = _read(tmp_path, _form(head, TEMPLATE, DATA, "</xdp:xdp>", rendering=rendering), engine)
    assert document.text == READ
    assert document.missing == ()


def test_an_empty_form_has_its_captions(tmp_path: Path) -> None:
    document = _read(tmp_path, _form(f"<x>{TEMPLATE}</x>"))
    assert "Ship:\nFlag: DE\n☐ Shore power\nBerth:\n☐ cash" in document.text


@pytest.mark.parametrize(
    "xml",
    [
        "<xdp><template>",
        "<x/>",
        "<x><template><subform/></template></x>",
        '<!DOCTYPE x [<!ENTITY a "aaaaaaaaaa"><!ENTITY b "&a;&a;&a;">]><x><template><draw>&b;</draw></template></x>',
    ],
)
def test_a_form_that_cannot_be_read_is_missing(tmp_path: Path, xml: str) -> None:
    document = _read(tmp_path, _form(xml))
    assert document.text == "Please wait..."
    (missing,) = document.missing
    assert "could not be read" in missing


def test_a_form_whose_pages_are_in_the_pdf_is_read_from_these(tmp_path: Path) -> None:
    field = b"/Subtype /Widget /FT /Tx /T (a) /Rect [60 145 190 160] /V (Okonjo)"
    data = annotated(at(10, 150, "Name:"), field, extra=(_stream(f"<x>{TEMPLATE}{DATA}</x>"),))
    document = _read(tmp_path, data.replace(b"/AcroForm << ", b"/AcroForm << /XFA 6 0 R "))
    assert document.text == "Name: Okonjo"


def test_a_form_nested_without_end_comes_to_an_end(tmp_path: Path) -> None:
    deep = "<subform>" * 200 + "<draw><value><text>deep</text></value></draw>" + "</subform>" * 200
    first = "<draw><value><text>first</text></value></draw>"
    assert _read(tmp_path, _form(f"<x><template>{first}{deep}</template></x>")).text == "first"
