"""A4 pages for tests of what is drawn on a page: pictures of writing, photographs, outlines, stamps, text layers."""

from __future__ import annotations

import random
import zlib
from collections.abc import Sequence

from pdf_builder import FONT, pdf
from PIL import Image, ImageDraw, ImageFilter, ImageFont

__all__ = ["HEIGHT", "LETTER", "WIDTH", "lines_of_text", "outlined", "photograph", "placed", "sheet", "writing"]

WIDTH, HEIGHT = 595, 842
"""Points of an A4 page."""
LETTER = [
    "Harbour office of Kestrel Quay",
    "Lease of the boat shed number seven",
    "The tenant takes the boat shed from the first of April",
    "and keeps the slipway free of ice and weed all year.",
    "The rent of 640 euros is due on the third working day.",
    "Repairs of the roof and of the doors are the owner's.",
    "One electric winch, serial number WX-88213, is let with it.",
    "Two mooring cradles of galvanised steel stand in the yard.",
]


def writing(lines: Sequence[str] = LETTER, size: tuple[int, int] = (1240, 1754), height: int = 38) -> Image.Image:
    """A picture of typed lines; 1240 x 1754 pixels are A4 at 150 dpi."""
    image = Image.new("L", size, 250)
    draw, font = ImageDraw.Draw(image), ImageFont.load_default(height)
    for number, line in enumerate(lines):
        draw.text((size[0] // 12, size[1] // 12 + number * height * 1.8), line, fill=20, font=font)
    return image


def photograph(size: tuple[int, int] = (620, 877), seed: int = 1) -> Image.Image:
    """Many soft shapes of all sizes and greys over each other, as in a picture of a landscape."""
    chance, image = random.Random(seed), Image.new("L", size, 128)
    draw = ImageDraw.Draw(image)
    for _ in range(2500):
        x, y = chance.uniform(0, size[0]), chance.uniform(0, size[1])
        radius = min(size[0] / 4, 4 / chance.uniform(0.02, 1))
        draw.ellipse((x - radius, y - radius, x + radius, y + radius), fill=chance.randrange(256))
    return image.filter(ImageFilter.GaussianBlur(0.7))


def lines_of_text(
    count: int, top: int = 800, words: str = "The pump is checked every week and oiled each month"
) -> bytes:
    """The operators that write lines of 52 characters at 11 points, from this height down."""
    shown = b" ".join(b"(%s %d) Tj T*" % (words.encode("cp1252"), number) for number in range(count))
    return b"BT /F 11 Tf 14 TL 60 %d Td %s ET" % (top, shown)


def placed(number: int, left: float, bottom: float, width: float, height: float) -> bytes:
    """The operators that draw a picture in this place."""
    return b"q %f 0 0 %f %f %f cm /P%d Do Q" % (width, height, left, bottom, number)


def outlined(lines: Sequence[str], top: int = 760) -> bytes:
    """The operators that fill the shapes of these lines' letters, each letter as a path of its own."""
    font, paths = ImageFont.load_default(24), []
    for row, line in enumerate(lines):
        for column, letter in enumerate(line):
            paths.append(_shape(letter, font, 60 + column * 7.5, top - row * 18))
    return b"\n".join(paths)


def _shape(letter: str, font: ImageFont.FreeTypeFont | ImageFont.ImageFont, left: float, top: float) -> bytes:
    mask = Image.new("1", (24, 32))
    ImageDraw.Draw(mask).text((0, 0), letter, fill=1, font=font)
    dots = [(x, y) for y in range(mask.height) for x in range(mask.width) if mask.getpixel((x, y))]
    squares = [b"%.2f %.2f .52 .52 re" % (left + x / 2, top - y / 2) for x, y in dots]
    return b" ".join([*squares, b"f"]) if squares else b""


def sheet(
    content: bytes, pictures: Sequence[Image.Image] = (), stamps: Sequence[bytes] = (), form: bytes = b""
) -> bytes:
    """A file of one A4 page; its pictures are /P0 and so on, the font is /F, the form XObject with `form` is /X.

    Each of `stamps` is the appearance of a stamp of 300 x 100 points, drawn at (100, 400).
    """
    first = 7
    names = b" ".join(b"/P%d %d 0 R" % (number, first + number) for number in range(len(pictures)))
    resources = b"<< /Font << /F 3 0 R >> /XObject << /X 6 0 R %s >> >>" % names
    inner = b"<< /Font << /F 3 0 R >> /XObject << %s >> >>" % names
    after = first + len(pictures)
    annots = b" ".join(b"%d 0 R" % (after + 2 * number) for number in range(len(stamps)))
    page = b"<< /Type /Page /Parent 2 0 R /MediaBox [0 0 %d %d] /Contents 5 0 R /Resources %s /Annots [%s] >>"
    objects = [
        b"<< /Type /Catalog /Pages 2 0 R >>",
        b"<< /Type /Pages /Count 1 /Kids [4 0 R] >>",
        FONT,
        page % (WIDTH, HEIGHT, resources, annots),
        _stream(b"", content),
        _stream(b"/Type /XObject /Subtype /Form /BBox [0 0 %d %d] /Resources %s" % (WIDTH, HEIGHT, inner), form),
        *map(_picture, pictures),
    ]
    for number, stamp in enumerate(stamps):
        look = b"/Type /Annot /Subtype /Stamp /F 4 /Rect [100 400 400 500] /AP << /N %d 0 R >>" % (
            after + 2 * number + 1
        )
        drawn = _stream(b"/Type /XObject /Subtype /Form /BBox [0 0 300 100] /Resources %s" % inner, stamp)
        objects += [b"<< %s >>" % look, drawn]
    return pdf(objects)


def _picture(image: Image.Image) -> bytes:
    kind = b"/Type /XObject /Subtype /Image /ColorSpace /DeviceGray /BitsPerComponent 8"
    return _stream(b"%s /Width %d /Height %d" % (kind, *image.size), image.convert("L").tobytes())


def _stream(entries: bytes, data: bytes) -> bytes:
    packed = zlib.compress(data, 1)
    return b"<< %s /Filter /FlateDecode /Length %d >>\nstream\n%s\nendstream" % (entries, len(packed), packed)
