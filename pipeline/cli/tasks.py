"""`docrelay tasks`: list the tasks of the stages, show one, revoke one."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer
from rich.table import Table
from rich.text import Text

from pipeline.cli.connect import manager_of_running_stack
from pipeline.cli.list_options import Cursor, page_end, print_rows
from pipeline.cli.options import DataDir, Json, Server, settings_of
from pipeline.cli.output import command, out, plain, print_json, print_table, quantity, show
from pipeline.cli.usage import Commands

if TYPE_CHECKING:
    from pipeline.results import RegisteredTask, TaskDetail, TaskList, TaskRecord, TaskTry

__all__ = ["tasks_app"]

tasks_app = Commands(help="Tasks of the stages: list them, show one, revoke one.", no_args_is_help=True)

TaskId = Annotated[str, typer.Argument(metavar="ID", help="Task.", show_default=False)]


@tasks_app.command("list")
def tasks_list(
    context: typer.Context,
    stage: Annotated[str | None, typer.Option("--stage", help="Only of this stage.", show_default=False)] = None,
    state: Annotated[
        str | None,
        typer.Option("--state", help="Only in this state, e.g. active or due; or registered.", show_default=False),
    ] = None,
    job: Annotated[str | None, typer.Option("--job", help="Only of this job.", show_default=False)] = None,
    limit: Annotated[int, typer.Option("--limit", "-n", min=1, max=1000, help="Tasks at most.")] = 100,
    cursor: Cursor = None,
    json: Json = False,
    server: Server = None,
    data_dir: DataDir = None,
) -> None:
    """List tasks, newest first, with what is happening to each."""
    from pipeline.monitoring.tasks import TaskQuery

    query = TaskQuery(stage, state, job)
    with manager_of_running_stack(settings_of(context, data_dir, server)) as manager:
        listed = manager.list_tasks(query, cursor, limit)
    show(listed, _print_list, as_json=json)


@tasks_app.command("show")
def tasks_show(
    context: typer.Context, task_id: TaskId, json: Json = False, server: Server = None, data_dir: DataDir = None
) -> None:
    """Show a task with its documents, its result and its tries."""
    with manager_of_running_stack(settings_of(context, data_dir, server)) as manager:
        task = manager.task_detail(task_id)
    show(task, _print_task, as_json=json)


@tasks_app.command("revoke")
def tasks_revoke(
    context: typer.Context, task_id: TaskId, json: Json = False, server: Server = None, data_dir: DataDir = None
) -> None:
    """Cancel the documents that a task works on; others go on."""
    with manager_of_running_stack(settings_of(context, data_dir, server)) as manager:
        number = manager.revoke_task(task_id)
    if json:
        print_json({"id": task_id, "cancelled": number})
    else:
        message = f"Cancelled: {quantity(number, 'document')}." if number else "The task had nothing left to do."
        out.print(f"{message} What was searchable before still is.")


def _print_list(listed: TaskList) -> None:
    rows = [*map(_cells_of_kind, listed.registered), *map(_cells, listed.tasks)]
    if not rows:
        out.print("There are none.")
        return
    print_rows(rows)
    if listed.tasks:
        out.print(f"See one with: {command('tasks show ID')}")
    out.print(page_end(len(rows), "task", listed.next))


def _cells_of_kind(kind: RegisteredTask) -> tuple[str, ...]:
    return (kind.name, f"queue {kind.queue}", quantity(kind.workers, "worker"))


def _cells(task: TaskRecord) -> tuple[str, ...]:
    stage, job = f"{task.stage} {task.part}", f"job {task.job_id}"
    return (task.id, task.state, stage, task.worker or "", job, task.published_at or "")


def _print_task(task: TaskDetail) -> None:
    table = Table.grid(padding=(0, 2))
    for name, value in task.model_dump(exclude={"documents", "result", "error", "attempts"}).items():
        if value is not None:
            table.add_row(name, Text(plain(str(value))))
    for document_id in task.documents:
        table.add_row("document", document_id)
    if task.result is not None:
        for name, number in {**task.result.documents, **task.result.model_dump(exclude={"documents"})}.items():
            table.add_row(f"result: {name}", str(number))
    print_table(table)
    for number, attempt in enumerate(task.attempts, 1):
        _print_try(number, attempt)


def _print_try(number: int, attempt: TaskTry) -> None:
    times = f"{attempt.started_at or 'not begun'} to {attempt.ended_at or 'now'}"
    out.print(Text(f"try {number}  {attempt.outcome}  {times}  {plain(attempt.worker or '')}"))
    if attempt.error is not None:
        out.print(Text(f"    {attempt.error.code}: {plain(attempt.error.message)} {plain(attempt.error.hint)}"))
