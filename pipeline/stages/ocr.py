"""OCR: read one group of scanned pages of one document."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from extractors.document import Page
from extractors.errors import ExtractError, TimedOut
from pipeline.catalog import Connection
from pipeline.catalog.work import attempt_counters, attempts, batch_documents, turns
from pipeline.catalog.work.batch_documents import BatchedAttempt
from pipeline.catalog.work.ledger import Claim
from pipeline.services import Services
from pipeline.settings.room import LATER, check_room
from pipeline.spool import original_key, write_json
from pipeline.stages import ocr_budget
from pipeline.stages.artifacts import ocr_key
from pipeline.stages.done import Done
from pipeline.stages.extract import failure_of
from pipeline.stages.kept_ocr import kept_pages
from pipeline.stages.sandbox import Sandbox, Unwanted
from pipeline.stages.wanted import wanted

__all__ = ["work"]

TIMEOUT_HINT = "Split the file, or raise the setting `ocr_timeout_s`."


def work(services: Services, claim: Claim, sandbox: Sandbox) -> Done:
    """Read the group's pages; do nothing for a document that failed or was cancelled meanwhile.

    When the document's budget is spent, this task ends its OCR: the pages that are left stay unread.
    """
    with services.catalog.connect() as connection:
        current = batch_documents.running(connection, claim.batch_id)
    numbers: list[int] = claim.detail["pages"]
    if not current:
        return Done(lambda connection: turns.drop(connection, claim.batch_id, "ocr"))
    attempt, settings = current[0], services.settings
    kept = None if attempt.anew else kept_pages(services, attempt, numbers)
    if kept is not None:
        return _done(services, claim, attempt, *kept)
    if ocr_budget.is_spent(services, claim):
        return _done(services, claim, attempt, *ocr_budget.unread(services, claim), last=True)
    try:
        with services.spool.local(original_key(attempt.content_sha256, attempt.source)) as path:
            timeout_s = ocr_budget.limit_s(settings, len(numbers))
            is_wanted = wanted(services, attempt.attempt_id)
            pages, warnings = sandbox.ocr(path, numbers, services.options_of(attempt.ocr), timeout_s, is_wanted)
        if warnings:
            check_room(settings, LATER)  # a page may have failed for want of room
    except Unwanted:
        return Done(lambda _connection: None)
    except (ExtractError, FileNotFoundError, PermissionError) as error:
        check_room(settings, LATER)
        failure = failure_of(services, "ocr", error, attempt.ocr)
        if isinstance(error, TimedOut):
            failure = replace(failure, problem=replace(failure.problem, hint=TIMEOUT_HINT))
        return Done(lambda connection: attempts.fail(connection, {attempt.attempt_id: failure}))
    return _done(services, claim, attempt, pages, warnings)


def _done(
    services: Services,
    claim: Claim,
    attempt: BatchedAttempt,
    pages: Sequence[Page],
    warnings: Sequence[str],
    *,
    last: bool = False,
) -> Done:
    """Write the pages for `chunk`; with `last`, no other task of the document's OCR begins."""
    read = {"pages": [page.to_json() for page in pages], "warnings": list(warnings)}
    write_json(services.spool, ocr_key(claim.batch_id, claim.part), read)

    def record(connection: Connection) -> None:
        attempt_counters.add(connection, {attempt.attempt_id: {"pages_done": len(pages)}})
        if last:
            turns.drop(connection, claim.batch_id, "ocr")

    return Done(record, facts={"pages": len(pages)})
