"""A cancel reaches the reading of a file: the process is free at once, and the documents beside it are read.

The stages run without a worker. "While the file is read" is a closed gate, at which the sandbox's child waits.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
import sqlalchemy as sa
from flow_tools import eventually
from gates import FOLDER, Gates

from pipeline.catalog.database.connection import writing
from pipeline.catalog.database.schema import attempts
from pipeline.catalog.documents import records
from pipeline.catalog.documents.versions import FileRecord
from pipeline.catalog.work import batches, cancel
from pipeline.catalog.work.ledger import Claim
from pipeline.gates_for_tests import SANDBOX
from pipeline.ingest.placement import placement_of
from pipeline.ingest.request import Request
from pipeline.ingest.submit import record_job
from pipeline.plan import PLAIN
from pipeline.services import Services
from pipeline.settings import Settings
from pipeline.spool import original_key
from pipeline.stages import extract, ocr
from pipeline.stages.artifacts import kept_document, ocr_key, text_key
from pipeline.stages.sandbox import Sandbox

HANGS_S = 120.0
"""Only a hang reaches it."""


class Reading:
    """A batch of documents, and a sandbox that reads them in a thread."""

    def __init__(self, services: Services, gates: Gates) -> None:
        self.services = services
        self.gates = gates
        self.sandbox = Sandbox(2048)
        self.pool = ThreadPoolExecutor(1)

    def batch(self, texts: Sequence[str]) -> Claim:
        """Record one document for each text, in one batch, whose task is extract."""
        with writing(self.services.catalog) as connection:
            job = record_job(connection, self.services, Request([]), [100] * len(texts))
            placement, recipe = placement_of(self.services, connection, job)
            files = [FileRecord(f"/in/{n}.txt", f"{n:064d}", 100, 0.0) for n in range(len(texts))]
            ids = [records.record(connection, job.id, recipe, file, placement).attempt_id or "" for file in files]
            batch_id = batches.create(connection, job.id, 5, ids, active=True)
        for file, text in zip(files, texts, strict=True):
            self.services.spool.write(original_key(file.content_sha256, file.source), text.encode())
        return Claim("task", batch_id, "extract", 0, 1, {"pages": [1]}, job.id, 5, PLAIN, "test")

    def ids(self, claim: Claim) -> list[str]:
        """Ids of the attempts of a batch in the order in which they are read."""
        query = sa.select(attempts.c.id).where(attempts.c.batch_id == claim.batch_id).order_by(attempts.c.id)
        with self.services.catalog.connect() as connection:
            return list(connection.scalars(query))

    def cancel(self, attempt_id: str) -> None:
        """Cancel the document of an attempt."""
        with writing(self.services.catalog) as connection:
            document = connection.scalar(sa.select(attempts.c.document_id).where(attempts.c.id == attempt_id))
            cancel.cancel_document(connection, str(document))

    def was_read(self, claim: Claim, attempt_id: str) -> bool:
        return kept_document(self.services.spool, text_key(claim.batch_id, attempt_id)) is not None


@pytest.fixture
def reading(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Reading]:
    gates = Gates(tmp_path / "gates")
    monkeypatch.setenv(FOLDER, str(gates.folder))
    services = Services(Settings(data_dir=tmp_path / "data", embedding_model="hashing"))
    made = Reading(services, gates)
    yield made
    gates.open()
    made.sandbox.close()
    made.pool.shutdown()


def test_cancel_frees_the_process_in_the_middle_of_ocr(reading: Reading) -> None:
    claim = reading.batch(["a picture"])
    reading.gates.close(SANDBOX)
    (attempt_id,) = reading.ids(claim)
    task = reading.pool.submit(ocr.work, reading.services, claim, reading.sandbox)
    reading.gates.arrived(SANDBOX)
    reading.cancel(attempt_id)
    done = task.result(HANGS_S)  # the gate is still closed
    with writing(reading.services.catalog) as connection:
        done.record(connection)
        (row,) = connection.execute(sa.select(attempts.c.state, attempts.c.code))
    assert tuple(row) == ("cancelled", None)
    assert not reading.services.spool.exists(ocr_key(claim.batch_id, 0))
    assert not reading.gates.waiting(SANDBOX)


def test_of_a_batch_only_the_cancelled_documents_are_left_out(
    reading: Reading, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One of them is cancelled while it is read, another before its turn."""
    monkeypatch.setattr(extract, "FLUSH_S", HANGS_S)  # progress is announced through Redis, which does not run here
    claim = reading.batch([f"The text number {number} is about lighthouses." for number in range(4)])
    now, later = reading.ids(claim)[:2], reading.ids(claim)[3]
    reading.gates.close(SANDBOX)
    task = reading.pool.submit(extract.work, reading.services, claim, reading.sandbox)
    (first,) = reading.gates.arrived(SANDBOX)
    reading.cancel(later)
    reading.cancel(now[0])
    assert eventually(lambda: {visitor.pid for visitor in reading.gates.waiting(SANDBOX)} - {first.pid}, HANGS_S)
    reading.gates.open()
    done = task.result(HANGS_S)
    with writing(reading.services.catalog) as connection:
        done.record(connection)
    assert [reading.was_read(claim, attempt_id) for attempt_id in reading.ids(claim)] == [False, True, True, False]
    assert done.facts is not None
    assert (done.facts["read"], done.facts["failed"]) == (2, 0)
