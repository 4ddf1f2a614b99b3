"""The text of a document on its way: as extract read it, OCR's pages put in, as a workflow's own stages changed it."""

from __future__ import annotations

from functools import cached_property

from extractors import finish
from extractors.document import Document, Page
from pipeline.catalog.work.attempts import BatchedAttempt
from pipeline.catalog.work.ledger import Claim
from pipeline.services import Services
from pipeline.spool import read_json
from pipeline.stages.artifacts import batch_prefix, load_document, text_key
from pipeline.stages.extract import title_of
from pipeline.stages.kept_texts import keep_text
from pipeline.types import About

__all__ = ["Texts", "about"]


class Texts:
    """The documents of a batch as the step of a claim finds them."""

    def __init__(self, services: Services, claim: Claim) -> None:
        self._services = services
        self._batch_id = claim.batch_id
        keys = claim.plan.texts
        place = keys.index(claim.stage)
        self._before = keys[place - 1] if place else ""
        self._read: dict[str, Document] = {}

    def load(self, one: BatchedAttempt) -> Document:
        """The document, as the step before left it.

        Raises:
            Empty: neither its text layer nor OCR gave any text.
            FileNotFoundError: the artifact is gone.
        """
        document = load_document(self._services.spool, text_key(self._batch_id, one.attempt_id, self._before))
        if self._before:
            return document
        pages, warnings = self._recognised
        self._read = {one.attempt_id: finish(document, pages, warnings) if pages else document}
        return self._read[one.attempt_id]

    def keep(self, one: BatchedAttempt) -> None:
        """Keep the text that was loaded last for the next time, if it is as it was read."""
        if one.attempt_id in self._read:
            keep_text(self._services, one, self._read[one.attempt_id])

    @cached_property
    def _recognised(self) -> tuple[list[Page], list[str]]:
        """What OCR read: pages and warnings; a batch with any holds one document."""
        spool, prefix = self._services.spool, batch_prefix(self._batch_id)
        names = [name for name in spool.names(prefix) if name.startswith("ocr-")]
        groups = [read_json(spool, f"{prefix}/{name}") for name in names]
        pages = [Page(**page) for group in groups for page in group["pages"]]
        return pages, [warning for group in groups for warning in group["warnings"]]


def about(one: BatchedAttempt, document: Document) -> About:
    """The facts of a document as its chunks repeat them."""
    return About(
        document_id=one.document_id,
        version_id=one.version_id,
        source=one.source,
        title=title_of(document, one.source),
        media_type=document.media_type,
        language=document.language,
        content_sha256=one.content_sha256,
        modified_at=one.modified_at,
        metadata=one.metadata or {},
        tags=one.tags,
    )
