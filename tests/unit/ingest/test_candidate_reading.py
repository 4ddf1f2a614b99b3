"""Reading a candidate with its metadata file, and reading the original of a document again."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from hashlib import sha256
from pathlib import Path

import pytest

from pipeline.catalog.database.connection import writing
from pipeline.catalog.work.status import document_status
from pipeline.errors import BadSidecar, Gone, TooLargeToTake
from pipeline.ingest.content import read_candidate
from pipeline.ingest.originals import original_of
from pipeline.ingest.record import record
from pipeline.ingest.request import Request
from pipeline.ingest.submit import record_job
from pipeline.ingest.walk import find_files
from pipeline.plan import Plan
from pipeline.results import DocumentStatus
from pipeline.services import Services
from pipeline.settings import Settings

TEXT = b"The lighthouse keeper counts the ships."


@pytest.fixture
def services(tmp_path: Path) -> Iterator[Services]:
    services = Services(Settings(data_dir=tmp_path / "data", embedding_model="hashing"), owner=True)
    yield services
    services.catalog.dispose()


@pytest.fixture
def letter(tmp_path: Path) -> Path:
    path = tmp_path / "in" / "letter.txt"
    path.parent.mkdir()
    path.write_bytes(TEXT)
    return path


def ingest(services: Services, path: Path) -> DocumentStatus:
    """Record a file of a job over its folder; no copy of it is in the spool."""
    (candidate,) = find_files(services.settings, [path])
    content = read_candidate(services, Plan(), candidate)
    with writing(services.catalog) as connection:
        job = record_job(connection, services, Request([path.parent]), [candidate.size])
        (result,) = record(connection, services, job, [content], {content.key})
    with services.catalog.connect() as connection:
        return document_status(connection, result.document_id, ())


def test_a_candidate_is_read_with_its_metadata_and_tags(services: Services, letter: Path) -> None:
    letter.with_name("letter.txt.json").write_text('{"author": "Ada"}')
    (candidate,) = find_files(services.settings, [letter])
    plan = replace(Plan(), sidecar={"suffix": ".json"})
    content = read_candidate(services, plan, replace(candidate, tags=("sea",)))
    assert (content.data, content.file.content_sha256) == (TEXT, sha256(TEXT).hexdigest())
    assert (content.file.metadata, content.file.tags) == ({"author": "Ada"}, ("sea",))
    assert read_candidate(services, Plan(), candidate).file.metadata == {}


def test_a_candidate_that_is_refused_is_not_read(services: Services, letter: Path) -> None:
    (candidate,) = find_files(services.settings, [letter])
    with pytest.raises(TooLargeToTake):
        read_candidate(services, Plan(), replace(candidate, path=letter.parent / "gone", problem=TooLargeToTake()))
    letter.with_name("letter.txt.json").write_text("no JSON")
    with pytest.raises(BadSidecar):
        read_candidate(services, replace(Plan(), sidecar={"suffix": ".json"}), candidate)


def test_the_original_is_the_file_itself_if_there_is_no_copy(services: Services, letter: Path) -> None:
    original = original_of(services, ingest(services, letter))
    try:
        assert (original.path.read_bytes(), original.name) == (TEXT, "letter.txt")
        assert original.content_sha256 == sha256(TEXT).hexdigest()
    finally:
        original.release()


def test_the_original_does_not_depend_on_the_limit_of_today(services: Services, letter: Path) -> None:
    """The limit of a file's size is for files that are ingested; this one was ingested under another limit."""
    letter.write_bytes(b"x" * (1 << 20) + b"y")
    document = ingest(services, letter)
    lower = Services(services.settings.model_copy(update={"max_file_mb": 1}))
    try:
        original_of(lower, document).release()
    finally:
        lower.catalog.dispose()


@pytest.mark.parametrize("change", ["removed", "grown", "exchanged", "linked away", "a folder"])
def test_a_file_with_another_content_is_no_original(services: Services, letter: Path, change: str) -> None:
    document = ingest(services, letter)
    letter.unlink()
    if change == "grown":
        letter.write_bytes(TEXT + b" ")
    elif change == "exchanged":
        letter.write_bytes(TEXT.upper())
    elif change == "linked away":
        outside = letter.parent.parent / "outside.txt"
        outside.write_bytes(TEXT)
        letter.symlink_to(outside)
    elif change == "a folder":
        letter.mkdir()
    with pytest.raises(Gone):
        original_of(services, document)
