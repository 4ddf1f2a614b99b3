"""Texts of a batch between extract and chunk, with the pages that OCR read and the changes of declared stages."""

from __future__ import annotations

from functools import cached_property

from extractors import finish
from extractors.document import Document, Page
from extractors.errors import OcrFailed
from pipeline.catalog.work.batch_documents import BatchedAttempt
from pipeline.catalog.work.ledger import Claim
from pipeline.services import Services
from pipeline.spool import read_json
from pipeline.stages.artifacts import batch_prefix, load_document, text_key
from pipeline.stages.extract import title_of
from pipeline.stages.kept_texts import keep_text
from pipeline.stages.ocr_budget import out_of_budget
from pipeline.types import About

__all__ = ["Texts", "about"]


class Texts:
    """The documents of a batch as the step before the claimed one wrote them."""

    def __init__(self, services: Services, claim: Claim) -> None:
        self._services = services
        self._batch_id = claim.batch_id
        keys = claim.plan.texts
        position = keys.index(claim.stage)
        self._before = keys[position - 1] if position else ""
        self._read: dict[str, Document] = {}

    def load(self, attempt: BatchedAttempt) -> Document:
        """Load a document as the step before wrote it.

        Raises:
            Empty: neither its text layer nor OCR gave any text.
            TimedOut: OCR read nothing within the document's budget, and there is no other text.
            FileNotFoundError: the artifact is missing.
        """
        document = load_document(self._services.spool, text_key(self._batch_id, attempt.attempt_id, self._before))
        if self._before:
            return document
        self._read = {attempt.attempt_id: self._finished(document)}
        return self._read[attempt.attempt_id]

    def _finished(self, document: Document) -> Document:
        pages, warnings = self._recognised
        try:
            return finish(document, pages, warnings, self._services.settings.options) if pages else document
        except OcrFailed as error:
            raise out_of_budget(warnings) or error from None

    def keep(self, attempt: BatchedAttempt) -> None:
        """Keep the text that was loaded last for later re-indexes, if no declared stage has changed it."""
        if attempt.attempt_id in self._read:
            keep_text(self._services, attempt, self._read[attempt.attempt_id])

    @cached_property
    def _recognised(self) -> tuple[list[Page], list[str]]:
        """Pages and warnings of OCR. A batch that has any holds one document."""
        spool, prefix = self._services.spool, batch_prefix(self._batch_id)
        names = [name for name in spool.names(prefix) if name.startswith("ocr-")]
        groups = [read_json(spool, f"{prefix}/{name}") for name in names]
        pages = [Page.from_json(page) for group in groups for page in group["pages"]]
        return pages, list(dict.fromkeys(warning for group in groups for warning in group["warnings"]))


def about(attempt: BatchedAttempt, document: Document) -> About:
    """Return the facts of a document that the payload of each of its chunks repeats."""
    return About(
        document_id=attempt.document_id,
        version_id=attempt.version_id,
        source=attempt.source,
        title=title_of(document, attempt.source),
        media_type=document.media_type,
        language=document.language,
        content_sha256=attempt.content_sha256,
        modified_at=attempt.modified_at,
        metadata=attempt.metadata or {},
        tags=attempt.tags,
    )
