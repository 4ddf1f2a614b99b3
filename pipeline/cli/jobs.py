"""`docrelay jobs`: list jobs, by state, collection, workflow and time, and by what failed in them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from pipeline.cli.connect import manager_of
from pipeline.cli.list_options import Before, Cursor, OfCollection, Since, full_page, page_end, print_rows
from pipeline.cli.options import DataDir, Json, Server, settings_of
from pipeline.cli.output import command, out, quantity, show

if TYPE_CHECKING:
    from pipeline.results import JobList, JobSummary

__all__ = ["jobs"]

State = Annotated[
    str | None, typer.Option("--state", help="Only in this state, e.g. running or partial.", show_default=False)
]
OfWorkflow = Annotated[str | None, typer.Option("--workflow", "-w", help="Only of this workflow.", show_default=False)]
FailedWith = Annotated[
    str | None, typer.Option("--code", help="Only those in which a document failed so.", show_default=False)
]

OUTCOMES = ("completed", "unchanged", "failed", "cancelled", "deleted")


def jobs(
    context: typer.Context,
    state: State = None,
    collection: OfCollection = None,
    workflow: OfWorkflow = None,
    code: FailedWith = None,
    since: Since = None,
    before: Before = None,
    sort: Annotated[str, typer.Option("--sort", help="`time`, or `-time`: the newest first.")] = "-time",
    limit: Annotated[int, typer.Option("--limit", "-n", min=1, max=1000, help="Jobs at most.")] = 100,
    cursor: Cursor = None,
    json: Json = False,
    server: Server = None,
    data_dir: DataDir = None,
) -> None:
    """List jobs, page by page, with their documents by outcome."""
    from pipeline.lists.jobs import JobQuery
    from pipeline.results import JobList

    settings = settings_of(context, data_dir, server)
    query = JobQuery(state, collection, workflow, code, since, before, sort, cursor, limit)
    rows, following = full_page(manager_of(settings).list_jobs, query, lambda page: page.jobs)
    listed = JobList(jobs=rows, next=following)
    show(listed, _print, as_json=json)


def _print(listed: JobList) -> None:
    if not listed.jobs:
        out.print("There are none.")
        return
    print_rows(
        (job.id, job.state, job.created_at or "", job.collection, job.workflow, _counts(job)) for job in listed.jobs
    )
    if any(job.failed for job in listed.jobs):
        out.print(f"What failed, and what to do: {command('failures list --job ID')}")
    out.print(page_end(len(listed.jobs), "job", listed.next))


def _counts(job: JobSummary) -> str:
    """The documents of a job: how many, and how many of each outcome."""
    counts = {name: getattr(job, name) for name in OUTCOMES}
    under_way = job.documents - sum(counts.values())
    parts = [f"{number} {name}" for name, number in {**counts, "under way": under_way}.items() if number]
    return quantity(job.documents, "document") + (f": {', '.join(parts)}" if parts else "")
