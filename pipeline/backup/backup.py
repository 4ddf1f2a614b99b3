"""Take a backup while the stack works.

The moment of a backup is one at which this process holds the catalog's write lock. Whatever removes points or files
first commits that they are not needed any more, so that nothing that is needed at that moment is removed as long as
the lock is held. Almost everything is copied before, without the lock, in rounds of which each is shorter than the
one before; under the lock only what has changed since is copied. If that takes longer than the pause may last, the
lock is given back, and another round follows. A process that is killed gives the lock back too: no mark is left
behind that would have to expire.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

from pipeline.backup.failure_notice import report_failure
from pipeline.backup.file_copy import FileCopy, artifacts, changed_files, needed_files
from pipeline.backup.folder import BackupFolder
from pipeline.backup.manifest import Manifest, write_manifest
from pipeline.backup.point_copy import PointCopy, Wanted
from pipeline.backup.snapshots import save_snapshots
from pipeline.catalog import Connection
from pipeline.catalog.database.connection import writing
from pipeline.catalog.database.copying import copy_out, one_moment
from pipeline.catalog.documents import restoring
from pipeline.catalog.index import indexes
from pipeline.catalog.index.indexes import Index
from pipeline.disk import NO_ROOM
from pipeline.errors import BadRequest, StackUnavailable
from pipeline.gates_for_tests import BACKUP, pass_gate
from pipeline.results import BackupReport, iso
from pipeline.services import Services
from pipeline.settings.printable import printable_settings
from pipeline.vectorstore import VectorStore
from pipeline.vectorstore.remote import RemoteStore

__all__ = ["Say", "back_up"]

Say = Callable[[str], None]
"""Takes a line about the progress."""

SMALL_ROUND = 200
"""Versions that a round leaves to the one under the lock."""

ROUNDS = 8
"""Rounds without the lock at most, before it is tried."""

CLOCKS_S = 300.0
"""By so much the clocks of hosts may differ."""

STORE_TIMEOUT_S = 20.0
"""Longest wait for an answer of the process that owns the vectors."""

PAUSES_S = (2.0, 5.0, 10.0, 20.0, 30.0)
"""How long the lock is held at most: at the first try, the second and so on."""


@dataclass
class _Copies:
    """What is copied so far; `seen_at` is when the last round without the lock read the catalog."""

    services: Services
    folder: BackupFolder
    points: PointCopy
    files: FileCopy
    seen_at: float = 0.0


@dataclass(frozen=True)
class _Moment:
    """What is needed at the moment of the backup."""

    at: float
    wanted: Wanted
    unfinished: list[str]
    paused_s: float


def back_up(
    services: Services, path: Path, say: Say = lambda _line: None, *, qdrant_snapshots: bool = False
) -> BackupReport:
    """Write a backup of everything into a new folder.

    Args:
        services: on the stack, if the vectors are in the data folder.
        path: the folder.
        say: takes lines about the progress.
        qdrant_snapshots: also the snapshots that the Qdrant server makes itself.

    Raises:
        BadRequest: the folder is not empty, or lies in the data folder; snapshots are wanted, and there is no server.
        StackUnavailable: the disk of the folder is full, or a service does not answer.
    """
    begun_at = time.time()
    folder = BackupFolder(path.absolute())
    with report_failure(services, str(folder.path)), _explain_full_disk(folder.path):
        _check(services, path, qdrant_snapshots=qdrant_snapshots)
        folder.create()
        copies = _Copies(services, folder, PointCopy(_store(services), folder), FileCopy(services.spool, folder))
        _copy_without_lock(copies, say)
        if qdrant_snapshots:
            save_snapshots(services, folder, say)
        pass_gate(BACKUP, "backup")
        return _finish(copies, begun_at, say)


def _check(services: Services, path: Path, *, qdrant_snapshots: bool) -> None:
    if path.resolve().is_relative_to(services.settings.data_dir.resolve()):
        raise BadRequest(f"{path} lies in the data folder, and would be lost with it.", "Name a folder elsewhere.")
    if qdrant_snapshots and services.settings.qdrant_url is None:
        raise BadRequest("There is no Qdrant server that could make snapshots.", "Leave out --qdrant-snapshots.")


def _store(services: Services) -> VectorStore:
    """The store; a process that owns it and hangs ends the backup before writers give up waiting for the lock."""
    store = services.store
    return RemoteStore(services.redis, STORE_TIMEOUT_S) if isinstance(store, RemoteStore) else store


def _copy_without_lock(copies: _Copies, say: Say) -> None:
    """Copy in rounds until little has changed since the last one."""
    for number in range(ROUNDS):
        copies.seen_at = time.time()
        with one_moment(copies.services.catalog) as reader:
            wanted = restoring.searchable_versions(reader)
            keys = sorted(needed_files(copies.services, reader))
        left = copies.points.left(wanted)
        if number and left <= SMALL_ROUND:
            copies.files.copy(keys)
            return
        say(f"Copying the points of {left} document versions, and files")
        copies.points.copy(wanted)
        copies.files.copy(keys)


def _finish(copies: _Copies, begun_at: float, say: Say) -> BackupReport:
    services, folder = copies.services, copies.folder
    with ExitStack() as scope:
        reader, moment = _take_moment(copies, scope, say)
        say("Copying the catalog")
        copy_out(reader, folder.catalog)
        keys = needed_files(services, reader)
        counts, known = restoring.counts(reader), {name: indexes.get(reader, name) for name in moment.wanted}
    # Without the reader: what follows may take long, and PostgreSQL ends a transaction that is idle for minutes.
    # Texts that were written again since they were copied; and originals that intake was about to write.
    copies.files.copy(sorted(keys), changed=True)
    points = copies.points.finish(moment.wanted)
    manifest = Manifest(
        begun_at=begun_at,
        moment=moment.at,
        counts=counts,
        indexes={name: _index_facts(known[name], number) for name, number in points.items()},
        files=copies.files.finish({*keys, *moment.unfinished}),
        missing_points=copies.points.missing,
    )
    folder.settings.write_text(json.dumps(printable_settings(services.settings), indent=2) + "\n", "utf-8")
    write_manifest(folder.manifest, manifest)
    say("Comparing every file with its checksum")
    folder.finish({**copies.points.checksums, **copies.files.checksums})
    return _report(folder.path, manifest, moment.paused_s)


def _take_moment(copies: _Copies, scope: ExitStack, say: Say) -> tuple[Connection, _Moment]:
    """Hold the write lock while the last changes are copied.

    Returns:
        A connection that sees the catalog of that moment, and what is needed at it.
    """
    for pause_s in PAUSES_S:
        with ExitStack() as trial:
            with writing(copies.services.catalog, urgent=True):
                began = time.monotonic()
                reader = trial.enter_context(one_moment(copies.services.catalog))
                moment = _copy_last_changes(copies, reader, began, pause_s)
            if moment is not None:
                scope.push(trial.pop_all())
                return reader, moment
        say("More has changed than fits into a short pause: another round follows")
        _copy_without_lock(copies, say)
    raise StackUnavailable(
        "The index changes faster than it can be copied.", "Take the backup while less is being ingested."
    )


def _copy_last_changes(copies: _Copies, reader: Connection, began: float, pause_s: float) -> _Moment | None:
    """Copy what has changed since the last round; None if that takes longer than the pause may last."""
    at, deadline = time.time(), began + pause_s
    wanted = restoring.searchable_versions(reader)
    keys = changed_files(reader, copies.seen_at - CLOCKS_S)
    unfinished = artifacts(copies.services, reader)
    done = (
        copies.points.copy(wanted, deadline, final=True)
        and copies.files.copy(keys, deadline)
        and copies.files.copy(unfinished, deadline, changed=True)
    )
    return _Moment(at, wanted, unfinished, time.monotonic() - began) if done else None


def _index_facts(index: Index, points: int) -> dict[str, object]:
    return {"collection": index.collection, "points": points, "fingerprint": index.fingerprint.id}


def _report(path: Path, manifest: Manifest, paused_s: float) -> BackupReport:
    return BackupReport(
        folder=str(path),
        moment=iso(manifest.moment) or "",
        **manifest.counts,
        points=manifest.points,
        missing_points=manifest.missing_points,
        files=manifest.files,
        size=sum(file.stat().st_size for file in path.rglob("*") if file.is_file()),
        paused_s=round(paused_s, 3),
        seconds=round(time.time() - manifest.begun_at, 3),
    )


@contextmanager
def _explain_full_disk(path: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        if error.errno not in NO_ROOM:
            raise
        raise StackUnavailable(
            f"disk full: {path}. The backup there is incomplete.", "Remove it, and name a folder with more room."
        ) from error
