"""Figures of a report from what the catalog has counted: functions of plain data."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence

from pipeline.catalog.work.report_figures import Group, Interval
from pipeline.catalog.work.stage_durations import Durations
from pipeline.names import STAGES
from pipeline.results import (
    ReportedFailureCode,
    ReportedFormat,
    ReportedInterval,
    ReportedOcr,
    ReportedPages,
    ReportedStage,
    ReportedThroughput,
    iso,
)

__all__ = [
    "failure_codes",
    "formats",
    "interval_length",
    "ocr_of",
    "pages_of",
    "stages",
    "states",
    "throughput",
]

INTERVALS = 60
"""Intervals of a throughput at most."""

LENGTHS_S = (1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200, 14_400, 21_600, 43_200, 86_400)


def interval_length(seconds: float) -> int:
    """The length of an interval, in seconds, so that a time has `INTERVALS` at most.

    >>> interval_length(90), interval_length(86_400), interval_length(365 * 86_400)
    (2, 1800, 604800)
    """
    fitting = (length for length in LENGTHS_S if math.ceil(seconds / length) <= INTERVALS)
    weeks = math.ceil(seconds / INTERVALS / 604_800) * 604_800
    return next(fitting, weeks)


def states(groups: Iterable[Group], failed: int) -> dict[str, int]:
    """Documents by state, the most frequent first; `failed` are those that no group has."""
    numbers: dict[str, int] = {"failed": failed} if failed else {}
    for group in groups:
        numbers[group.state] = numbers.get(group.state, 0) + group.documents
    return dict(sorted(numbers.items(), key=lambda item: (-item[1], item[0])))


def pages_of(groups: Sequence[Group]) -> ReportedPages:
    """The pages of all groups."""
    names = ("text", "ocr", "empty", "failed")
    return ReportedPages(**{name: sum(getattr(group, f"pages_{name}") for group in groups) for name in names})


def ocr_of(groups: Sequence[Group]) -> ReportedOcr:
    """What OCR read; the confidence of a document counts as often as it has such pages."""
    known = sum(group.known_ocr_pages for group in groups)
    lowest = [group.lowest_confidence for group in groups if group.lowest_confidence is not None]
    return ReportedOcr(
        documents=sum(group.ocr_documents for group in groups),
        pages=sum(group.pages_ocr for group in groups),
        pages_with_confidence=known,
        mean_confidence=round(sum(group.confidence_sum for group in groups) / known, 4) if known else None,
        lowest_confidence=round(min(lowest), 4) if lowest else None,
    )


def formats(groups: Iterable[Group]) -> list[ReportedFormat]:
    """Formats, the most frequent first."""
    found: dict[str | None, ReportedFormat] = {}
    for group in groups:
        before = found.get(group.media_type) or ReportedFormat(
            media_type=group.media_type, documents=0, bytes=0, pages=0, chunks=0
        )
        pages = group.pages_text + group.pages_ocr + group.pages_empty + group.pages_failed
        found[group.media_type] = ReportedFormat(
            media_type=group.media_type,
            documents=before.documents + group.documents,
            bytes=before.bytes + group.bytes,
            pages=before.pages + pages,
            chunks=before.chunks + group.chunks,
        )
    return sorted(found.values(), key=lambda of: (-of.documents, of.media_type or ""))


def failure_codes(failed: Mapping[str, int]) -> list[ReportedFailureCode]:
    """Codes with their documents, the most frequent first."""
    ordered = sorted(failed.items(), key=lambda item: (-item[1], item[0]))
    return [ReportedFailureCode(code=code, documents=number) for code, number in ordered]


def stages(found: Mapping[str, Durations]) -> list[ReportedStage]:
    """Built-in stages in the order of a document's way, then those of workflows by name."""
    names = [name for name in STAGES if name in found] + sorted(found.keys() - set(STAGES))
    return [ReportedStage(stage=name, **found[name]._asdict()) for name in names]


def throughput(found: Sequence[Interval], since: float, until: float) -> ReportedThroughput:
    """The intervals between two times in seconds since 1970, also those in which nothing ended; none if all are so.

    What ended after `until`, as documents that a cancelled job did not wait for, is in the last interval.
    """
    seconds, length = until - since, interval_length(until - since)
    last = max(math.ceil(seconds / length) - 1, 0)
    by_number: dict[int, Interval] = {}
    for interval in found:
        number = min(interval.number, last)
        before = by_number.get(number, Interval(number, 0, 0, 0))
        by_number[number] = Interval(number, *(sum(pair) for pair in zip(before[1:], interval[1:], strict=True)))
    filled = [by_number.get(number, Interval(number, 0, 0, 0)) for number in range(last + 1)] if found else []
    per_s = 1 / seconds if seconds > 0 else 0.0
    return ReportedThroughput(
        interval_s=length,
        documents_per_s=round(sum(interval.completed for interval in found) * per_s, 4),
        chunks_per_s=round(sum(interval.chunks for interval in found) * per_s, 4),
        intervals=[
            ReportedInterval(
                start=iso(since + interval.number * length) or "",
                completed=interval.completed,
                failed=interval.failed,
                chunks=interval.chunks,
            )
            for interval in filled
        ],
    )
