"""Builders of hostile PDFs, written object by object."""

from __future__ import annotations

import random
import zlib
from collections.abc import Sequence
from pathlib import Path

__all__ = [
    "claimed_pages_pdf",
    "cyclic_form_pdf",
    "cyclic_outline_pdf",
    "cyclic_pages_pdf",
    "cyclic_xref_pdf",
    "deep_array_pdf",
    "exponential_forms_pdf",
    "flate_bomb_pdf",
    "garbage_pdf",
    "huge_image_pdf",
    "huge_page_pdf",
    "many_pages_pdf",
    "operator_bomb_pdf",
    "plain_pdf",
    "truncated_pdf",
]

MIB = 2**20
FONT = b"<< /Type /Font /Subtype /Type1 /BaseFont /Helvetica >>"
BOX = b"/MediaBox [0 0 300 300]"
TEXT = b"BT /F 12 Tf 20 150 Td (Plain Sanderling) Tj ET"
CATALOG = b"<< /Type /Catalog /Pages 2 0 R >>"
PAGES = b"<< /Type /Pages /Count 1 /Kids [3 0 R] >>"
PAGE = b"<< /Type /Page /Parent 2 0 R %s /Contents 4 0 R /Resources << /Font << /F 5 0 R >> >> >>" % BOX


def plain_pdf(folder: Path, pages: int = 1) -> Path:
    """A harmless PDF that says "Plain Sanderling" on every page."""
    return _write(folder / "plain.pdf", _book(pages))


def many_pages_pdf(folder: Path) -> Path:
    """Thirty thousand pages in three megabytes."""
    return _write(folder / "pages.pdf", _book(30_000))


def claimed_pages_pdf(folder: Path) -> Path:
    """One page, and a page tree that claims two thousand million."""
    pages = b"<< /Type /Pages /Count 2147483647 /Kids [3 0 R] >>"
    return _write(folder / "claimed.pdf", [CATALOG, pages, PAGE, _stream(TEXT), FONT])


def flate_bomb_pdf(folder: Path) -> Path:
    """A content stream of kilobytes that two filters blow up to four gibibytes of blanks."""
    packed = zlib.compress(_deflated(b" ", 4096), 9)
    content = _stream(packed, b"/Filter [/FlateDecode /FlateDecode]")
    return _write(folder / "flate.pdf", [CATALOG, PAGES, PAGE, content, FONT])


def operator_bomb_pdf(folder: Path) -> Path:
    """A content stream that unpacks to forty million text operators."""
    packed = zlib.compress(_deflated(b"BT /F 9 Tf (a) Tj ET\n", 800), 9)
    content = _stream(packed, b"/Filter [/FlateDecode /FlateDecode]")
    return _write(folder / "operators.pdf", [CATALOG, PAGES, PAGE, content, FONT])


def exponential_forms_pdf(folder: Path, levels: int = 12) -> Path:
    """Forms that each draw the next one ten times: ten to the twelfth words."""
    forms = [_form(b"/X Do " * 10, 7 + level) for level in range(levels)]
    page = PAGE.replace(b"/Font", b"/XObject << /X 6 0 R >> /Font")
    objects = [CATALOG, PAGES, page, _stream(b"/X Do"), FONT, *forms, _form(TEXT, 6 + levels)]
    return _write(folder / "forms.pdf", objects)


def cyclic_form_pdf(folder: Path) -> Path:
    """A form that draws itself."""
    page = PAGE.replace(b"/Font", b"/XObject << /X 6 0 R >> /Font")
    content = _stream(TEXT + b" /X Do")
    return _write(folder / "selfform.pdf", [CATALOG, PAGES, page, content, FONT, _form(TEXT + b" /X Do", 6)])


def cyclic_pages_pdf(folder: Path) -> Path:
    """A page tree whose children are itself and a child that leads back."""
    pages = b"<< /Type /Pages /Count 4 /Kids [2 0 R 6 0 R 3 0 R] >>"
    back = b"<< /Type /Pages /Count 2 /Parent 2 0 R /Kids [2 0 R 6 0 R] >>"
    return _write(folder / "cycle.pdf", [CATALOG, pages, PAGE, _stream(TEXT), FONT, back])


def cyclic_outline_pdf(folder: Path) -> Path:
    """An outline whose entries follow each other in a circle."""
    catalog = b"<< /Type /Catalog /Pages 2 0 R /Outlines 6 0 R >>"
    outline = b"<< /Type /Outlines /First 7 0 R /Last 8 0 R /Count 2 >>"
    entry = b"<< /Title (Round) /Parent 6 0 R /Next %d 0 R /First %d 0 R /Dest [3 0 R /Fit] >>"
    objects = [catalog, PAGES, PAGE, _stream(TEXT), FONT, outline, entry % (8, 8), entry % (7, 7)]
    return _write(folder / "outline.pdf", objects)


def cyclic_xref_pdf(folder: Path) -> Path:
    """A cross-reference table that names itself as the one before it."""
    path = plain_pdf(folder)
    data = path.read_bytes()
    start = int(data.rsplit(b"startxref\n", 1)[1].split()[0])
    data = data.replace(b"/Root 1 0 R", b"/Prev %d /Root 1 0 R" % start)
    path.write_bytes(data)
    return path


def deep_array_pdf(folder: Path) -> Path:
    """Brackets nested a million deep where the catalog should be."""
    objects = [b"<< /Type /Catalog /Pages 2 0 R /Deep %s%s >>" % (b"[" * MIB, b"]" * MIB), PAGES, PAGE]
    return _write(folder / "deep.pdf", [*objects, _stream(TEXT), FONT])


def huge_page_pdf(folder: Path) -> Path:
    """A page of seven hundred kilometres without text, which would be drawn for OCR."""
    page = PAGE.replace(BOX, b"/MediaBox [0 0 2000000000 2000000000]")
    return _write(folder / "hugepage.pdf", [CATALOG, PAGES, page, _stream(b"0 0 10 10 re f"), FONT])


def huge_image_pdf(folder: Path) -> Path:
    """A page that is one picture of 100,000 by 100,000 pixels."""
    page = PAGE.replace(b"/Font", b"/XObject << /X 6 0 R >> /Font")
    described = b"/Type /XObject /Subtype /Image /Width 100000 /Height 100000 /ColorSpace /DeviceGray "
    image = _stream(_deflated(b"\xff", 512), described + b"/BitsPerComponent 8 /Filter /FlateDecode")
    return _write(folder / "hugeimage.pdf", [CATALOG, PAGES, page, _stream(b"300 0 0 300 0 0 cm /X Do"), FONT, image])


def garbage_pdf(folder: Path) -> Path:
    """A PDF's first line, then noise."""
    path = folder / "garbage.pdf"
    path.write_bytes(b"%PDF-1.7\n" + random.Random(3).randbytes(200_000))
    return path


def truncated_pdf(folder: Path, percent: int) -> Path:
    """The first part of a PDF of forty pages."""
    path = plain_pdf(folder, pages=40)
    data = path.read_bytes()
    path.write_bytes(data[: len(data) * percent // 100])
    return path


def _book(pages: int) -> list[bytes]:
    """Catalog, tree and content first, then the pages."""
    kids = b" ".join(b"%d 0 R" % number for number in range(5, 5 + pages))
    tree = b"<< /Type /Pages /Count %d /Kids [%s] >>" % (pages, kids)
    page = b"<< /Type /Page /Parent 2 0 R %s /Contents 3 0 R /Resources << /Font << /F 4 0 R >> >> >>" % BOX
    return [CATALOG, tree, _stream(TEXT), FONT, *[page] * pages]


def _form(content: bytes, following: int) -> bytes:
    resources = b"/Resources << /XObject << /X %d 0 R >> /Font << /F 5 0 R >> >>" % following
    return _stream(content, b"/Type /XObject /Subtype /Form /BBox [0 0 300 300] " + resources)


def _stream(data: bytes, entries: bytes = b"") -> bytes:
    return b"<< /Length %d %s >>\nstream\n%s\nendstream" % (len(data), entries, data)


def _deflated(pattern: bytes, mebibytes: int) -> bytes:
    """What zlib makes of a pattern repeated that often; packed once and repeated, the checksum is left out.

    Readers of PDF take a stream without its checksum.
    """
    packer = zlib.compressobj(9, zlib.DEFLATED, -15)
    block = packer.compress(pattern * (MIB // len(pattern))) + packer.flush(zlib.Z_FULL_FLUSH)
    return b"\x78\xda" + block * mebibytes + b"\x03\x00"


def _write(path: Path, objects: Sequence[bytes]) -> Path:
    """Write the objects as a PDF; the first one is the catalog."""
    out, offsets = bytearray(b"%PDF-1.7\n"), []
    for number, body in enumerate(objects, 1):
        offsets.append(len(out))
        out += b"%d 0 obj\n%s\nendobj\n" % (number, body)
    start = len(out)
    out += b"xref\n0 %d\n0000000000 65535 f \n" % (len(offsets) + 1)
    out += b"".join(b"%010d 00000 n \n" % offset for offset in offsets)
    out += b"trailer\n<< /Size %d /Root 1 0 R >>\nstartxref\n%d\n%%%%EOF\n" % (len(offsets) + 1, start)
    path.write_bytes(out)
    return path
