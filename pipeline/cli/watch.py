"""`docrelay watch`."""

from __future__ import annotations

import signal
import threading
import time
from dataclasses import dataclass
from pathlib import Path

from pipeline import stack
from pipeline.catalog.database.connection import writing
from pipeline.catalog.documents import watched_files
from pipeline.catalog.work import attempts, failures
from pipeline.cli.output import FAILED, command, note, out, plain, several
from pipeline.errors import BadRequest
from pipeline.ingest.walk import source_of
from pipeline.services import Services
from pipeline.settings import Settings
from pipeline.settings.watch_folders import WatchFolder
from pipeline.watch.deletion_guard import Hold, told
from pipeline.watch.lease import Lease
from pipeline.watch.loop import watch_all
from pipeline.watch.mirror import Mirror

__all__ = ["Asked", "run"]

POLL_S = 0.2


@dataclass(frozen=True, slots=True)
class Asked:
    """What the command line says; None leaves it to the settings."""

    folder: Path
    collection: str | None = None
    delete_missing: bool | None = None
    once: bool = False
    confirm: bool = False


def run(settings: Settings, asked: Asked) -> int:
    """Watch a folder until Ctrl-C, bring it up to date once, or confirm deletions.

    Returns:
        The exit code: 1 when deletions are held back, or, after one look, when files failed or still change.
    """
    folder = _folder(settings, asked)
    if asked.confirm:
        return _confirm(settings, folder)
    if not folder.path.is_dir():
        raise BadRequest(f"There is no folder {source_of(folder.path)}.", "Check the path.")
    with stack.connect(settings, say=note) as connected:
        services = Services(connected)
        others = [one.path for one in settings.watch]
        mirror = _once(services, folder, others) if asked.once else _watch(services, folder, connected)
    if mirror.hold is not None:
        _explain(folder, mirror.hold)
        return FAILED
    return _outcome(services, mirror) if asked.once else 0


def _folder(settings: Settings, asked: Asked) -> WatchFolder:
    """The folder as the settings have it, if they do, with what the command line says."""
    named = WatchFolder(path=asked.folder).resolved()
    known = next((one for one in map(WatchFolder.resolved, settings.watch) if one.path == named.path), named)
    said = {"collection": asked.collection, "delete_missing": asked.delete_missing}
    try:
        return WatchFolder(**{**known.model_dump(), **{name: one for name, one in said.items() if one is not None}})
    except ValueError:
        raise BadRequest(
            f"{asked.collection!r} is no name for a collection.", "Use letters, digits, _ and -."
        ) from None


def _confirm(settings: Settings, folder: WatchFolder) -> int:
    with writing(Services(settings).catalog) as connection:
        number = watched_files.confirm(connection, source_of(folder.path))
    if number:
        out.print(f"{several(number, 'document')} may be deleted. Who watches the folder does so within seconds.")
    else:
        out.print("No deletions are held back there.")
    return 0


def _watch(services: Services, folder: WatchFolder, connected: Settings) -> Mirror:
    ended = threading.Event()
    former = {number: signal.signal(number, lambda *_: ended.set()) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        (mirror,) = watch_all(services, [folder], ended, note, lambda: stack.check(connected))
    finally:
        for number, handler in former.items():
            signal.signal(number, handler)
    return mirror


def _once(services: Services, folder: WatchFolder, others: list[Path]) -> Mirror:
    lease = Lease(services.redis)
    mirror = Mirror(services, folder, others)
    try:
        if not lease.acquire(mirror.root):
            raise BadRequest(f"Another process watches {mirror.root}.", "It keeps the folder in step by itself.")
        mirror.catch_up()
    finally:
        lease.close()
    while _busy(services, mirror):
        time.sleep(POLL_S)
    return mirror


def _busy(services: Services, mirror: Mirror) -> bool:
    """Whether documents of the folder are still being worked on."""
    with services.catalog.connect() as connection:
        return attempts.count_running(connection, _document_ids(mirror)) > 0


def _outcome(services: Services, mirror: Mirror) -> int:
    with services.catalog.connect() as connection:
        failed = failures.count_of_documents(connection, _document_ids(mirror))
    told = f"{mirror.root} is up to date: {several(mirror.known.there, 'file')}, {failed} of them failed."
    if mirror.restless:
        told += f" Left for later: {len(mirror.restless)} that still change."
    out.print(plain(told))
    return FAILED if failed or mirror.restless else 0


def _document_ids(mirror: Mirror) -> list[str]:
    return [str(file.document_id) for file in mirror.known.values() if file.document_id and not file.gone]


def _explain(folder: WatchFolder, hold: Hold) -> None:
    note(told(hold.reason, hold.files))
    note(f"If they are to go: {command(f'watch {source_of(folder.path)} --confirm-deletions')}")
