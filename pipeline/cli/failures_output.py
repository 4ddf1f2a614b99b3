"""What `docrelay failures` prints for a person."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from rich.table import Table
from rich.text import Text

from pipeline.cli.list_options import page_end
from pipeline.cli.output import command, out, plain, print_table, quantity

if TYPE_CHECKING:
    from pipeline.results import (
        ArchivedFailureList,
        AttemptError,
        FailureCount,
        FailureHistory,
        FailureList,
        FailureRecord,
        RetryReport,
    )

__all__ = ["print_archived", "print_dry_run", "print_history", "print_list", "print_quarantined"]


def print_list(listed: FailureList) -> None:
    """Print the counts by class, and one page of failures."""
    if not listed.failures:
        out.print("There are none.")
        return
    if len(listed.counts) > 1:
        _print_counts(listed.counts)
    for record in listed.failures:
        _print_failure(record)
    shown = len(listed.failures)
    number = quantity(shown, "failure") if shown == listed.total else f"{shown} of {quantity(listed.total, 'failure')}"
    more = f" Go on with: --cursor {listed.next}" if listed.next else ""
    again = f"Try them again, under the same filters, with: {command('failures retry')}"
    out.print(f"{number}. {again}{more}")


def print_archived(listed: ArchivedFailureList) -> None:
    """Print one page of archived failures."""
    for record in listed.failures:
        out.print(Text(plain(f"{record.failed_at}  {record.code} in {record.stage}  {record.source}")))
        out.print(Text(plain(f"    {record.message}")))
    number = len(listed.failures)
    out.print(page_end(number, "archived failure", listed.next) if number else "There are none.")


def print_history(history: FailureHistory) -> None:
    """Print a document that failed, its attempts and their errors."""
    if history.failure is not None:
        _print_failure(history.failure)
    else:
        out.print(f"{plain(history.source)}  ({history.collection}): it has no open failure.")
    out.print(f"    document {history.document_id}")
    for error in history.refusals:
        _print_error(error)
    for attempt in history.attempts:
        times = f"{attempt.started_at or attempt.queued_at} to {attempt.ended_at or 'now'}"
        out.print(
            Text.assemble((f"attempt {attempt.number}", "bold"), f"  {attempt.state}  {times}  job {attempt.job_id}")
        )
        for error in attempt.errors:
            _print_error(error)
        if not attempt.errors and attempt.code is not None:
            out.print(Text(f"    {attempt.code}: {plain(attempt.message or '')}"))


def print_dry_run(report: RetryReport) -> None:
    """Print what a retry would begin."""
    if report.counts:
        _print_counts(report.counts)
    out.print(f"To be tried again: {quantity(report.documents, 'document')}.")
    print_quarantined(report)


def print_quarantined(report: RetryReport) -> None:
    """Say how many documents a retry has left alone."""
    if report.quarantined:
        see, retry = command("failures list --quarantined"), command("failures retry ID --force")
        out.print(f"Left alone, in quarantine: {quantity(report.quarantined, 'document')} ({see}; {retry}).")


def _print_counts(counts: Sequence[FailureCount]) -> None:
    table = Table.grid(padding=(0, 2))
    table.add_column(justify="right")
    for count in counts:
        quarantined = f"{count.quarantined} in quarantine" if count.quarantined else ""
        table.add_row(str(count.documents), Text(count.code, "bold"), Text(count.stage), quarantined)
    print_table(table)


def _print_error(error: AttemptError) -> None:
    part = "" if error.part is None else f" {error.part}"
    worker = f", {plain(error.worker)}" if error.worker else ""
    trace = f", trace {error.trace_id}" if error.trace_id else ""
    out.print(Text(f"    {error.at}  {error.kind} in {error.stage}{part}{worker}{trace}"))
    out.print(Text(f"      {error.code}: {plain(error.message)}"))
    for line in (error.trace or "").splitlines():
        out.print(Text(f"        {plain(line)}"))


def _print_failure(record: FailureRecord) -> None:
    kind = "in quarantine" if record.quarantined else "transient" if record.transient else "permanent"
    details = f"  {plain(record.source)}  ({record.collection}, {record.stage}, {kind})"
    out.print(Text.assemble((record.code, "bold"), details))
    out.print(Text(f"    {plain(record.message)} {record.hint}"))
