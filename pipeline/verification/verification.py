"""`verify`: look, mend, and look again, until nothing is left or nothing changes any more."""

from __future__ import annotations

import time
import uuid
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field

import structlog

from pipeline.catalog.database.connection import writing
from pipeline.catalog.documents import live_versions
from pipeline.catalog.index import checks, indexes
from pipeline.catalog.work import attempt_counters, conditions
from pipeline.catalog.work.conditions import Observation, Timing
from pipeline.errors import UnknownId
from pipeline.results import DriftExample, NeededSource, VerifyReport
from pipeline.services import Services
from pipeline.task_manager import TaskManager
from pipeline.verification.counts import compare_counts
from pipeline.verification.drift import KINDS, Drift, Findings
from pipeline.verification.look import look
from pipeline.verification.mend import mend
from pipeline.verification.pace import Pace, Scope
from pipeline.verification.remake import SourceNeeded

__all__ = ["VerifyRequest", "share_of_sample", "store_report", "verify"]

log = structlog.get_logger()

MADE_ANEW = "documents to be made anew"
"""What `report` hears when a round of mending begins."""

ROUNDS = 50
"""Each round mends as much as fits into memory (`drift.LIMIT`)."""

MOST_NEEDED = 1000
UPLOAD_HINT = "It is searchable, but its file is gone: upload it again, or delete the document."
SOURCE_HINT = "Neither its text nor its file is there: put the file back and ingest it, or delete the document."


@dataclass(frozen=True, slots=True)
class VerifyRequest:
    """What to verify, and whether to mend it.

    `sample`: of how many documents of each run the vectors, words and kept texts are compared; None for all. `report`
    hears of progress: what was looked at, and how many more of it. `wait` waits for the end of a job; None waits as
    `docrelay ingest` does.
    """

    repair: bool = False
    collection: str | None = None
    sample: int | None = None
    per_second: float | None = None
    report: Callable[[str, int], None] = lambda _what, _number: None
    wait: Callable[[str], object] | None = None


@dataclass
class _Course:
    """What the rounds of one verification have done so far."""

    found: Counter[str] = field(default_factory=Counter)
    jobs: list[str] = field(default_factory=list)
    needed: dict[str, SourceNeeded] = field(default_factory=dict)
    notes: dict[str, None] = field(default_factory=dict)

    def saw(self, findings: Findings) -> None:
        """What a later round finds was there before, hidden by what is mended by then."""
        self.found |= findings.found
        self.notes |= dict.fromkeys(findings.notes)


def verify(services: Services, request: VerifyRequest) -> VerifyReport:
    """Compare catalog, store, spool and cache, and mend what differs if asked; the stack may be working meanwhile.

    Raises:
        UnknownId: there is no such collection.
        StackUnavailable: a service cannot be reached.
    """
    began = time.monotonic()
    # Another sample each time: in the end all documents are looked at.
    share, salt = share_of_sample(services, request.collection, request.sample), uuid.uuid4().hex
    scope = Scope(request.collection, share, salt)
    pace = Pace(request.per_second, request.report)
    first = findings = look(services, scope, pace)
    course = _Course()
    course.saw(findings)
    if request.repair:
        findings = _mend_in_rounds(services, request, (scope, pace), findings, course)
    report = _report(services, request, course, (first, findings), scope)
    log.info("verify.done", found=report.found, left=report.left, embedded=report.embedded)
    report = report.model_copy(update={"seconds": round(time.monotonic() - began, 3)})
    if request.collection is None:
        store_report(services, report)
    compare_counts(services)
    return report


def share_of_sample(services: Services, collection: str | None, sample: int | None) -> float:
    """The share of the documents that a sample of so many is.

    Raises:
        UnknownId: there is no such collection.
    """
    with services.catalog.connect() as connection:
        names = {index.collection for index in indexes.list_all(connection)}
        if collection is not None and collection not in names:
            raise UnknownId(f"There is no collection {collection}.", "See which there are with: docrelay status")
        wanted = names if collection is None else {collection}
        number = sum(live_versions.count_documents(connection, name) for name in wanted)
    return 1.0 if sample is None or sample >= number else sample / number


def store_report(services: Services, report: VerifyReport) -> None:
    """Keep the result for `status`."""
    kept = report.model_dump(include={"found", "left", "unfinished", "seconds", "checked"})
    with writing(services.catalog) as connection:
        checks.store(connection, checks.VERIFY, kept)
        seen = Observation("verify.drift", checks.VERIFY, bool(report.left), "warning", {"left": dict(report.left)})
        conditions.observe(connection, [seen], Timing(clear_after_s=services.settings.notify_clear_s))


def _mend_in_rounds(
    services: Services, request: VerifyRequest, how: tuple[Scope, Pace], findings: Findings, course: _Course
) -> Findings:
    """Mend and look again. Returns what the last look has found."""
    wait = request.wait or TaskManager(services).wait
    for _ in range(ROUNDS):
        if findings.is_clean:
            break
        before = findings
        request.report(MADE_ANEW, len(findings.documents))
        remade = mend(services, findings, wait)
        course.notes |= dict.fromkeys(findings.notes)
        course.jobs += remade.job_ids
        course.needed |= {needed.document_id: needed for needed in remade.source_needed}
        findings = look(services, *how)
        course.saw(findings)
        if findings.found == before.found and findings.documents.keys() == before.documents.keys():
            break
    return findings


def _report(
    services: Services, request: VerifyRequest, course: _Course, looks: tuple[Findings, Findings], scope: Scope
) -> VerifyReport:
    first, last = looks
    with services.catalog.connect() as connection:
        embedded = attempt_counters.count_embedded(connection, course.jobs)
    left = last.counts()
    needed = [NeededSource(**item._asdict(), hint=SOURCE_HINT) for item in list(course.needed.values())[:MOST_NEEDED]]
    needed += [_needed_upload(gone) for gone in last.uploads if gone.document_id not in course.needed]
    return VerifyReport(
        clean=last.is_clean and not last.unfinished,
        repaired=request.repair,
        checked=dict(first.checked),
        found=_in_order(course.found),
        mended=_in_order({kind: number - left.get(kind, 0) for kind, number in course.found.items()})
        if request.repair
        else {},
        left=dict(left),
        unfinished=last.unfinished,
        embedded=embedded,
        sampled=round(scope.share, 6),
        source_needed=needed,
        examples=[DriftExample(**asdict(drift)) for drift in (last if request.repair else first).examples],
        notes=list(course.notes),
        jobs=course.jobs,
        seconds=0.0,
    )


def _needed_upload(gone: Drift) -> NeededSource:
    return NeededSource(document_id=gone.document_id, collection=gone.collection, source=gone.source, hint=UPLOAD_HINT)


def _in_order(numbers: Mapping[str, int]) -> dict[str, int]:
    return {kind: numbers[kind] for kind in KINDS if numbers.get(kind)}
