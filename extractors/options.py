"""`Options`: how files are read. Limits, engines, languages, as plain data that the caller passes."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

__all__ = ["OcrMode", "Options", "PdfEngine"]

PdfEngine = Literal["pdfium", "pypdf", "pypdf2"]

OcrMode = Literal["auto", "force", "off"]
"""Which pages are read by OCR: those whose text layer does not hold what is drawn, all, or none."""


@dataclass(frozen=True, slots=True)
class Options:
    """Limits and choices for one extraction.

    `passwords` are tried in order on encrypted files, after the empty one. `max_chars` bounds the
    extracted text, `max_pages` the pages of one file, `max_image_pixels` one decoded picture.
    `ocr_languages` are Tesseract's codes joined by "+". `ocr_timeout_s` bounds one page. `languages` are those in
    which texts are expected (ISO 639-1: "de"), and decide between encodings that fit equally well; () expects any.
    """

    pdf_engine: PdfEngine = "pdfium"
    passwords: tuple[str, ...] = ()
    max_bytes: int = 512 * 2**20
    max_pages: int = 20_000
    max_chars: int = 50_000_000
    max_image_pixels: int = 120_000_000
    ocr: OcrMode = "auto"
    ocr_languages: str = "deu+eng"
    ocr_dpi: int = 300
    ocr_timeout_s: float = 120.0
    languages: tuple[str, ...] = ()

    @classmethod
    def from_json(cls, data: dict[str, Any]) -> Options:
        """Make options from their fields as JSON has them, which knows no tuples."""
        fields: dict[str, Any] = {
            name: tuple(value) if isinstance(value, list) else value for name, value in data.items()
        }
        return cls(**fields)
