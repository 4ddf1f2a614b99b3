"""A data folder of version 0.1.0, killed in the middle of jobs and re-indexes, is backed up and restored.

It has indexes of every role: live ones, others beside them, and points of versions that no reader sees.
"""

from __future__ import annotations

import shutil
import sqlite3
import tarfile
from contextlib import closing
from pathlib import Path

import pytest
import sqlalchemy as sa
from backup_rig import Deployment, embedded
from first_folder import KEPT

from pipeline.backup import back_up, restore
from pipeline.backup.folder import BackupFolder
from pipeline.catalog.database.connection import HEAD
from pipeline.catalog.database.schema import batches, documents, indexes, reindexes, shadows, tasks, versions
from pipeline.settings import Settings
from pipeline.vectorstore import Filter


@pytest.fixture
def first(tmp_path: Path) -> Path:
    """The data folder as it was left."""
    with tarfile.open(KEPT / "first_folder.tar.xz") as packed:
        wanted = [member for member in packed.getmembers() if member.name.startswith("data/")]
        packed.extractall(tmp_path / "first", wanted, filter="data")
    return tmp_path / "first" / "data"


def live_points(deployment: Deployment) -> dict[str, set[str]]:
    """Ids of the points of searchable versions, by index."""
    pointers = (documents.c.live_version_id, shadows.c.live_version_id)
    live = {row[0] for pointer in pointers for row in deployment.rows(sa.select(pointer)) if row[0]}
    rows = deployment.rows(sa.select(versions.c.id, versions.c.index_name).where(versions.c.id.in_(live)))
    found: dict[str, set[str]] = {}
    for row in rows:
        ids = deployment.services.store.ids(row.index_name, Filter(version_ids=(row.id,)))
        found.setdefault(row.index_name, set()).update(ids)
    return found


def test_it_is_restored_with_all_its_indexes_from_a_backup_with_a_catalog_of_that_version(
    first: Path, tmp_path: Path
) -> None:
    shutil.copyfile(first / "catalog.db", tmp_path / "old.db")
    here = embedded(first)
    report = back_up(here.services, tmp_path / "backup")
    expected = live_points(here)
    artifacts = {name: here.services.spool.names(f"batches/{name}") for name in here.services.spool.names("batches")}
    here.close()
    # As that version would have written it.
    shutil.copyfile(tmp_path / "old.db", tmp_path / "backup" / "catalog.db")
    folder = BackupFolder(tmp_path / "backup")
    folder.mark.touch()
    folder.finish({})

    restored = restore(Settings(data_dir=tmp_path / "there", embedding_model="hashing"), tmp_path / "backup")
    there = embedded(tmp_path / "there")

    assert report.missing_points == 0
    assert restored.points == report.points == sum(map(len, expected.values()))
    assert len({name for name in expected if name.endswith("~2")}) >= 1, "an index beside a live one"
    assert live_points(there) == expected
    for name, ids in expected.items():
        assert set(there.services.store.ids(name, Filter())) == ids, "no point of another version"
    kept = {row.name for row in there.rows(sa.select(indexes.c.name).where(indexes.c.role.in_(("live", "building"))))}
    assert kept <= there.services.store.collections().keys()
    running = [row.id for row in there.rows(sa.select(batches.c.id).where(batches.c.state.in_(("waiting", "active"))))]
    assert running
    assert {name: there.services.spool.names(f"batches/{name}") for name in running} == {
        name: artifacts.get(name, []) for name in running
    }
    assert not there.rows(sa.select(tasks.c.id).where(tasks.c.state == "running"))
    assert there.rows(sa.select(reindexes.c.id))
    there.close()
    with closing(sqlite3.connect(tmp_path / "there" / "catalog.db")) as connection:
        assert connection.execute("SELECT version_num FROM alembic_version").fetchall() == [(HEAD,)]
