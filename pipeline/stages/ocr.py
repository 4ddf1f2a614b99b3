"""OCR: read one group of scanned pages of one document."""

from __future__ import annotations

from dataclasses import replace

from extractors.errors import ExtractError, TimedOut
from pipeline.catalog import Connection
from pipeline.catalog.work import attempt_counters, attempts, batch_documents
from pipeline.catalog.work.ledger import Claim
from pipeline.services import Services
from pipeline.spool import original_key, write_json
from pipeline.stages.artifacts import ocr_key
from pipeline.stages.done import Done
from pipeline.stages.extract import failure_of
from pipeline.stages.sandbox import Sandbox, Unwanted
from pipeline.stages.wanted import wanted

__all__ = ["work"]

GRACE_S = 10.0
TIMEOUT_HINT = "Split the file, or raise the setting `ocr_timeout_s`."


def work(services: Services, claim: Claim, sandbox: Sandbox) -> Done:
    """Read the group's pages; do nothing for a document that failed or was cancelled meanwhile."""
    with services.catalog.connect() as connection:
        current = batch_documents.running(connection, claim.batch_id)
    numbers: list[int] = claim.detail["pages"]
    if not current:
        return Done(lambda _connection: None)
    attempt, settings = current[0], services.settings
    try:
        with services.spool.local(original_key(attempt.content_sha256, attempt.source)) as path:
            # Each page has its own limit; this one ends what hangs elsewhere.
            timeout_s = settings.ocr_timeout_s * len(numbers) + GRACE_S
            is_wanted = wanted(services, attempt.attempt_id)
            pages, warnings = sandbox.ocr(path, numbers, services.options_of(attempt.ocr), timeout_s, is_wanted)
    except Unwanted:
        return Done(lambda _connection: None)
    except (ExtractError, FileNotFoundError, PermissionError) as error:
        failure = failure_of(services, "ocr", error, attempt.ocr)
        if isinstance(error, TimedOut):
            failure = replace(failure, problem=replace(failure.problem, hint=TIMEOUT_HINT))
        return Done(lambda connection: attempts.fail(connection, {attempt.attempt_id: failure}))
    read = {"pages": [page.to_json() for page in pages], "warnings": warnings}
    write_json(services.spool, ocr_key(claim.batch_id, claim.part), read)

    def record(connection: Connection) -> None:
        attempt_counters.add(connection, {attempt.attempt_id: {"pages_done": len(numbers)}})

    return Done(record, facts={"pages": len(numbers)})
