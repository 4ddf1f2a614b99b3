"""Restore a backup into an empty data folder, or into an empty distributed deployment.

Files and points come first; the catalog is filled last, in one transaction, which is what makes the restored
documents exist. Until then a row in the catalog says that a restore has begun: other processes refuse to use it, and
the next restore begins anew.
"""

from __future__ import annotations

import json
import os
import shutil
import time
import uuid
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import replace
from pathlib import Path

from pipeline.backup.folder import BackupFolder
from pipeline.backup.manifest import Manifest, read_manifest
from pipeline.backup.point_files import read_points
from pipeline.backup.snapshots import recover_snapshot
from pipeline.backup.target import Target, open_target
from pipeline.catalog import Connection
from pipeline.catalog.database.connection import writing
from pipeline.catalog.database.copying import fill, up_to_date
from pipeline.catalog.database.id_lists import split_list
from pipeline.catalog.documents import restoring
from pipeline.catalog.index import indexes
from pipeline.disk.temporary_folder import temporary_folder, tmp_of
from pipeline.errors import BackupUnusable, BadRequest, StackUnavailable, VerificationFailed
from pipeline.results import RestoreReport, iso
from pipeline.settings import Settings
from pipeline.settings.printable import printable_settings
from pipeline.vectorstore import Filter, Point

__all__ = ["restore"]

UPSERT = 500
"""Points that are written at once."""

SAY_EVERY_S = 5.0

Say = Callable[[str], None]

PLACES = frozenset({"data_dir", "redis_url", "broker_url", "qdrant_url", "database_url", "spool_url", "log_to"})
"""Settings that are expected to differ on another machine."""


def restore(settings: Settings, path: Path, say: Say = lambda _line: None) -> RestoreReport:
    """Restore a backup; no stack may run on the data folder, and no worker on the deployment.

    Args:
        settings: where to: the data folder, or the URLs of the services.
        path: the folder of the backup; nothing is changed in it.
        say: takes lines about the progress.

    Raises:
        BackupUnusable: it is incomplete, damaged, or of a newer version.
        Conflict: the target is not empty, or processes work on it.
    """
    began = time.time()
    folder = BackupFolder(path.absolute())
    folder.check_complete()
    manifest = read_manifest(folder.manifest)
    say("Comparing every file of the backup with its checksum")
    folder.verify()
    with ExitStack() as scope:
        source = scope.enter_context(_open_copy(folder, settings.data_dir))
        target = scope.enter_context(open_target(settings))
        target.begin(list(manifest.indexes))
        _restore_files(target, folder, say)
        _restore_points(target, source, folder, manifest, say)
        say("Filling the catalog")
        with writing(target.catalog) as connection:
            fill(connection, source)
            restoring.adapt(connection, manifest.begun_at)
            restored = restoring.counts(connection)
        _set_aliases(target, manifest)
    if restored != manifest.counts:
        raise VerificationFailed(f"The catalog has {restored}, and the backup has {manifest.counts}.")
    return RestoreReport(
        folder=str(path),
        moment=iso(manifest.moment) or "",
        **restored,
        points=manifest.points,
        files=manifest.files,
        other_settings=_other_settings(folder, settings),
        seconds=round(time.time() - began, 3),
    )


@contextmanager
def _open_copy(folder: BackupFolder, data_dir: Path) -> Iterator[Connection]:
    """A connection to a copy of the backup's catalog, brought up to date; the backup itself stays as it is."""
    data_dir.mkdir(mode=0o700, parents=True, exist_ok=True)
    with ExitStack() as scope:
        place = scope.enter_context(temporary_folder(tmp_of(data_dir), "restore-"))
        copy = place / "catalog.db"
        shutil.copyfile(folder.catalog, copy)
        try:
            connection = scope.enter_context(up_to_date(copy))
        except StackUnavailable as error:
            raise BackupUnusable(
                "The catalog of the backup was written by a newer version of Docrelay.",
                "Restore it with that version, or a newer one.",
            ) from error
        yield connection


def _restore_files(target: Target, folder: BackupFolder, say: Say) -> None:
    """Copy the files into the spool, by way of a draft: the spool may keep a second name of what it is given."""
    say("Copying files")
    for path in folder.spool.rglob("*"):
        if path.is_file():
            draft = target.drafts / uuid.uuid4().hex
            shutil.copyfile(path, draft)
            target.spool.put_file(path.relative_to(folder.spool).as_posix(), draft)
            draft.unlink()


def _restore_points(target: Target, source: Connection, folder: BackupFolder, manifest: Manifest, say: Say) -> None:
    """Write all points, as readers see them, and count them.

    Raises:
        VerificationFailed: the store has another number of points afterwards.
    """
    done, said_at = 0, time.monotonic()
    for name, facts in manifest.indexes.items():
        there = recover_snapshot(target.settings, target.store, folder, name)
        target.store.ensure(name, indexes.get(source, name).fingerprint)
        for path in sorted((folder.points / name).glob("*.jsonl.gz")):
            for points in split_list(read_points(path), UPSERT):
                target.store.upsert(name, [_live(point) for point in points if point.id not in there])
                done += len(points)
                if time.monotonic() - said_at > SAY_EVERY_S:
                    said_at = time.monotonic()
                    say(f"Points: {done} of {manifest.points}")
        stored = target.store.count(name, Filter())
        if stored != facts["points"]:
            raise VerificationFailed(f"The index {name} has {stored} points, and the backup has {facts['points']}.")
    target.store.maintain()
    os.sync()


def _live(point: Point) -> Point:
    """The point, visible: a task that was done twice may just have written it again when it was copied."""
    return replace(point, payload={**point.payload, "live": True})


def _set_aliases(target: Target, manifest: Manifest) -> None:
    with target.catalog.connect() as connection:
        live = {
            facts["collection"]: indexes.live(connection, facts["collection"]) for facts in manifest.indexes.values()
        }
    for collection, index in live.items():
        # Docrelay itself uses the name of the index; the alias is for other programs.
        with suppress(BadRequest):
            if index is not None:
                target.store.set_alias(collection, index.name)


def _other_settings(folder: BackupFolder, settings: Settings) -> list[str]:
    """Names of the settings that had other values where the backup was taken, but for those of places."""
    try:
        then = json.loads(folder.settings.read_text("utf-8"))
    except ValueError as error:
        raise BackupUnusable(f"{folder.settings} cannot be read: {error}") from error
    now = json.loads(json.dumps(printable_settings(settings)))
    return sorted(name for name in then.keys() & now.keys() - PLACES if then[name] != now[name])
