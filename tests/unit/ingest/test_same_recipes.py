"""Which files count as unchanged: after an upgrade, under other settings, and in jobs with an OCR mode of their own."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa

from extractors.options import OcrMode
from pipeline.catalog.database.connection import writing
from pipeline.catalog.database.schema import versions
from pipeline.catalog.documents import live_versions, records
from pipeline.catalog.documents.versions import FileRecord
from pipeline.catalog.work import jobs
from pipeline.catalog.work.jobs import Job
from pipeline.ingest.placement import current_recipe, placement_of
from pipeline.plan import CHUNKER_VERSION, earlier_extractions, extraction, recipe
from pipeline.services import Services
from pipeline.settings import Settings, load_settings

FILE = FileRecord("/scan.pdf", "ab" * 32, 10, 1.0)


def settings(folder: Path, **chosen: Any) -> Settings:
    return load_settings({"data_dir": folder, "embedding_model": "hashing", **chosen})


def ingest(services: Services, ocr: OcrMode | None = None, *, complete: bool = True) -> str:
    """Ingest the file in a job with this mode; what intake says of it."""
    job = Job("documents", "ingest", 5, ocr=ocr)
    services.models.load_facts(services.spec)
    with writing(services.catalog) as connection:
        jobs.create(connection, job, "request", 0)
        placement, made = placement_of(services, connection, job)
        assert current_recipe(services, connection, job, None) == (made, placement.same)
        result = records.record(connection, job.id, made, FILE, placement)
        if result.outcome == "new" and complete:
            query = sa.select(versions.c.id).order_by(versions.c.sequence.desc()).limit(1)
            live_versions.switch(connection, {result.document_id: str(connection.scalar(query))})
    return result.outcome


def as_of(services: Services, chunker: str, reading: str | None = None) -> None:
    """Turn the recipe of the live version into that of an earlier version of Docrelay."""
    with writing(services.catalog) as connection:
        index = placement_of(services, connection, Job("documents", "ingest", 5))[0].index
        assert index
        name = reading or earlier_extractions(services.settings)[0]
        made = recipe(name, services.cutting(services.spec), services.fingerprint.id, chunker=chunker)
        connection.execute(versions.update().values(recipe=made, extraction=name, chunker="", ocr=None))


@pytest.mark.parametrize("chunker", ["1", "2", CHUNKER_VERSION])
def test_file_read_by_an_earlier_version_is_unchanged(tmp_path: Path, chunker: str) -> None:
    services = Services(settings(tmp_path))
    assert ingest(services) == "new"
    as_of(services, chunker)
    assert ingest(services) == "unchanged"


@pytest.mark.parametrize(
    "changed",
    [{"ocr": "force"}, {"languages": ("de",)}, {"ocr_dpi": 200}, {"pdf_engine": "pypdf"}, {"chunk_tokens": 64}],
)
def test_changed_setting_reads_files_of_an_earlier_version_again(tmp_path: Path, changed: dict[str, Any]) -> None:
    services = Services(settings(tmp_path))
    ingest(services)
    as_of(services, "2")
    other = Services(settings(tmp_path, **changed))
    assert ingest(other) == "new"
    assert ingest(other) == "unchanged"


@pytest.mark.parametrize("changed", [{"ocr": "off"}, {"languages": ("de", "en")}, {"languages": ("en", "de")}])
def test_changed_setting_reads_files_of_this_version_again(tmp_path: Path, changed: dict[str, Any]) -> None:
    assert ingest(Services(settings(tmp_path))) == "new"
    assert ingest(Services(settings(tmp_path, **changed))) == "new"


def test_unknown_recipe_is_not_taken_for_one_of_an_earlier_version(tmp_path: Path) -> None:
    services = Services(settings(tmp_path))
    ingest(services)
    as_of(services, "2", "0-older")
    assert ingest(services) == "new"


def test_job_with_another_mode_reads_anew_and_a_job_without_one_leaves_it(tmp_path: Path) -> None:
    services = Services(settings(tmp_path))
    assert ingest(services) == "new"
    assert ingest(services, "auto") == "unchanged"
    assert ingest(services, "force") == "new"
    assert ingest(services, "force") == "unchanged"
    assert ingest(services) == "unchanged", "a folder that is ingested every night must not undo what a user asked for"
    assert ingest(services, "auto") == "new"
    with services.catalog.connect() as connection:
        modes = connection.scalars(sa.select(versions.c.ocr).order_by(versions.c.sequence)).all()
    assert modes == [None, "force", "auto"]


def test_mode_of_a_job_counts_against_an_earlier_version(tmp_path: Path) -> None:
    services = Services(settings(tmp_path))
    ingest(services)
    as_of(services, "2")
    assert ingest(services, "auto") == "unchanged"
    assert ingest(services, "force") == "new"


def test_setting_that_changes_reads_anew_what_no_job_asked_for(tmp_path: Path) -> None:
    forced = Services(settings(tmp_path, ocr="force"))
    assert ingest(forced) == "new"
    plain = Services(settings(tmp_path))
    assert ingest(plain) == "new"


def test_running_attempt_is_joined_only_in_the_same_mode(tmp_path: Path) -> None:
    services = Services(settings(tmp_path))
    assert ingest(services, "force", complete=False) == "new"
    assert ingest(services, "force", complete=False) == "joined"
    assert ingest(services, "off", complete=False) == "new"


def test_mode_is_in_the_name_of_the_extraction(tmp_path: Path) -> None:
    """A kept text that was read in another mode, or for other languages, is not taken."""
    plain = settings(tmp_path)
    names = {extraction(plain, mode) for mode in ("auto", "force", "off")}
    assert len(names) == 3
    assert extraction(plain) == extraction(plain, "auto")
    assert extraction(plain.model_copy(update={"ocr": "force"})) == extraction(plain, "force")
    assert extraction(plain.model_copy(update={"languages": ("de",)})) not in names


def test_file_that_failed_in_one_mode_may_succeed_in_another(tmp_path: Path) -> None:
    services = Services(settings(tmp_path))
    readings = {services.reading_of(mode) for mode in ("auto", "force", "off")}
    assert len(readings) == 3
    assert services.reading_of(None) == services.reading_of("auto")
    assert services.options_of("off") == replace(services.settings.options, ocr="off")


def test_job_keeps_its_mode(tmp_path: Path) -> None:
    services = Services(settings(tmp_path))
    job = Job("documents", "ingest", 5, ocr="off")
    with writing(services.catalog) as connection:
        jobs.create(connection, job, "request", 0)
        assert jobs.get(connection, job.id) == job
        assert jobs.terms(connection, [job.id])[job.id].ocr == "off"
