"""Makes the sample documents with `python samples/make.py [FOLDER]`.

One file per format and kind of damage; planted.toml holds the expected results. Running it again writes the
same bytes, as long as pypdf, Pillow and pdfium stay the same.
"""

from __future__ import annotations

import io
import random
import sys
import wave
from collections.abc import Callable
from pathlib import Path

import texts
from PIL import Image, ImageOps
from pypdf import PdfWriter
from pypdf.constants import PageLabelStyle
from pypdf.generic import ArrayObject, ByteStringObject
from typeset import join, pdf, rendered, scan, scanned_pdf
from word import handbook

PASSWORD = "docrelay-sample"
ORIENTATION_TAG, LIES_ON_ITS_SIDE = 0x0112, 6


def annual_report() -> bytes:
    """A report with Roman and Arabic page labels and an outline."""
    writer = join([pdf(texts.REPORT)])
    front = texts.REPORT_LABELS
    writer.set_page_label(0, front - 1, PageLabelStyle.LOWERCASE_ROMAN)
    writer.set_page_label(front, len(texts.REPORT) - 1, PageLabelStyle.DECIMAL, start=1)
    for number, page in enumerate(texts.REPORT[front:], front):
        writer.add_outline_item(title=page.splitlines()[0].removeprefix("# "), page_number=number)
    writer.add_metadata({"/Title": "Annual Report 2025", "/Author": "Ilse Brandt-Öhler"})
    return _written(writer)


def project_file() -> bytes:
    """Typed and scanned pages in turn."""
    typed, scanned = texts.MIXED[::2], texts.MIXED[1::2]
    parts = [part for pair in zip(typed, scanned, strict=True) for part in (pdf([pair[0]]), scanned_pdf([pair[1]], 31))]
    return _written(join(parts))


def encrypted(pages: tuple[str, ...], user_password: str) -> bytes:
    """A PDF under RC4; an empty user password lets everyone read and only the owner change it."""
    writer = join([pdf(pages)])
    identifiers = ArrayObject([ByteStringObject(b"docrelay-samples")] * 2)
    writer._ID = identifiers  # the key depends on it, and a random one would change with every run
    writer.encrypt(user_password, "owner-" + PASSWORD, algorithm="RC4-128")
    writer._ID = identifiers
    return _written(writer)


def tiff(pages: tuple[str, ...]) -> bytes:
    """A fax-like TIFF of several pages."""
    first, *rest = [rendered(page).convert("1", dither=Image.Dither.NONE) for page in pages]
    return _image(first, "TIFF", compression="group4", dpi=(200, 200), save_all=True, append_images=rest)


def photo(text: str) -> bytes:
    """A JPEG whose pixels lie on their side and whose EXIF tag says so."""
    exif = Image.Exif()
    exif[ORIENTATION_TAG] = LIES_ON_ITS_SIDE
    turned = scan(text, 71).transpose(Image.Transpose.ROTATE_90)
    return _image(turned, "JPEG", quality=50, dpi=(200, 200), exif=exif)


def bitmap(text: str) -> bytes:
    """A BMP of one bit a pixel, white writing on black."""
    return _image(ImageOps.invert(_card(text)).convert("1", dither=Image.Dither.NONE), "BMP", dpi=(100, 100))


def clear(text: str) -> bytes:
    """A WebP whose ground is transparent."""
    card = _card(text)
    ink = Image.new("RGBA", card.size, "navy")
    ink.putalpha(ImageOps.invert(card))
    return _image(ink, "WEBP", lossless=True)


def animation(texts: tuple[str, ...]) -> bytes:
    """A GIF that shows one text after the other."""
    first, *rest = [_card(text).quantize(8) for text in texts]
    return _image(first, "GIF", save_all=True, append_images=rest, duration=2000, loop=0)


def sound() -> bytes:
    """A tenth of a second of noise in a WAV file."""
    stream = io.BytesIO()
    with wave.open(stream, "wb") as writer:
        writer.setnchannels(1)
        writer.setsampwidth(2)
        writer.setframerate(8000)
        writer.writeframes(random.Random(5).randbytes(1600))
    return stream.getvalue()


def _card(text: str) -> Image.Image:
    """A few lines of text: the upper quarter of a page, as small as OCR reads it well."""
    page = rendered(text, 100)
    return page.crop((0, 0, page.width, page.height // 4))


def _png(image: Image.Image) -> bytes:
    return _image(image.quantize(16), "PNG", dpi=(200, 200), optimize=True)


def _side(text: str) -> bytes:
    return _image(scan(text, 51).transpose(Image.Transpose.ROTATE_90), "JPEG", quality=50, dpi=(200, 200))


def _image(image: Image.Image, kind: str, **choices: object) -> bytes:
    stream = io.BytesIO()
    image.save(stream, kind, **choices)
    return stream.getvalue()


def _written(writer: PdfWriter) -> bytes:
    stream = io.BytesIO()
    writer.write(stream)
    return stream.getvalue()


DOCUMENTS: dict[str, Callable[[], bytes]] = {
    "annual_report.pdf": annual_report,
    "berth_card.bmp": lambda: bitmap(texts.BERTH_CARD),
    "blank_page.png": lambda: _png(Image.new("L", (583, 826), 250)),
    "crane_book_exif.jpg": lambda: photo(texts.CRANE_BOOK),
    "delivery_note_cp1252.txt": lambda: texts.DELIVERY.encode("cp1252"),
    "greeting_utf8.txt": lambda: texts.GREETING.encode(),
    "guest_book_utf32.txt": lambda: b"\0\0\xfe\xff" + texts.GUEST_BOOK.encode("utf-32-be"),
    "hauling_out_upside_down.png": lambda: _png(scan(texts.CHECKLIST, 61).rotate(180)),
    "inspection.tif": lambda: tiff(texts.INSPECTION),
    "invoice_wrong_suffix.txt": lambda: pdf([texts.INVOICE]),
    "letter_scan.pdf": lambda: scanned_pdf(texts.OFFER, 21),
    "letter_scan.png": lambda: _png(scan(texts.LETTER, 11)),
    "minutes_utf16.txt": lambda: b"\xff\xfe" + texts.MINUTES.encode("utf-16-le"),
    "open_day_transparent.webp": lambda: clear(texts.POSTER),
    "price_list_utf8_bom.txt": lambda: texts.PRICES.encode("utf-8-sig"),
    "project_file_mixed.pdf": project_file,
    "safety_notice_sideways.jpg": lambda: _side(texts.NOTICE),
    "salaries_encrypted.pdf": lambda: encrypted((texts.SALARIES,), PASSWORD),
    "slipway_sign.gif": lambda: animation(texts.SIGN),
    "sound.wav": sound,
    "staff_handbook.docx": handbook,
    "terms_owner_locked.pdf": lambda: encrypted(texts.TERMS, ""),
    "tide_sensor.md": lambda: texts.SENSOR.encode(),
    "truncated.pdf": lambda: pdf(texts.DAMAGED)[:2500],
    "zero_bytes.txt": lambda: b"",
}


def main(folder: Path) -> None:
    """Write every document into the folder."""
    folder.mkdir(parents=True, exist_ok=True)
    for name, build in DOCUMENTS.items():
        data = build()
        (folder / name).write_bytes(data)
        print(f"{len(data):>9,}  {name}")


if __name__ == "__main__":
    main(Path(sys.argv[1]) if len(sys.argv) > 1 else Path(__file__).parent / "documents")
