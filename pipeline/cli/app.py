"""The Typer application of `docrelay`: every command and command group, in the order in which `--help` lists them.

The files of the commands import what their bodies need only when they run: `--help` must not wait for databases.
"""

from __future__ import annotations

import typer

from pipeline.cli.api import api
from pipeline.cli.backup import backup
from pipeline.cli.beat import beat
from pipeline.cli.cancel import cancel
from pipeline.cli.config import config
from pipeline.cli.delete import delete
from pipeline.cli.doctor import doctor
from pipeline.cli.documents import documents
from pipeline.cli.failures import failures_app
from pipeline.cli.ingest import ingest
from pipeline.cli.jobs import jobs
from pipeline.cli.keys import keys_app
from pipeline.cli.notify import notify_app
from pipeline.cli.options import DataDir, Version
from pipeline.cli.page import page
from pipeline.cli.queues import queues
from pipeline.cli.reindex import reindex_app
from pipeline.cli.report import report
from pipeline.cli.restore import restore
from pipeline.cli.schedule import schedule_app
from pipeline.cli.search import search
from pipeline.cli.status import status
from pipeline.cli.summary import summary
from pipeline.cli.tasks import tasks_app
from pipeline.cli.texts import texts_app
from pipeline.cli.try_file import try_file
from pipeline.cli.up import up
from pipeline.cli.usage import Commands
from pipeline.cli.verify import verify
from pipeline.cli.watch import watch
from pipeline.cli.webhooks import webhooks_app
from pipeline.cli.worker import worker
from pipeline.cli.workers import workers
from pipeline.cli.workflows import workflows_app

__all__ = ["app"]

app = Commands(
    help="Turn files into searchable vectors with exact citations, and keep them true.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    add_completion=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)


@app.callback()
def root(
    context: typer.Context,
    data_dir: DataDir = None,
    _show_version: Version = False,
) -> None:
    """Turn files into searchable vectors with exact citations, and keep them true."""
    context.obj = {"data_dir": data_dir}


for function in (
    ingest,
    search,
    status,
    summary,
    queues,
    workers,
    documents,
    page,
    jobs,
    report,
    cancel,
    delete,
    verify,
    doctor,
    watch,
    up,
    worker,
    beat,
    api,
):
    app.command()(function)
app.command("try")(try_file)
app.command()(config)
app.command()(backup)
app.command()(restore)

app.add_typer(failures_app, name="failures")
app.add_typer(texts_app, name="texts")
app.add_typer(tasks_app, name="tasks")
app.add_typer(workflows_app, name="workflows")
app.add_typer(keys_app, name="keys")
app.add_typer(webhooks_app, name="webhooks")
app.add_typer(notify_app, name="notify")
app.add_typer(reindex_app, name="reindex")
app.add_typer(schedule_app, name="schedule")
