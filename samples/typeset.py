"""Sets text on pages: a small PDF writer, and pages turned into scans.

Standard Helvetica in Windows-1252 is all that the samples need, and pdfium brings that font along, so
nothing here depends on the fonts of the machine.
"""

from __future__ import annotations

import io
import random
import textwrap
import time
from collections.abc import Iterable, Sequence

import pypdfium2
from PIL import Image
from pypdf import PdfReader, PdfWriter

__all__ = ["join", "pdf", "rendered", "scan", "scanned_pdf"]

WIDTH, HEIGHT = 420, 595  # A5 in points
MARGIN, SIZE, LEADING, COLUMNS = 40, 10, 14, 66
TITLE_SIZE = 15
EPOCH = time.gmtime(1735689600)  # 1 January 2025: the files shall not change from run to run


def pdf(pages: Sequence[str]) -> bytes:
    """Set each text on a page of its own; a line that starts with "# " is a title.

    The page tree and the catalog come last, so that a cut-off file has neither.
    """
    count = len(pages)
    objects = [b"<< /Type /Font /Subtype /Type1 /BaseFont /Helvetica /Encoding /WinAnsiEncoding >>"]
    tree = 2 * count + 2
    for index, text in enumerate(pages):
        content = _content(text)
        objects.append(b"<< /Length %d >>\nstream\n%s\nendstream" % (len(content), content))
        objects.append(
            b"<< /Type /Page /Parent %d 0 R /MediaBox [0 0 %d %d] /Contents %d 0 R "
            b"/Resources << /Font << /F 1 0 R >> >> >>" % (tree, WIDTH, HEIGHT, 2 * index + 2)
        )
    kids = b" ".join(b"%d 0 R" % (2 * index + 3) for index in range(count))
    objects.append(b"<< /Type /Pages /Count %d /Kids [%s] >>" % (count, kids))
    objects.append(b"<< /Type /Catalog /Pages %d 0 R >>" % tree)
    return _file(objects)


def rendered(text: str, dpi: int = 200) -> Image.Image:
    """Draw one page of text in grey."""
    document = pypdfium2.PdfDocument(pdf([text]))
    image: Image.Image = document[0].render(scale=dpi / 72, grayscale=True).to_pil()
    document.close()
    return image.convert("L")


def scan(text: str, seed: int, degrees: float = 0.6, dpi: int = 200) -> Image.Image:
    """Draw one page as a desktop scanner would bring it: a little askew, grey paper, specks."""
    image = rendered(text, dpi).rotate(degrees, Image.Resampling.BICUBIC, fillcolor=255)
    image = image.point([28 + level * 216 // 255 for level in range(256)])
    source = random.Random(seed)
    for _ in range(250):
        spot = (source.randrange(image.width), source.randrange(image.height))
        image.putpixel(spot, source.randrange(90, 200))
    return image


def scanned_pdf(texts: Iterable[str], seed: int) -> bytes:
    """Put scans into a PDF that has no text layer."""
    first, *rest = [scan(text, seed + index, 0.5 - 0.3 * index) for index, text in enumerate(texts)]
    stream = io.BytesIO()
    dates = {"creationDate": EPOCH, "modDate": EPOCH}
    first.save(stream, "PDF", resolution=200, save_all=True, append_images=rest, quality=45, **dates)
    return stream.getvalue()


def join(parts: Iterable[bytes]) -> PdfWriter:
    """Put the pages of several PDFs one after the other."""
    writer = PdfWriter()
    for part in parts:
        for page in PdfReader(io.BytesIO(part)).pages:
            writer.add_page(page)
    return writer


def _lines(text: str) -> Iterable[tuple[int, str]]:
    for line in text.strip().splitlines():
        if line.startswith("# "):
            yield TITLE_SIZE, line[2:]
        else:
            yield from ((SIZE, part) for part in textwrap.wrap(line, COLUMNS, break_on_hyphens=False) or [""])


def _content(text: str) -> bytes:
    drawn, height = [], HEIGHT - MARGIN - TITLE_SIZE
    for size, line in _lines(text):
        escaped = line.encode("cp1252").replace(b"\\", rb"\\").replace(b"(", rb"\(").replace(b")", rb"\)")
        drawn.append(b"BT /F %d Tf %d %d Td (%s) Tj ET" % (size, MARGIN, height, escaped))
        height -= LEADING + size - SIZE
    if height < MARGIN // 2:
        raise ValueError(f"too much text for one page: {text[:40]!r}")
    return b"\n".join(drawn)


def _file(objects: Sequence[bytes]) -> bytes:
    out, offsets = bytearray(b"%PDF-1.7\n%\xe2\xe3\xcf\xd3\n"), []
    for number, body in enumerate(objects, 1):
        offsets.append(len(out))
        out += b"%d 0 obj\n%s\nendobj\n" % (number, body)
    start = len(out)
    table = b"".join(b"%010d 00000 n \n" % offset for offset in offsets)
    out += b"xref\n0 %d\n0000000000 65535 f \n%s" % (len(objects) + 1, table)
    out += b"trailer\n<< /Size %d /Root %d 0 R >>\nstartxref\n%d\n%%%%EOF\n" % (len(objects) + 1, len(objects), start)
    return bytes(out)
