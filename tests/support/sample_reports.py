"""Reports made up from plain values, for tests of their formats."""

from __future__ import annotations

from typing import Any

from pipeline.results import (
    DailyMetrics,
    Report,
    ReportedDocument,
    ReportedFailureCode,
    ReportedFormat,
    ReportedInterval,
    ReportedJob,
    ReportedOcr,
    ReportedPages,
    ReportedStage,
    ReportedThroughput,
)

__all__ = ["document", "report"]

TIME = "2026-11-29T15:00:00.250+00:00"


def document(source: str, **values: Any) -> ReportedDocument:
    """A completed document."""
    made = {"state": "completed", "media_type": "application/pdf", "bytes": 1234, "pages": 3, "chunks": 12}
    return ReportedDocument(**{**dict.fromkeys(ReportedDocument.model_fields), "source": source, **made, **values})


def report(documents: list[ReportedDocument], **values: Any) -> Report:
    """The report of a job with these documents, of which those with a code failed."""
    failed = [row for row in documents if row.code]
    job = ReportedJob(
        id="1d0f9a5e-3c3b-5d2e-9a57-3f8a0a2f6b1c",
        state="partial",
        collection="documents",
        workflow="ingest",
        priority=5,
        created_at=TIME,
        finished_at=TIME,
    )
    intervals = [ReportedInterval(start=TIME, completed=number, failed=1, chunks=7) for number in range(5)]
    day = {"unchanged": 1, "failed": 2, "failures": {}, "chunks": 30, "pages_ocr": 4, "stages": {}}
    made: dict[str, Any] = {
        "made_at": TIME,
        "job": job,
        "since": TIME,
        "until": TIME,
        "documents": len(documents),
        "states": {"completed": len(documents) - len(failed), "failed": len(failed)},
        "bytes": 123_456_789,
        "pages": ReportedPages(text=8, ocr=4321, empty=1, failed=2),
        "chunks": 98_765,
        "ocr": ReportedOcr(
            documents=1, pages=4321, pages_with_confidence=4321, mean_confidence=0.9376, lowest_confidence=0.41
        ),
        "formats": [ReportedFormat(media_type="application/pdf", documents=2, bytes=3, pages=9, chunks=36)],
        "failure_codes": [ReportedFailureCode(code="corrupt", documents=len(failed))] if failed else [],
        "stages": [ReportedStage(stage="extract", tasks=3, p50_s=0.125, p95_s=0.5, total_s=12.75)],
        "throughput": ReportedThroughput(interval_s=60, documents_per_s=2.5, chunks_per_s=30.0, intervals=intervals),
        "failures": failed,
        "more_failures": 17,
        "documents_listed": documents,
        "more_documents": 99_800,
        "days": [DailyMetrics(day=f"2026-11-{number:02}", documents=3 * number, **day) for number in range(1, 4)],
    }
    return Report(**{**made, **values})
