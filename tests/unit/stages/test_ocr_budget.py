"""A document has a budget of OCR: what was read within it is kept, the other pages are named. No worker runs."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from extractors.document import Document, Page
from extractors.errors import TimedOut
from pipeline.catalog.database.connection import writing
from pipeline.catalog.database.schema import tasks
from pipeline.catalog.documents import records
from pipeline.catalog.documents.versions import FileRecord
from pipeline.catalog.work import batch_documents, batches, ledger, turns
from pipeline.catalog.work.ledger import Claim
from pipeline.errors.problem import problem_of
from pipeline.ingest.placement import placement_of
from pipeline.ingest.request import Request
from pipeline.ingest.submit import record_job
from pipeline.services import Services
from pipeline.settings import Settings
from pipeline.spool import write_json
from pipeline.stages import ocr
from pipeline.stages.artifacts import ocr_key, text_key
from pipeline.stages.batch_texts import Texts
from pipeline.stages.receipt import sentences
from pipeline.stages.sandbox import Sandbox

GROUPS = [[1, 2], [3, 4], [5, 6], [7]]
BUDGET_S, HOUR_S = 60.0, 3600.0
TEXT = (Page(1, "The ferry", origin="ocr"), Page(2, "leaves.", origin="ocr"))
NOTHING = (Page(1, "", origin="empty"), Page(2, "", origin="empty"))


@pytest.fixture
def services(tmp_path: Path) -> Services:
    return Services(Settings(data_dir=tmp_path / "data", embedding_model="hashing", ocr_budget_s=BUDGET_S))


def scanned(services: Services, first: tuple[Page, ...], took_s: float) -> Claim:
    """A scan of seven pages whose first group was read in so many seconds. Returns the claim of the second group."""
    with writing(services.catalog) as connection:
        job = record_job(connection, services, Request([]), [100])
        placement, recipe = placement_of(services, connection, job)
        recorded = records.record(connection, job.id, recipe, FileRecord("/in/a.tif", "0" * 64, 9, 0.0), placement)
        attempt_id = str(recorded.attempt_id)
        batch_id = batches.create(connection, job.id, 5, [attempt_id], active=True)
        turns.add(connection, batch_id, "ocr", [{"attempts": [attempt_id], "pages": group} for group in GROUPS], 1)
        name = ledger.task_id(batch_id, "ocr")
        ledger.claim(connection, name, "w", ())
        assert ledger.finish(connection, name, "w")
        connection.execute(tasks.update().where(tasks.c.id == name).values(started_at=10.0, finished_at=10.0 + took_s))
        assert turns.pass_on(connection, batch_id, "ocr") == 1
        claim = ledger.claim(connection, ledger.task_id(batch_id, "ocr", 1), "w", ())
    assert claim is not None
    pages = tuple(Page(number, "", origin="pending") for group in GROUPS for number in group)
    write_json(services.spool, text_key(batch_id, attempt_id), Document("image/tiff", pages).to_json())
    write_json(services.spool, ocr_key(batch_id, 0), {"pages": [page.to_json() for page in first], "warnings": []})
    return claim


def read_on(services: Services, claim: Claim) -> None:
    """Do the second group to its commit. There is no file: what opens it fails."""
    done = ocr.work(services, claim, Sandbox(2048))
    with writing(services.catalog) as connection:
        done.record(connection)
        assert ledger.finish(connection, claim.task_id, "w")


def loaded(services: Services, claim: Claim) -> Document:
    """The document as `chunk` gets it."""
    with services.catalog.connect() as connection:
        (attempt,) = batch_documents.running(connection, claim.batch_id)
    return Texts(services, replace(claim, stage="chunk", part=0)).load(attempt)


def test_what_was_read_within_the_budget_is_kept(services: Services) -> None:
    claim = scanned(services, TEXT, BUDGET_S)
    read_on(services, claim)
    with services.catalog.connect() as connection:
        assert ledger.count_unfinished(connection, claim.batch_id, ["ocr"]) == 0
    document = loaded(services, claim)
    assert [page.origin for page in document.pages] == ["ocr", "ocr", *["unread"] * 5]
    assert document.text.strip() == "The ferry\nleaves."
    assert document.warnings == (
        "OCR has worked 60 s on this file, as long as `ocr_budget_s` allows: its other pages are not read.",
    )
    assert sentences(document)["missing"] == ["Pages 3-7 could not be read by OCR."]


def test_document_without_any_text_within_the_budget_fails_as_timeout(services: Services) -> None:
    claim = scanned(services, NOTHING, BUDGET_S)
    read_on(services, claim)
    with pytest.raises(TimedOut, match="ocr_budget_s") as caught:
        loaded(services, claim)
    problem = problem_of(caught.value)
    assert problem.code == "timeout"
    assert "`ocr_budget_s`" in str(problem.hint)


@pytest.mark.parametrize("took_s", [BUDGET_S - 1, HOUR_S, -HOUR_S], ids=["worked", "clock set on", "clock set back"])
def test_within_the_budget_the_file_is_read(services: Services, took_s: float) -> None:
    """A clock that is set while a task works makes that task no longer than its limit: 12 s for each of four pages."""
    services = Services(services.settings.model_copy(update={"ocr_timeout_s": 12.0}))
    claim = scanned(services, TEXT, took_s)
    done = ocr.work(services, claim, Sandbox(2048))
    with writing(services.catalog) as connection:
        done.record(connection)  # the file is not there
        assert batch_documents.running(connection, claim.batch_id) == []
        assert ledger.count_unfinished(connection, claim.batch_id, ["ocr"]) == 3
