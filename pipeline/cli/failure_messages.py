"""`docrelay failures messages`: messages that no task could answer; list them, send them again, forget them."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Annotated

import typer
from rich.text import Text

from pipeline.cli.confirmation import confirm
from pipeline.cli.connect import connected_services, manager_of
from pipeline.cli.options import DataDir, Json, Server, settings_of
from pipeline.cli.output import command, out, plain, print_json, quantity
from pipeline.cli.usage import Commands

if TYPE_CHECKING:
    from pipeline.cli.remote import RemoteManager
    from pipeline.results import MessageRecord
    from pipeline.settings import Settings
    from pipeline.task_manager import TaskManager

__all__ = ["messages_app"]

messages_app = Commands(
    help="Messages that no task could answer: list them, send them again, forget them.", no_args_is_help=True
)

Ids = Annotated[list[str] | None, typer.Argument(metavar="ID", help="Messages; nothing for all.", show_default=False)]
Queue = Annotated[str | None, typer.Option("--queue", help="Only those that were in this queue.", show_default=False)]


@messages_app.command("list")
def messages_list(
    context: typer.Context,
    queue: Queue = None,
    limit: Annotated[int, typer.Option("--limit", "-n", min=1, max=1000, help="Messages at most.")] = 100,
    json: Json = False,
    server: Server = None,
    data_dir: DataDir = None,
) -> None:
    """List messages that no task could answer, the oldest first; they stay where they are."""
    with _manager(settings_of(context, data_dir, server), quiet=json) as manager:
        listed = manager.messages(queue=queue, limit=limit)
    if json:
        print_json(listed.model_dump())
        return
    for message in listed.messages:
        _print(message)
    footer = f"{quantity(listed.total, 'message')}. Send them again with: {command('failures messages reprocess')}"
    out.print(footer if listed.total else "There are none.")


@messages_app.command("reprocess")
def messages_reprocess(
    context: typer.Context,
    ids: Ids = None,
    queue: Queue = None,
    json: Json = False,
    server: Server = None,
    data_dir: DataDir = None,
) -> None:
    """Send messages again to the queues where they were."""
    with _manager(settings_of(context, data_dir, server), quiet=json) as manager:
        number = manager.reprocess_messages(ids or (), queue=queue)
    if json:
        print_json({"reprocessed": number})
    else:
        out.print(f"Sent again: {quantity(number, 'message')}.")


@messages_app.command("purge")
def messages_purge(
    context: typer.Context,
    ids: Ids = None,
    queue: Queue = None,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")] = False,
    json: Json = False,
    server: Server = None,
    data_dir: DataDir = None,
) -> None:
    """Forget messages that no task could answer."""
    with _manager(settings_of(context, data_dir, server), quiet=json) as manager:
        if not (yes or json):
            listed = manager.messages(queue=queue, limit=1000).messages
            confirm(sum(not ids or message.id in ids for message in listed), "message")
        number = manager.purge_messages(ids or (), queue=queue)
    if json:
        print_json({"purged": number})
    else:
        out.print(f"Forgotten: {quantity(number, 'message')}.")


@contextmanager
def _manager(settings: Settings, *, quiet: bool) -> Iterator[TaskManager | RemoteManager]:
    """The manager of the server, or one on the stack of this machine, which holds the queue."""
    if settings.server is not None:
        yield manager_of(settings)
        return
    from pipeline.task_manager import TaskManager

    with connected_services(settings, quiet=quiet) as services:
        yield TaskManager(services)


def _print(message: MessageRecord) -> None:
    task = plain(message.task or "no task")
    details = f"  {task}  (queue {plain(message.queue) or 'unknown'}, {message.size} bytes, {message.at})"
    out.print(Text.assemble((message.id, "bold"), details))
    out.print(Text(f"    {plain(message.reason)}"))
