"""`docrelay watch`: keep documents in step with a folder."""

from __future__ import annotations

import signal
import threading
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from pipeline import stack
from pipeline.cli.connect import through_losses
from pipeline.cli.options import Collection, DataDir, local_settings_of
from pipeline.cli.output import FAILED, command, note, out, plain, quantity
from pipeline.errors import BadRequest

if TYPE_CHECKING:
    from pipeline.services import Services
    from pipeline.settings import Settings
    from pipeline.settings.watch_folders import WatchFolder
    from pipeline.watch.held_deletions import Hold
    from pipeline.watch.mirror import Mirror

__all__ = ["WatchOptions", "watch", "watch_folder"]

POLL_S = 0.2


@dataclass(frozen=True, slots=True)
class WatchOptions:
    """The options of the command; None leaves a value to the settings."""

    folder: Path
    collection: str | None = None
    delete_missing: bool | None = None
    once: bool = False
    confirm: bool = False


def watch(
    context: typer.Context,
    folder: Annotated[Path, typer.Argument(metavar="DIR", help="The folder.", show_default=False)],
    collection: Collection = None,
    delete_missing: Annotated[
        bool | None,
        typer.Option(
            "--delete-missing/--keep-missing", help="Whether documents of removed files go.", show_default=False
        ),
    ] = None,
    once: Annotated[bool, typer.Option("--once", help="Bring it up to date and end.")] = False,
    confirm: Annotated[
        bool, typer.Option("--confirm-deletions", help="Let deletions be done that are held back there.")
    ] = False,
    data_dir: DataDir = None,
) -> None:
    """Keep documents in step with a folder until Ctrl-C."""
    options = WatchOptions(folder, collection, delete_missing, once, confirm)
    raise typer.Exit(watch_folder(local_settings_of(context, data_dir), options))


def watch_folder(settings: Settings, options: WatchOptions) -> int:
    """Watch a folder until Ctrl-C, bring it up to date once, or confirm deletions.

    Returns:
        The exit code: 1 when deletions are held back, or, with `once`, when files failed or still change.
    """
    from pipeline.ingest.walk import source_of
    from pipeline.services import Services

    folder = _folder(settings, options)
    if options.confirm:
        _confirm_deletions(settings, folder, once=options.once)
        if not options.once:
            return 0
    if not folder.path.is_dir() and not options.confirm:
        raise BadRequest(f"There is no folder {source_of(folder.path)}.", "Check the path.")

    def update(services: Services) -> Mirror:
        if options.once:
            return _update_once(services, folder, [other.path for other in settings.watch])
        return _update_until_signal(services, folder)

    mirror = through_losses(settings, update, quiet=False)
    if mirror.hold is not None:
        _explain_hold(folder, mirror.hold)
        return FAILED
    return _print_outcome(Services(settings), mirror) if options.once else 0


def _folder(settings: Settings, options: WatchOptions) -> WatchFolder:
    """The folder as the settings have it, if they do, with the options of the command line."""
    from pipeline.settings.watch_folders import WatchFolder

    named = WatchFolder(path=options.folder).resolved()
    known = next((folder for folder in map(WatchFolder.resolved, settings.watch) if folder.path == named.path), named)
    given = {"collection": options.collection, "delete_missing": options.delete_missing}
    given = {name: value for name, value in given.items() if value is not None}
    try:
        return WatchFolder(**{**known.model_dump(), **given})
    except ValueError:
        raise BadRequest(
            f"{options.collection!r} is no name for a collection.", "Use letters, digits, _ and -."
        ) from None


def _confirm_deletions(settings: Settings, folder: WatchFolder, *, once: bool) -> None:
    """Allow the deletions that are held back in the folder; the process that watches it carries them out.

    `once`: this command does so itself.
    """
    from pipeline.catalog.database.connection import writing
    from pipeline.catalog.documents import watched_files
    from pipeline.ingest.walk import source_of
    from pipeline.services import Services

    with writing(Services(settings).catalog) as connection:
        number = watched_files.confirm_deletions(connection, source_of(folder.path))
    if not number:
        out.print("No deletions are held back there.")
    elif once:
        out.print(f"{quantity(number, 'document')} may be deleted.")
    else:
        out.print(f"{quantity(number, 'document')} may be deleted. The process that watches the folder does so within")
        out.print(f"seconds; if none does: {command(f'watch {source_of(folder.path)} --confirm-deletions --once')}")


def _update_until_signal(services: Services, folder: WatchFolder) -> Mirror:
    """Watch the folder until Ctrl-C or SIGTERM."""
    from pipeline.watch.loop import watch_all

    ended = threading.Event()
    former = {number: signal.signal(number, lambda *_: ended.set()) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        (mirror,) = watch_all(services, [folder], ended, note, lambda: stack.check(services.settings))
    finally:
        for number, handler in former.items():
            signal.signal(number, handler)
    return mirror


def _update_once(services: Services, folder: WatchFolder, others: list[Path]) -> Mirror:
    """Compare the folder with the catalog once, and wait until its documents are done.

    Raises:
        BadRequest: another process watches the folder.
    """
    from pipeline.catalog.work import attempts
    from pipeline.watch.lease import Lease
    from pipeline.watch.mirror import Mirror

    lease = Lease(services.redis)
    mirror = Mirror(services, folder, others)
    try:
        if not lease.acquire(mirror.root):
            raise BadRequest(f"Another process watches {mirror.root}.", "It keeps the folder in step by itself.")
        mirror.catch_up()
    finally:
        lease.close()
    while True:
        with services.catalog.connect() as connection:
            if not attempts.count_running(connection, _document_ids(mirror)):
                return mirror
        # The catalog would not notice that the stack has ended.
        stack.check(services.settings)
        time.sleep(POLL_S)


def _print_outcome(services: Services, mirror: Mirror) -> int:
    """Print what the update came to.

    Returns:
        The exit code.
    """
    from pipeline.catalog.work import failures

    with services.catalog.connect() as connection:
        failed = failures.count_of_documents(connection, _document_ids(mirror))
    line = f"{mirror.root} is up to date: {quantity(mirror.known.present, 'file')}, {failed} of them failed."
    if mirror.unstable:
        line += f" Left for later: {len(mirror.unstable)} that still change."
    out.print(plain(line))
    if failed:
        out.print(f"See them with: {command('failures list')}")
    return FAILED if failed or mirror.unstable else 0


def _document_ids(mirror: Mirror) -> list[str]:
    """Documents of the files that are in the folder."""
    return [str(row.document_id) for row in mirror.known.values() if row.document_id and not row.gone]


def _explain_hold(folder: WatchFolder, hold: Hold) -> None:
    from pipeline.ingest.walk import source_of
    from pipeline.watch.held_deletions import hold_message

    note(hold_message(hold.reason, hold.files))
    note(f"If they are to go: {command(f'watch {source_of(folder.path)} --confirm-deletions')}")
