"""PDFs written by hand, object by object, for tests of the PDF engines."""

from __future__ import annotations

import zlib
from collections.abc import Sequence

__all__ = ["FONT", "PICTURE", "annotated", "at", "book", "pdf", "show"]

FONT = b"<< /Type /Font /Subtype /Type1 /BaseFont /Helvetica /Encoding /WinAnsiEncoding >>"
PICTURE = b"q 200 0 0 200 0 0 cm /I Do Q"


def show(*lines: str) -> bytes:
    """The operators that write lines under each other."""
    return b"BT /F 12 Tf 14 TL 20 150 Td " + b" ".join(b"(%s) Tj T*" % line.encode("cp1252") for line in lines) + b" ET"


def pdf(objects: Sequence[bytes], trailer: bytes = b"") -> bytes:
    """A file of these objects, numbered from 1; the first is the catalog."""
    body, offsets = b"%PDF-1.7\n", []
    for number, content in enumerate(objects, start=1):
        offsets.append(len(body))
        body += b"%d 0 obj\n%s\nendobj\n" % (number, content)
    table = b"".join(b"%010d 00000 n \n" % offset for offset in offsets)
    head = b"xref\n0 %d\n0000000000 65535 f \n" % (len(objects) + 1)
    end = b"trailer << /Size %d /Root 1 0 R %s >>\nstartxref\n%d\n%%%%EOF" % (len(objects) + 1, trailer, len(body))
    return body + head + table + end


def book(pages: Sequence[bytes], catalog: bytes = b"", extra: Sequence[bytes] = (), trailer: bytes = b"") -> bytes:
    """A file with one page of 200 x 200 points per content stream; `extra` objects follow from number 5.

    The font is /F, a grey picture /I. Pages are the objects after `extra`, two per page.
    """
    first = 5 + len(extra)
    kids = b" ".join(b"%d 0 R" % (first + 2 * index) for index in range(len(pages)))
    objects = [
        b"<< /Type /Catalog /Pages 2 0 R %s >>" % catalog,
        b"<< /Type /Pages /Count %d /Kids [%s] >>" % (len(pages), kids),
        FONT,
        _picture(),
        *extra,
    ]
    for index, content in enumerate(pages):
        objects += [_page(first + 2 * index + 1), b"<< /Length %d >>\nstream\n%s\nendstream" % (len(content), content)]
    return pdf(objects, trailer)


def at(x: float, y: float, text: str) -> bytes:
    """The operators that write a line at a place, in letters of 10 points."""
    return b"BT /F 10 Tf %d %d Td (%s) Tj ET " % (x, y, text.encode("cp1252"))


def annotated(content: bytes, *annotations: bytes, catalog: bytes = b"", extra: Sequence[bytes] = ()) -> bytes:
    """A page of 200 x 200 points with annotations, which are the objects from number 5; `extra` objects follow.

    All of them are fields of the form.
    """
    numbers = b" ".join(b"%d 0 R" % (5 + index) for index in range(len(annotations)))
    objects = [b"<< /Type /Annot %s >>" % annotation for annotation in annotations]
    form = b"/AcroForm << /Fields [%s] /DA (/F 9 Tf) >> " % numbers
    file = book([content], form + catalog, [*objects, *extra])
    # longer, so that readers rebuild the table of objects
    return file.replace(b"/MediaBox", b"/Annots [%s] /MediaBox" % numbers)


def _page(content: int) -> bytes:
    resources = b"<< /Font << /F 3 0 R >> /XObject << /I 4 0 R >> >>"
    return b"<< /Type /Page /Parent 2 0 R /MediaBox [0 0 200 200] /Contents %d 0 R /Resources %s >>" % (
        content,
        resources,
    )


def _picture() -> bytes:
    packed = zlib.compress(bytes([128]) * 64)
    kind = b"/Type /XObject /Subtype /Image /Width 8 /Height 8 /ColorSpace /DeviceGray /BitsPerComponent 8"
    return b"<< %s /Filter /FlateDecode /Length %d >>\nstream\n%s\nendstream" % (kind, len(packed), packed)
