"""Snapshots of a Qdrant server in a backup: a large index is restored from one without building its graph anew.

A snapshot is of some moment while the backup runs. What differs from the backup's own moment is corrected after its
recovery by the points that the backup has in any case.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import closing
from pathlib import Path

from pipeline.backup.folder import BackupFolder, sha256_of
from pipeline.backup.point_files import read_points
from pipeline.catalog.database.copying import one_moment
from pipeline.catalog.database.id_lists import split_list
from pipeline.catalog.documents import restoring
from pipeline.errors import PipelineError
from pipeline.services import Services
from pipeline.settings import Settings
from pipeline.vectorstore import Filter, VectorStore
from pipeline.vectorstore.qdrant_snapshots import QdrantSnapshots

__all__ = ["recover_snapshot", "save_snapshots"]

DELETED = 1000
"""Points that one request deletes."""


def save_snapshots(services: Services, folder: BackupFolder, say: Callable[[str], None]) -> None:
    """Have the server make a snapshot of every index that it has, and download them."""
    settings = services.settings
    with one_moment(services.catalog) as reader:
        names = restoring.searchable_versions(reader).keys() & services.store.collections().keys()
    folder.snapshots.mkdir(mode=0o700)
    with closing(QdrantSnapshots(settings.qdrant_url or "", settings.qdrant_api_key)) as snapshots:
        for name in sorted(names):
            say(f"Snapshot of {name}")
            snapshots.save(name, folder.snapshots / name)


def recover_snapshot(settings: Settings, store: VectorStore, folder: BackupFolder, name: str) -> set[str]:
    """Recover an index of a Qdrant server from the snapshot in a backup, and remove what is not of its moment.

    Returns:
        The ids of the points that the index has now; none if there is no server or no snapshot, or the server refuses
        it: then the index does not exist.
    """
    path = folder.snapshots / name
    if settings.qdrant_url is None or not path.is_file():
        return set()
    with closing(QdrantSnapshots(settings.qdrant_url, settings.qdrant_api_key)) as snapshots:
        try:
            snapshots.recover(name, path, sha256_of(path))
        except PipelineError:
            store.drop(name)
            return set()
        wanted = {point.id for file in _files(folder, name) for point in read_points(file)}
        found = set(store.ids(name, Filter()))
        for ids in split_list(sorted(found - wanted), DELETED):
            snapshots.delete_points(name, ids)
    # Of a version that was still being built when the snapshot was made, the points were not visible yet.
    store.set_payload(name, {"live": True}, Filter(live=False))
    return found & wanted


def _files(folder: BackupFolder, name: str) -> list[Path]:
    return sorted((folder.points / name).glob("*.jsonl.gz"))
