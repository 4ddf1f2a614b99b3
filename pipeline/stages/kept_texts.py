"""Kept texts: with them another model or chunk size needs neither the file nor OCR again.

    texts/ab/abcd….pdf-<extraction>    the whole document, pages read by OCR in their places

Named by the content's SHA-256, the suffix, which hints at the format, and how it was read.
"""

from __future__ import annotations

import zlib

import structlog

from extractors.document import Document
from pipeline.catalog.work.batch_documents import BatchedAttempt
from pipeline.services import Services
from pipeline.spool import original_key, read_json, write_json

__all__ = ["TEXTS", "keep_text", "kept_text", "known_text", "text_key_of"]

log = structlog.get_logger()

TEXTS = "texts"
"""Folder of the spool for kept texts."""


def text_key_of(content_sha256: str, source: str, extraction: str) -> str:
    """Return the spool key of the text of this content, read by this extraction."""
    return f"{TEXTS}/{original_key(content_sha256, source).partition('/')[2]}-{extraction}"


def known_text(services: Services, attempt: BatchedAttempt) -> Document | None:
    """Return the kept text of a document, read in the way that its version asks for.

    Returns:
        None if none is kept, or if the file is there and must be read again, or if it has pages that were not read.
    """
    is_there = services.spool.exists(original_key(attempt.content_sha256, attempt.source))
    if attempt.anew and is_there:
        return None
    document = kept_text(services, attempt.content_sha256, attempt.source, attempt.extraction)
    return None if document is not None and is_there and not _is_whole(document) else document


def kept_text(services: Services, content_sha256: str, source: str, extraction: str) -> Document | None:
    """Return the kept text of this content, read by this extraction; None if none is kept."""
    return _kept(services, text_key_of(content_sha256, source, extraction))


def _kept(services: Services, key: str) -> Document | None:
    try:
        return Document.from_json(read_json(services.spool, key))
    except FileNotFoundError:
        return None
    except (ValueError, KeyError, TypeError, zlib.error):
        log.warning("artifact.damaged", key=key)
        services.spool.delete(key)
        return None


def keep_text(services: Services, attempt: BatchedAttempt, document: Document) -> None:
    """Keep the text of a document for later re-indexes, if it was read in the way that its version asks for."""
    if not services.settings.keep_texts or attempt.extraction != services.extraction_of(attempt.ocr):
        return
    key = text_key_of(attempt.content_sha256, attempt.source, attempt.extraction)
    before = None if attempt.anew else _kept(services, key)
    # Renewed: no other version may have needed it until now, and a clean-up may be about to remove it.
    if before is None or not _is_whole(before) or not services.spool.renew(key):
        write_json(services.spool, key, document.to_json())


def _is_whole(document: Document) -> bool:
    return all(page.origin != "unread" for page in document.pages)
