"""Pages that OCR has read of a document that failed are not read again by its retry."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa

from extractors.document import Page
from pipeline.catalog.database.connection import writing
from pipeline.catalog.database.schema import attempts as table
from pipeline.catalog.database.schema import failures
from pipeline.catalog.documents import records
from pipeline.catalog.documents.versions import FileRecord
from pipeline.catalog.work import attempts, batches
from pipeline.catalog.work.failures import Failure
from pipeline.catalog.work.ledger import Claim
from pipeline.errors.problem import Problem
from pipeline.ingest.cleanup import KEEP_OCR_S, clean_up
from pipeline.ingest.delete import delete
from pipeline.ingest.placement import placement_of
from pipeline.ingest.request import Request
from pipeline.ingest.submit import record_job
from pipeline.plan import PLAIN
from pipeline.services import Services
from pipeline.settings import Settings
from pipeline.spool import LocalSpool, read_json, write_json
from pipeline.stages import finalize, ocr
from pipeline.stages.artifacts import batch_prefix, ocr_key
from pipeline.stages.discard import keys_in
from pipeline.stages.kept_ocr import OCR
from pipeline.stages.sandbox import Sandbox

FILE = FileRecord("/in/scan.pdf", "ab" * 32, 100, 0.0)
TIMEOUT = Failure("ocr", Problem("timeout", "A page took too long.", "Split it."))


@pytest.fixture
def services(tmp_path: Path) -> Iterator[Services]:
    services = Services(Settings(data_dir=tmp_path, embedding_model="hashing"), owner=True)
    yield services
    services.store.close()
    services.catalog.dispose()


def begin(services: Services) -> Claim:
    """Begin an attempt of the scan; there is no file: what reads it fails."""
    with writing(services.catalog) as connection:
        job = record_job(connection, services, Request([]), [100])
        placement, recipe = placement_of(services, connection, job)
        taken = records.record(connection, job.id, recipe, FILE, placement)
        batch_id = batches.create(connection, job.id, 5, [str(taken.attempt_id)], active=True)
    return Claim("task", batch_id, "ocr", 0, 1, {}, job.id, 5, PLAIN, "test")


def group(*numbers: int, origin: str = "ocr") -> dict[str, Any]:
    """What an OCR task writes about these pages."""
    pages = [Page(number, f"Page {number}.", origin=origin) for number in numbers]  # type: ignore[arg-type]
    return {"pages": [page.to_json() for page in pages], "warnings": ["It was pale."]}


def end(services: Services, claim: Claim, cause: Failure | None) -> None:
    """End the document, and the batch with it."""
    with writing(services.catalog) as connection:
        ids = connection.scalars(sa.select(table.c.id).where(table.c.batch_id == claim.batch_id)).all()
        if cause is None:
            attempts.complete(connection, ids)
        else:
            attempts.fail(connection, dict.fromkeys(ids, cause))
    done = finalize.work(services, replace(claim, stage="finalize"))
    assert done.tidy is not None
    done.tidy()
    assert services.spool.names(batch_prefix(claim.batch_id)) == []


def read(services: Services, claim: Claim, part: int, *numbers: int) -> bool:
    """Do an OCR task; whether its pages are there, though there is no file to read."""
    sandbox = Sandbox(2048)
    done = ocr.work(services, replace(claim, part=part, detail={"pages": list(numbers)}), sandbox)
    sandbox.close()
    with writing(services.catalog) as connection:
        done.record(connection)
    return services.spool.exists(ocr_key(claim.batch_id, part))


def failed_with_pages(services: Services) -> None:
    """An attempt that failed after three of its four groups; a page of the third one could not be read."""
    claim = begin(services)
    write_json(services.spool, ocr_key(claim.batch_id, 0), group(1, 2, 3, 4))
    write_json(services.spool, ocr_key(claim.batch_id, 1), group(5, 6, 7, 8))
    write_json(services.spool, ocr_key(claim.batch_id, 2), group(9, 10, origin="failed"))
    end(services, claim, TIMEOUT)


def test_a_retry_reads_only_the_pages_that_are_left(services: Services) -> None:
    failed_with_pages(services)
    claim = begin(services)
    assert read(services, claim, 0, 1, 2, 3, 4)
    pages = read_json(services.spool, ocr_key(claim.batch_id, 0))
    assert [page["text"] for page in pages["pages"]] == ["Page 1.", "Page 2.", "Page 3.", "Page 4."]
    assert pages["warnings"] == ["It was pale."]
    with services.catalog.connect() as connection:
        done = connection.scalar(sa.select(table.c.pages_done).where(table.c.batch_id == claim.batch_id))
    assert done == 4
    assert not read(services, claim, 2, 9, 10)


def test_other_groups_of_pages_are_read(services: Services) -> None:
    failed_with_pages(services)
    assert not read(services, begin(services), 0, 1, 2, 3)


def test_a_damaged_group_is_read_again(services: Services) -> None:
    failed_with_pages(services)
    for key in keys_in(services.spool, OCR):
        for name in services.spool.names(key):
            services.spool.write(f"{key}/{name}", b"damaged")
    assert not read(services, begin(services), 0, 1, 2, 3, 4)


def test_pages_of_a_completed_document_are_not_kept(services: Services) -> None:
    failed_with_pages(services)
    assert len(keys_in(services.spool, OCR)) == 1
    claim = begin(services)
    write_json(services.spool, ocr_key(claim.batch_id, 0), group(1, 2, 3, 4))
    end(services, claim, None)
    assert keys_in(services.spool, OCR) == set()


def test_pages_of_a_document_that_is_deleted_go_with_it(services: Services) -> None:
    failed_with_pages(services)
    assert delete(services, "documents", [FILE.source]).documents == 1
    assert keys_in(services.spool, OCR) == set()


def test_the_clean_up_removes_them_after_a_week(services: Services) -> None:
    failed_with_pages(services)
    clean_up(services)
    (key,) = keys_in(services.spool, OCR)
    assert isinstance(services.spool, LocalSpool)
    old = time.time() - KEEP_OCR_S - 60
    folder = services.spool.root / key
    for path in (*folder.iterdir(), folder):
        os.utime(path, (old, old))
    clean_up(services)
    assert keys_in(services.spool, OCR) == set()
    with services.catalog.connect() as connection:
        assert connection.scalar(sa.select(sa.func.count()).select_from(failures)) == 1
