"""What `docrelay failures` prints for a person."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from rich.table import Table
from rich.text import Text

from pipeline.cli.output import command, out, plain, print_table, quantity

if TYPE_CHECKING:
    from pipeline.results import FailureCount, FailureList, FailureRecord, RetryReport

__all__ = ["print_dry_run", "print_list", "print_quarantined"]


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
    out.print(f"{number}. Try again with: {command('failures retry')}{more}")


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


def _print_failure(record: FailureRecord) -> None:
    kind = "in quarantine" if record.quarantined else "transient" if record.transient else "permanent"
    details = f"  {plain(record.source)}  ({record.collection}, {record.stage}, {kind})"
    out.print(Text.assemble((record.code, "bold"), details))
    out.print(Text(f"    {plain(record.message)} {record.hint}"))
