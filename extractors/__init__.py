"""Files in, text out: one file per format behind a contract of one function.

    extract(path)            read a file; pages without a text layer come back `pending`
    ocr(path, numbers)       read those pages by OCR
    finish(document, pages)  put them in their places
    read(path)               all three, for a REPL
    formats()                what can be read

A leaf: no Celery, no Redis, no Qdrant, no settings. Importing it imports no format's library.
"""

from __future__ import annotations

from extractors.document import PAGE_SEPARATOR, Document, Page, Section
from extractors.errors import ExtractError
from extractors.options import Options
from extractors.reading import end_processes, extract, finish, ocr, read, reserve_terminals
from extractors.registry import Format, extractor, formats, renderer

__all__ = [
    "EXTRACTOR_VERSION",
    "PAGE_SEPARATOR",
    "Document",
    "ExtractError",
    "Format",
    "Options",
    "Page",
    "Section",
    "end_processes",
    "extract",
    "extractor",
    "finish",
    "formats",
    "ocr",
    "read",
    "renderer",
    "reserve_terminals",
]

EXTRACTOR_VERSION = "2"
"""Raise it when the same file yields another text: documents that were ingested before then count as outdated."""
