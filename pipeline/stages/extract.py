"""Extract: read the files of a batch. A document with scanned pages leaves the batch and continues alone."""

from __future__ import annotations

import time
import uuid
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import PurePath

import structlog

from extractors.document import Document, Page
from extractors.errors import Corrupt, Empty, Encrypted, ExtractError, TooLarge, Unsupported
from extractors.options import OcrMode
from extractors.text.extract import document_of_text
from pipeline.catalog import Connection
from pipeline.catalog.database.connection import writing
from pipeline.catalog.documents.versions import describe_versions
from pipeline.catalog.work import attempt_counters, attempts, batch_documents, batches, turns
from pipeline.catalog.work.batch_documents import BatchedAttempt
from pipeline.catalog.work.failures import Failure
from pipeline.catalog.work.ledger import Claim
from pipeline.errors import Unreadable
from pipeline.errors.problem import Problem, problem_of
from pipeline.names import TEXT
from pipeline.services import Services
from pipeline.settings.room import LATER, check_room, full_disk
from pipeline.spool import original_key, write_json
from pipeline.stages.artifacts import kept_document, text_key
from pipeline.stages.done import Done, FanOut, OcrFanOut
from pipeline.stages.kept_texts import known_text
from pipeline.stages.receipt import sentences
from pipeline.stages.sandbox import NoRoom, Sandbox, Unwanted
from pipeline.stages.shares import share
from pipeline.stages.wanted import wanted

__all__ = ["page_groups", "title_of", "work"]

log = structlog.get_logger()

GONE = "The copy of the file that intake made is gone."
GONE_HINT = "Ingest the file again."
NO_ROOM_HINT = "Make room on the disk, or repair it, then run: docrelay failures retry"

PERMANENT = (Corrupt, Empty, Encrypted, TooLarge, Unsupported)
"""Errors of the file itself. A crash, a time-out or a missing language may not happen the next time."""

FLUSH_S = 0.5
"""Seconds between two writes of the progress within a batch."""

Pages = dict[str, dict[str, int]]
"""Counts of pages by attempt id and kind."""


@dataclass
class ReadResults:
    """Results of the batch so far: failures and scanned pages by attempt id, catalog facts by version id."""

    failed: dict[str, Failure] = field(default_factory=dict)
    scanned: dict[str, list[list[int]]] = field(default_factory=dict)
    facts: dict[str, dict[str, object]] = field(default_factory=dict)
    files: int = 0


def work(services: Services, claim: Claim, sandbox: Sandbox) -> Done:
    """Read every document of the batch that is not read yet."""
    with services.catalog.connect() as connection:
        current = batch_documents.running(connection, claim.batch_id)
    read, pages, flushed = ReadResults(), Pages(), time.monotonic()
    for attempt in current:
        pages[attempt.attempt_id] = _read_one(services, claim, sandbox, attempt, read)
        if time.monotonic() - flushed > FLUSH_S:
            _flush(services, claim.job_id, pages, read)
            pages, flushed = {}, time.monotonic()
    return _done(services, claim, current, pages, read)


def page_groups(numbers: Sequence[int], size: int) -> list[list[int]]:
    """Split page numbers into groups of at most `size`, in order."""
    return [list(numbers[start : start + size]) for start in range(0, len(numbers), size)]


def title_of(document: Document, source: str) -> str:
    """Return the document's title, or the name of its file."""
    return document.metadata.get("title", "").strip() or PurePath(source).name


def _read_one(
    services: Services, claim: Claim, sandbox: Sandbox, attempt: BatchedAttempt, read: ReadResults
) -> dict[str, int]:
    """Read one document into the results; its counts of pages, empty if it was not read."""
    is_wanted = wanted(services, attempt.attempt_id)
    if not is_wanted():  # cancelled while the documents before it were read
        return {}
    try:
        document, was_read = _text_of(services, claim, sandbox, attempt, is_wanted)
    except (ExtractError, FileNotFoundError, PermissionError) as error:
        check_room(services.settings, LATER)  # a reader may have failed for want of room
        read.failed[attempt.attempt_id] = failure_of(services, "extract", error, attempt.ocr)
        return {}
    except Unwanted:
        return {}
    except NoRoom as error:
        if not claim.last_try or full_disk(services.settings, LATER) is not None:
            raise
        # Only this file may be unreadable on the disk.
        problem = Problem("unavailable", f"It cannot be read: {error}.", NO_ROOM_HINT, transient=True)
        read.failed[attempt.attempt_id] = Failure("extract", problem)
        return {}
    read.files += was_read
    read.facts[attempt.version_id] = _facts(services, claim, attempt, document, was_read)
    if document.pending:
        read.scanned[attempt.attempt_id] = page_groups(document.pending, services.settings.ocr_group_pages)
    total, scanned = len(document.pages), len(document.pending)
    return {"pages_total": total, "pages_done": total - scanned, "pages_scanned": scanned}


def _facts(
    services: Services, claim: Claim, attempt: BatchedAttempt, document: Document, was_read: bool
) -> dict[str, object]:
    """The facts of a document for its version."""
    facts = describe(document, attempt.source)
    if was_read:
        # The version may name older extractors, whose text is not kept any more.
        facts["extraction"] = services.extraction_of(attempt.ocr)
    if claim.plan.documents:
        # A declared stage may remove text that the title holds.
        del facts["title"]
    return facts


def _text_of(
    services: Services, claim: Claim, sandbox: Sandbox, attempt: BatchedAttempt, is_wanted: Callable[[], bool]
) -> tuple[Document, bool]:
    """The text of a document, which is in the spool then, and whether its file was read for it."""
    key = text_key(claim.batch_id, attempt.attempt_id)
    document = kept_document(services.spool, key)
    if document is not None:
        return document, False
    known = known_text(services, attempt)
    document = known if known is not None else _extract(services, sandbox, attempt, is_wanted)
    write_json(services.spool, key, document.to_json())
    return document, known is None


def _extract(services: Services, sandbox: Sandbox, attempt: BatchedAttempt, is_wanted: Callable[[], bool]) -> Document:
    """Read the copy of a file in the sandbox. A text record is a text already: no reader has to guess its format."""
    with services.spool.local(original_key(attempt.content_sha256, attempt.source)) as path:
        if attempt.source.startswith(TEXT):
            return document_of_text(path.read_bytes().decode("utf-8", "replace"))
        options = services.options_of(attempt.ocr)
        return sandbox.extract(path, options, services.settings.extract_timeout_s, is_wanted)


def failure_of(services: Services, stage: str, error: ExtractError | OSError, ocr: OcrMode | None) -> Failure:
    """Return the failure of an unreadable file; if reading it again the same way would fail again, it says so."""
    if isinstance(error, OSError):
        return Failure(stage, problem_of(Unreadable(GONE, GONE_HINT)))
    reading = services.reading_of(ocr) if isinstance(error, PERMANENT) else None
    return Failure(stage, problem_of(error), reading)


def describe(document: Document, source: str) -> dict[str, object]:
    """Return the facts of a document for the catalog, with its counts of pages."""
    origins = [page.origin for page in document.pages]
    return {
        "media_type": document.media_type,
        "title": title_of(document, source),
        "pages_text": origins.count("text"),
        "pages_ocr": origins.count("ocr"),
        "pages_empty": origins.count("empty"),
        "pages_failed": origins.count("failed") + origins.count("unread"),
        "pages_unread": origins.count("unread"),
        "ocr_confidence": _mean_confidence(document.pages),
        **sentences(document),
    }


def _mean_confidence(pages: Sequence[Page]) -> float | None:
    """The mean of the confidence of pages that OCR has read; None without words of OCR."""
    known = [page.confidence for page in pages if page.origin == "ocr" and page.confidence is not None]
    return sum(known) / len(known) if known else None


def _flush(services: Services, job_id: str, pages: Pages, read: ReadResults) -> None:
    """Record progress, so that a file that failed is not read again if this task starts again."""
    with writing(services.catalog, durable=False) as connection:
        # The extraction is known only now: another start of the task would find only the text.
        describe_versions(connection, read.facts)
        attempt_counters.set_pages(connection, pages)
        attempts.fail(connection, read.failed)
    services.announce(job_id)


def _done(services: Services, claim: Claim, current: Sequence[BatchedAttempt], pages: Pages, read: ReadResults) -> Done:
    # Each scanned document gets a batch of its own, whose OCR tasks are due.
    # Its text is written before the catalog knows that batch.
    alone = {attempt_id: str(uuid.uuid4()) for attempt_id in read.scanned}
    for attempt_id, batch_id in alone.items():
        text = services.spool.read(text_key(claim.batch_id, attempt_id))
        services.spool.write(text_key(batch_id, attempt_id), text)

    at_once = share(services.settings, services.settings.extract_processes)

    def record(connection: Connection) -> None:
        attempt_counters.set_pages(connection, pages)
        attempts.fail(connection, read.failed)
        describe_versions(connection, read.facts)
        for attempt_id, batch_id in alone.items():
            batches.add(connection, batch_id, claim.job_id, claim.priority, active=True, plan=claim.plan)
            batches.move_attempts(connection, [attempt_id], batch_id)
            groups = [{"attempts": [attempt_id], "pages": numbers} for numbers in read.scanned[attempt_id]]
            turns.add(connection, batch_id, "ocr", groups, at_once)

    facts = {"documents": len(current), "read": read.files, "failed": len(read.failed), "scanned": len(read.scanned)}
    fans = {batch_id: FanOut(len(read.scanned[attempt_id]), at_once) for attempt_id, batch_id in alone.items()}
    return Done(record, OcrFanOut(fans) if alone else None, facts=facts)
