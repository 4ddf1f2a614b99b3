"""Pages that OCR read of documents that failed: with them a retry reads only the pages that are left.

    ocr/ab/abcd….pdf-<extraction>/<first page>-<last page>

Named by the content's SHA-256, the suffix, and how it was read, as kept texts are. A group of pages is used only for
the same group, and is kept only if none of its pages failed. They go when the document is completed or deleted, and
with the clean-up after a week.
"""

from __future__ import annotations

import zlib
from collections.abc import Sequence
from typing import Any

from extractors.document import Page
from pipeline.catalog.work import batch_documents
from pipeline.catalog.work.batch_documents import BatchedAttempt
from pipeline.services import Services
from pipeline.spool import read_json, write_json
from pipeline.stages.artifacts import batch_prefix
from pipeline.stages.kept_texts import TEXTS, text_key_of

__all__ = ["OCR", "keep_pages", "kept_pages"]

OCR = "ocr"
"""Folder of the spool for these pages."""


def kept_pages(
    services: Services, attempt: BatchedAttempt, numbers: Sequence[int]
) -> tuple[list[Page], list[str]] | None:
    """Return the pages with these numbers and their warnings, if an earlier attempt has read them; else None."""
    key = f"{_prefix(attempt.content_sha256, attempt.source, attempt.extraction)}/{_name(numbers)}"
    try:
        group = read_json(services.spool, key)
        pages, warnings = [Page.from_json(page) for page in group["pages"]], list(group["warnings"])
    except (FileNotFoundError, ValueError, KeyError, TypeError, zlib.error):
        return None
    return (pages, warnings) if [page.number for page in pages] == list(numbers) else None


def keep_pages(services: Services, batch_id: str) -> None:
    """Keep the pages that OCR has read in a batch that has ended, if its document failed; if it is completed, none."""
    spool, prefix = services.spool, batch_prefix(batch_id)
    names = [name for name in spool.names(prefix) if name.startswith("ocr-")]
    if not names:
        return
    with services.catalog.connect() as connection:
        ended = batch_documents.outcomes(connection, batch_id)
    for row in ended:  # a batch that has pages of OCR holds one document
        kept = _prefix(row.content_sha256, row.source, row.extraction)
        if row.state == "completed":
            spool.delete(kept)
        if row.state == "failed":
            groups = [read_json(spool, f"{prefix}/{name}") for name in names]
            for group in (group for group in groups if _is_read(group)):
                write_json(spool, f"{kept}/{_name([page['number'] for page in group['pages']])}", group)


def _is_read(group: dict[str, Any]) -> bool:
    return all(page["origin"] not in ("failed", "unread") for page in group["pages"])


def _prefix(content_sha256: str, source: str, extraction: str) -> str:
    return OCR + text_key_of(content_sha256, source, extraction).removeprefix(TEXTS)


def _name(numbers: Sequence[int]) -> str:
    return f"{numbers[0]}-{numbers[-1]}" if numbers else "none"
