"""`docrelay verify`: compare catalog, vector store, spool and cache with each other, and mend what differs."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from typing import TYPE_CHECKING, Annotated

import typer
from rich.text import Text

from pipeline.cli.connect import connected_services
from pipeline.cli.options import DataDir, Json, Server, settings_of
from pipeline.cli.output import command, note, out, plain, quantity, show
from pipeline.errors import BadRequest

if TYPE_CHECKING:
    from collections.abc import Callable

    from pipeline.results import VerifyReport
    from pipeline.services import Services

__all__ = ["verify"]

SHOWN = 20
"""Drifts and documents that are listed at most; `--json` has more."""

LINE_EVERY = 10_000
"""Points or documents between two lines of progress."""

SAMPLE = 200

Repair = Annotated[bool, typer.Option("--repair", help="Mend what differs; only what is gone is embedded.")]
OnlyCollection = Annotated[
    str | None, typer.Option("--collection", "-c", help="Only this collection; all by default.", show_default=False)
]
Sample = Annotated[
    int, typer.Option("--sample", min=0, help="Documents whose vectors and kept texts are compared too.")
]
Everything = Annotated[bool, typer.Option("--all", help="Compare the vectors and kept texts of all documents.")]
PerSecond = Annotated[
    float | None,
    typer.Option("--per-second", min=1, help="Points or documents a second at most.", show_default=False),
]


def verify(
    context: typer.Context,
    repair: Repair = False,
    collection: OnlyCollection = None,
    sample: Sample = SAMPLE,
    everything: Everything = False,
    per_second: PerSecond = None,
    json: Json = False,
    server: Server = None,
    data_dir: DataDir = None,
) -> None:
    """Compare the index with the catalog, the kept texts and the cache, and mend what differs."""
    settings = settings_of(context, data_dir, server)
    if settings.server is not None:
        raise BadRequest("A server verifies its own index.", "Run docrelay verify on the machine of the server.")
    from pipeline.verification import VerifyRequest
    from pipeline.verification import verify as verify_index

    with connected_services(settings, quiet=json) as services, _progress(quiet=json) as report:
        request = VerifyRequest(
            repair=repair,
            collection=collection,
            sample=None if everything else sample,
            per_second=per_second,
            report=report,
            wait=partial(_follow, services, quiet=json),
        )
        result = verify_index(services, request)
    show(result, _print, as_json=json)
    raise typer.Exit(0 if result.clean else 1)


def _follow(services: Services, job_id: str, *, quiet: bool) -> None:
    """Wait for the end of a job that makes documents anew, and show how far it is."""
    from pipeline.cli.follow import display, follow
    from pipeline.task_manager import TaskManager

    with display(quiet=quiet) as show:
        follow(TaskManager(services), job_id, show)


@contextmanager
def _progress(*, quiet: bool) -> Iterator[Callable[[str, int], None]]:
    """A function that shows on stderr how much was looked at."""
    from pipeline.verification.verification import MADE_ANEW

    done: dict[str, int] = {}

    def report(what: str, number: int) -> None:
        before = done.get(what, 0)
        done[what] = before + number
        if quiet or not number:
            return
        if what == MADE_ANEW:
            note(f"{number} {what}")
        elif before // LINE_EVERY != done[what] // LINE_EVERY:
            note(f"{done[what]} {what} were looked at")

    yield report


def _print(report: VerifyReport) -> None:
    from pipeline.verification.drift import KINDS

    checked = ", ".join(f"{number} {name.replace('_', ' ')}" for name, number in report.checked.items())
    out.print(f"Checked: {checked or 'nothing'}; vectors and kept texts of {report.sampled:.0%} of the documents.")
    for kind, number in report.found.items():
        mended = f", {report.mended.get(kind, 0)} mended" if report.repaired else ""
        out.print(f"  {number} {KINDS[kind]} ({kind}){mended}")
    _print_examples(report)
    for line in report.notes:
        out.print(Text(plain(line)))
    for needed in report.source_needed[:SHOWN]:
        out.print(Text(plain(f"  {needed.source} ({needed.collection}) cannot be made anew. {needed.hint}")))
    if report.repaired and report.found:
        out.print(f"Embedded: {quantity(report.embedded, 'chunk')}.")
    if report.clean:
        out.print("All is well." if not report.found else "All is mended.")
    if report.left:
        hint = "" if report.repaired else f" Mend it with: {command('verify --repair')}"
        out.print(Text(f"Not as the catalog says: {sum(report.left.values())}.{hint}", style="bold red"))
    if report.unfinished:
        unfinished = f"{quantity(report.unfinished, 'document')} without all points: a job is making them anew."
        out.print(Text(f"{unfinished} Verify again when it has ended: {command('status')}", style="bold red"))


def _print_examples(report: VerifyReport) -> None:
    for example in report.examples[:SHOWN] if not report.clean else ():
        where = example.source or example.detail
        out.print(Text(plain(f"    {example.kind}: {where}" + (f" ({example.number})" if example.number > 1 else ""))))
