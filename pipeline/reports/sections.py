"""A report as a page shows it: a title, facts, and sections with a table and a chart. HTML, PDF and XLSX lay it out."""

from __future__ import annotations

from dataclasses import dataclass

from pipeline.reports.charts import bar_chart, column_chart
from pipeline.reports.texts import Cell, number_text, source_text, time_text
from pipeline.results import Report, ReportedDocument

__all__ = ["Section", "facts", "figures", "lists", "notes", "title"]

Row = tuple[Cell, ...]


@dataclass(frozen=True, slots=True)
class Section:
    """A table under a heading, with its chart as SVG if it has one, and a sentence below it if something is to say."""

    title: str
    head: tuple[str, ...]
    rows: list[Row]
    chart: str | None = None
    note: str = ""


def title(report: Report) -> str:
    """What the report is about."""
    if report.job is not None:
        return f"Report of job {report.job.id}"
    return f"Report of {time_text(report.since)} to {time_text(report.until)}"


def notes(report: Report) -> list[str]:
    """Sentences that a reader must know before the numbers."""
    said = []
    if report.is_running:
        said.append("The job is still running: these numbers are those of this moment, and will grow.")
    if report.documents == 0:
        said.append("No document ended in this time." if report.job is None else "The job has no documents.")
    return said + report.notes


def facts(report: Report) -> list[tuple[str, Cell]]:
    """The numbers of the whole report, by their names."""
    pages, ocr, throughput = report.pages, report.ocr, report.throughput
    job = report.job
    of_job: list[tuple[str, Cell]] = [] if job is None else [("state", job.state), ("collection", job.collection)]
    of_job += [] if job is None else [("workflow", job.workflow), ("priority", job.priority)]
    return [
        *of_job,
        ("from", time_text(report.since)),
        ("to", time_text(report.until)),
        ("documents", report.documents),
        ("bytes", report.bytes),
        ("pages", pages.all),
        ("pages with text", pages.text),
        ("pages read by OCR", pages.ocr),
        ("documents with OCR", ocr.documents),
        ("mean confidence of OCR", ocr.mean_confidence),
        ("lowest confidence of a document", ocr.lowest_confidence),
        ("pages without writing", pages.empty),
        ("pages that could not be read", pages.failed),
        ("chunks", report.chunks),
        ("completed documents per second", throughput.documents_per_s),
        ("chunks per second", throughput.chunks_per_s),
        ("report made", time_text(report.made_at)),
    ]


def figures(report: Report) -> list[Section]:
    """The sections with numbers; those without a row are left out."""
    sections = [_states(report), _formats(report), _failures(report), _stages(report), _throughput(report)]
    return [section for section in (*sections, _days(report)) if section.rows]


def lists(report: Report) -> list[Section]:
    """The lists of documents, cut as the report has them; those without a row are left out."""
    failed = Section(
        "What failed, and why",
        ("source", "code", "message", "what to do", "stage", "worker"),
        [(source_text(row.source), row.code, row.message, row.hint, row.stage, row.worker) for row in report.failures],
        note=_more(report.more_failures),
    )
    listed = Section(
        "Documents",
        ("source", "state", "format", "bytes", "pages", "OCR pages", "confidence", "chunks", "seconds"),
        [_document(row) for row in report.documents_listed],
        note=_more(report.more_documents),
    )
    return [section for section in (failed, listed) if section.rows]


def _states(report: Report) -> Section:
    rows: list[Row] = [*report.states.items()]
    return Section("Documents by state", ("state", "documents"), rows, _bars("Documents by state", report.states))


def _formats(report: Report) -> Section:
    head = ("format", "documents", "bytes", "pages", "chunks")
    rows: list[Row] = [
        (of.media_type or "not read", of.documents, of.bytes, of.pages, of.chunks) for of in report.formats
    ]
    amounts = {of.media_type or "not read": of.documents for of in report.formats}
    return Section("Documents by format", head, rows, _bars("Documents by format", amounts))


def _failures(report: Report) -> Section:
    amounts = {of.code: of.documents for of in report.failure_codes}
    chart = _bars("Failed documents by code", amounts)
    return Section("Failures by code", ("code", "documents"), [*amounts.items()], chart)


def _stages(report: Report) -> Section:
    head = ("stage", "tasks", "p50 in s", "p95 in s", "total in s")
    rows: list[Row] = [(of.stage, of.tasks, of.p50_s, of.p95_s, of.total_s) for of in report.stages]
    chart = _bars("Seconds of all tasks by stage", {of.stage: of.total_s for of in report.stages})
    return Section("Time by stage", head, rows, chart)


def _throughput(report: Report) -> Section:
    intervals = report.throughput.intervals
    points = [(time_text(of.start), (of.completed, of.failed)) for of in intervals]
    rows: list[Row] = [(time_text(of.start), of.completed, of.failed, of.chunks) for of in intervals]
    return Section(
        "Throughput",
        ("from", "completed", "failed", "chunks"),
        rows,
        column_chart("Documents over time", ("completed", "failed"), points),
        f"Each interval has {number_text(report.throughput.interval_s)} s.",
    )


def _days(report: Report) -> Section:
    head = ("day", "documents", "unchanged", "failed", "chunks", "OCR pages")
    rows: list[Row] = [
        (day.day, day.documents, day.unchanged, day.failed, day.chunks, day.pages_ocr) for day in report.days
    ]
    points = [(day.day, (day.documents, day.failed)) for day in report.days]
    chart = column_chart("Documents by day", ("completed", "failed"), points)
    note = "The stored numbers of whole days of local time. Durations by stage: docrelay schedule days"
    return Section("Days", head, rows, chart, note)


def _document(row: ReportedDocument) -> Row:
    numbers = (row.bytes, row.pages, row.pages_ocr, row.ocr_confidence, row.chunks, row.seconds)
    return (source_text(row.source), row.state, row.media_type, *numbers)


def _bars(name: str, amounts: dict[str, int] | dict[str, float]) -> str:
    return bar_chart(name, [*amounts.items()])


def _more(number: int) -> str:
    return f"And {number_text(number)} more, which the formats csv and xlsx list." if number else ""
