"""A folder of documents through the real stack: exact points, unchanged files, replaced versions, bad neighbours."""

from __future__ import annotations

import os
import shutil
import threading
from pathlib import Path

import pytest
import sqlalchemy as sa
from flow_rig import FlowRig, stack_on
from flow_tools import eventually, write_documents

from pipeline.catalog.database.schema import attempts, documents, submissions, versions
from pipeline.catalog.index.vector_cache import vectors
from pipeline.catalog.work import document_groups
from pipeline.ingest.cleanup import clean_up
from pipeline.vectorstore.base import Filter

SAMPLES = Path(__file__).parents[2] / "samples" / "documents"


@pytest.fixture
def rig(shared_stack: FlowRig) -> FlowRig:
    return shared_stack


def cached(rig: FlowRig) -> int:
    with rig.services.cache.connect() as connection:
        return connection.scalar(sa.select(sa.func.count()).select_from(vectors)) or 0


def embedded(rig: FlowRig, job: str) -> int:
    """Number of chunks of a job that were embedded, not read from the cache."""
    fresh = sa.func.sum(attempts.c.chunks_embedded - attempts.c.chunks_cached)
    return int(rig.scalar(sa.select(fresh).where(attempts.c.job_id == job)) or 0)


def live_version(rig: FlowRig, path: Path, collection: str) -> str:
    query = sa.select(documents.c.live_version_id)
    return str(rig.scalar(query.where(documents.c.source == str(path), documents.c.collection == collection)))


def test_sixty_documents_are_completed_exactly(rig: FlowRig, tmp_path: Path) -> None:
    write_documents(tmp_path / "in", 60)
    before = rig.logged("task.republished")
    job = rig.submit(tmp_path / "in", collection="sixty")
    assert rig.wait(job) == {"completed": 60}
    rig.assert_at_rest(job)
    rig.assert_exact("sixty")
    # Without a fault, messages alone move the work: the reconciler found nothing to do.
    assert rig.logged("task.republished") == before
    assert all(row.starts == 1 for row in rig.tasks_of(job))
    assert embedded(rig, job) == len(rig.stored("sixty"))


def test_computing_workers_have_lower_priority_than_serving_ones(rig: FlowRig) -> None:
    """By niceness, and among sessions too, where the kernel shares the processor out among them."""
    shares = Path("/proc/self/autogroup")
    for part, wanted in (("extract", 1), ("embed-1", 1), ("store", 0)):
        leader = rig.part(part).pid
        assert os.getpriority(os.PRIO_PROCESS, leader) == min(os.getpriority(os.PRIO_PROCESS, 0) + wanted, 19)
        if shares.exists():
            assert Path(f"/proc/{leader}/autogroup").read_text().split()[-1] == str(wanted)


def test_a_damaged_cache_costs_time_and_no_document(tmp_path: Path) -> None:
    write_documents(tmp_path / "in", 3, seed=3)
    (tmp_path / "data").mkdir(mode=0o700)
    (tmp_path / "data" / "cache.db").write_bytes(b"this is no database " * 100)
    with stack_on(tmp_path / "data") as rig:
        assert rig.ingest(tmp_path / "in") == {"completed": 3}
        rig.assert_exact()
        clean_up(rig.services)
        warned = rig.logged("cache.unusable")
    assert warned
    assert all("delete cache.db" in line["hint"] for line in warned)


def test_unchanged_documents_are_not_processed_again(rig: FlowRig, tmp_path: Path) -> None:
    write_documents(tmp_path / "in", 12, seed=2)
    assert rig.ingest(tmp_path / "in", collection="again") == {"completed": 12}
    points, vectors_before = set(rig.stored("again")), cached(rig)
    job = rig.submit(tmp_path / "in", collection="again")
    assert rig.wait(job) == {"unchanged": 12}
    assert rig.rows(sa.select(attempts.c.id).where(attempts.c.job_id == job)) == []
    assert rig.tasks_of(job) == []
    assert (set(rig.stored("again")), cached(rig)) == (points, vectors_before)


def test_the_same_text_under_another_name_is_not_embedded_again(rig: FlowRig, tmp_path: Path) -> None:
    paths = write_documents(tmp_path / "in", 5, seed=3)
    rig.ingest(tmp_path / "in", collection="names")
    before = cached(rig)
    for path in paths:
        shutil.copy(path, path.with_name(f"copy of {path.name}"))
    job = rig.submit(tmp_path / "in", collection="names")
    assert rig.wait(job) == {"unchanged": 5, "completed": 5}
    assert embedded(rig, job) == 0
    assert cached(rig) == before
    rig.assert_exact("names")


def test_a_changed_file_replaces_its_version(rig: FlowRig, tmp_path: Path) -> None:
    path = write_documents(tmp_path / "in", 1, words=1500, seed=4)[0]
    rig.ingest(path, collection="replaced")
    old = live_version(rig, path, "replaced")
    seen: list[tuple[str, int, int]] = []
    ended = threading.Event()
    watcher = threading.Thread(target=watch, args=(rig, path, seen, ended))
    watcher.start()
    try:
        assert eventually(lambda: seen)
        path.write_text(path.read_text() * 2)
        assert rig.ingest(path, collection="replaced") == {"completed": 1}
        assert eventually(lambda: seen[-1][0] != old)
    finally:
        ended.set()
        watcher.join()
    new = live_version(rig, path, "replaced")
    assert new != old
    # Every version that was live at some moment had all its points at that moment.
    assert {version for version, _, _ in seen} == {old, new}
    assert [status for status in seen if status[1] != status[2]] == []
    rig.assert_exact("replaced")
    assert rig.services.store.count("replaced", Filter(version_ids=(old,))) == 0


def watch(rig: FlowRig, path: Path, seen: list[tuple[str, int, int]], ended: threading.Event) -> None:
    """Record (live version, its chunks, its live points) whenever two reads of the catalog agree."""
    query = (
        sa.select(versions.c.id, versions.c.chunks)
        .join(documents, documents.c.live_version_id == versions.c.id)
        .where(documents.c.source == str(path), documents.c.collection == "replaced")
    )
    while not ended.is_set():
        before = rig.rows(query)
        points = rig.services.store.count("replaced", Filter(version_ids=(before[0].id,), live=True))
        if rig.rows(query) == before and len(before) == 1:
            seen.append((before[0].id, before[0].chunks, points))


@pytest.mark.parametrize("damage", ["salaries_encrypted.pdf", "truncated.pdf", "zero_bytes.txt"])
def test_a_failed_replacement_leaves_the_old_version(rig: FlowRig, tmp_path: Path, damage: str) -> None:
    path = tmp_path / "report.pdf"
    shutil.copy(SAMPLES / "annual_report.pdf", path)
    collection = damage.partition(".")[0]
    assert rig.ingest(path, collection=collection) == {"completed": 1}
    old, points = live_version(rig, path, collection), set(rig.stored(collection, live=True))
    path.write_bytes((SAMPLES / damage).read_bytes())
    job = rig.submit(path, collection=collection)
    assert rig.wait(job) == {"failed": 1}
    rig.assert_at_rest(job)
    assert live_version(rig, path, collection) == old
    assert set(rig.stored(collection)) == set(rig.stored(collection, live=True)) == points
    assert points


def test_bad_documents_fail_without_their_neighbours(rig: FlowRig, tmp_path: Path) -> None:
    folder, before = tmp_path / "in", rig.logged("task.republished")
    write_documents(folder, 10, seed=5)
    bad = {
        "salaries_encrypted.pdf": "encrypted",
        "truncated.pdf": "corrupt",
        "zero_bytes.txt": "empty",
        "sound.wav": "unsupported",
    }
    for name in bad:
        shutil.copy(SAMPLES / name, folder / name)
    job = rig.submit(folder, collection="neighbours")
    assert rig.wait(job) == {"completed": 10, "failed": 4}
    assert {name: code for name, code in rig.codes(job).items() if name in bad} == bad
    rig.assert_at_rest(job)
    rig.assert_exact("neighbours")
    assert rig.logged("task.republished") == before


def scanned(rig: FlowRig, job: str) -> dict[str, int]:
    """How many pages of a job's files OCR has read, as progress counts them."""
    query = sa.select(submissions.c.source, attempts.c.pages_scanned).join(
        attempts, attempts.c.id == submissions.c.attempt_id
    )
    with rig.services.catalog.connect() as connection:
        rows = connection.execute(query.where(submissions.c.job_id == job)).all()
        whole = sum(pile.ocr_pages for pile in document_groups.of_job(connection, job))
    assert whole == sum(pages for _, pages in rows)
    return {Path(source).name: pages for source, pages in rows if pages}


def test_samples_end_with_their_expected_outcomes(rig: FlowRig, tmp_path: Path, needs: object) -> None:
    """Every format through the stack, scanned and mixed ones over OCR."""
    assert callable(needs)
    needs("tesseract")
    folder, before = tmp_path / "in", rig.logged("task.republished")
    folder.mkdir()
    for name in ("letter_scan.pdf", "project_file_mixed.pdf", "staff_handbook.docx", "tide_sensor.md"):
        shutil.copy(SAMPLES / name, folder / name)
    job = rig.submit(folder, collection="samples")
    assert rig.wait(job) == {"completed": 4}
    rig.assert_at_rest(job)
    rig.assert_exact("samples")
    assert {row.stage for row in rig.tasks_of(job)} == {"extract", "ocr", "chunk", "embed", "upsert", "finalize"}
    assert scanned(rig, job) == {"letter_scan.pdf": 2, "project_file_mixed.pdf": 2}
    assert rig.logged("task.republished") == before
    # What OCR has read is kept: elsewhere the same files are no work for it.
    again = rig.submit(folder, collection="again")
    assert rig.wait(again) == {"completed": 4}
    assert {row.stage for row in rig.tasks_of(again)} == {"extract", "chunk", "embed", "upsert", "finalize"}
    assert scanned(rig, again) == {}
