"""A commit that the database refuses: the stage is repeated, and no file was removed."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from pathlib import Path

import pytest
import sqlalchemy as sa
from flow_rig import FlowRig, stack_on
from flow_tools import eventually, write_documents

from pipeline.catalog.database import schema
from pipeline.catalog.database.connection import writing
from pipeline.spool import original_key


@pytest.fixture(scope="module")
def rig(tmp_path_factory: pytest.TempPathFactory) -> Iterator[FlowRig]:
    with stack_on(tmp_path_factory.mktemp("commit") / "data") as stack:
        yield stack


def test_failed_commit_loses_no_original(rig: FlowRig, tmp_path: Path) -> None:
    """finalize cannot commit for a while: the copy of the file is still there, so the batch can start again."""
    (path,) = write_documents(tmp_path / "in", 1, seed=77)
    refuse = "CREATE TRIGGER refuse BEFORE UPDATE ON batches WHEN NEW.state = 'done'"
    with writing(rig.services.catalog) as connection:
        connection.execute(sa.text(f"{refuse} BEGIN SELECT RAISE(ABORT, 'refused by a test'); END"))
    key = original_key(hashlib.sha256(path.read_bytes()).hexdigest(), str(path))
    try:
        job = rig.submit(path, collection="refused")
        started = schema.tasks.c.stage == "finalize", schema.tasks.c.starts >= 2
        assert eventually(lambda: rig.tasks_of(job, *started), 120)
        assert rig.services.spool.exists(key)
    finally:
        with writing(rig.services.catalog) as connection:
            connection.execute(sa.text("DROP TRIGGER refuse"))
    assert rig.wait(job) == {"completed": 1}
    rig.assert_exact("refused")
    assert eventually(lambda: not rig.services.spool.exists(key), 60)
