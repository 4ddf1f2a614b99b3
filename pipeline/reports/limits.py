"""What the numbers of a report leave out, as sentences: a function of plain data."""

from __future__ import annotations

from pipeline.catalog.work.report_ends import SpanEnds
from pipeline.reports.texts import number_text, time_text
from pipeline.results import iso

__all__ = ["notes"]


def notes(ends: SpanEnds | None, stages_gone_until: float | None, joined: int) -> list[str]:
    """Sentences about what is not counted.

    Args:
        ends: what failed or was unchanged in a span; None for a job, which keeps this with its documents.
        stages_gone_until: the newest end of a document whose tasks are not kept any more, in seconds since 1970.
        joined: documents of a job that another job was ingesting already.
    """
    said = []
    if ends is not None and ends.gaps:
        begin, end = _text(ends.gaps[0][0]), _text(ends.gaps[-1][1])
        said.append(
            f"Failed and unchanged documents between {begin} and {end} are not all counted: their events are not kept"
            " any more, and there are stored numbers of whole days alone."
        )
    unlisted = 0 if ends is None else sum(ends.failed.values()) - ends.listed
    if unlisted:
        said.append(
            f"{number_text(unlisted)} failed documents are counted and not listed: their events are not kept any more."
        )
    if stages_gone_until is not None:
        said.append(
            f"Time by stage leaves out what ended until {_text(stages_gone_until)}: tasks are kept for a few days."
        )
    if joined:
        said.append(
            f"Another job was ingesting {number_text(joined)} of the documents already: their time by stage is in its"
            " report."
        )
    return said


def _text(seconds: float) -> str:
    return time_text(iso(seconds))
