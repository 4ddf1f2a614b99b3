"""Our canvases on real workers: every stage fails in every way, and a batch always reaches its end."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from pathlib import Path

import pytest
import sqlalchemy as sa
from canvas_rig import Around, attempt_of, batch_of, some, spoil
from flow_tools import eventually, write_documents, write_scan
from PIL import Image

from pipeline.catalog.database.connection import writing
from pipeline.catalog.database.schema import attempts, tasks
from pipeline.catalog.documents import live_versions
from pipeline.ingest import cleanup
from pipeline.spool import original_key, read_json, write_json
from pipeline.stages.artifacts import part_key, text_key, vectors_key
from pipeline.task_manager import TaskManager
from pipeline.vectorstore.base import Filter

SAMPLES = Path(__file__).parents[2] / "samples" / "documents"


# Extract


def test_damaged_artifact_of_extract_is_made_again(around: Around, tmp_path: Path) -> None:
    some(tmp_path, 4, 20)
    with around.halted("extract"):
        job = around.rig.submit(tmp_path / "in", collection="e1")
        key = text_key(batch_of(around.rig, job), attempt_of(around.rig, job, 0).id)
        around.rig.services.spool.write(key, b"not what a stage wrote")
    assert around.rig.wait(job) == {"completed": 4}
    around.rig.assert_at_rest(job)
    around.rig.assert_exact("e1")


def test_missing_original_fails_its_document_as_unreadable(around: Around, tmp_path: Path) -> None:
    paths = some(tmp_path, 4, 21)
    with around.halted("extract"):
        job = around.rig.submit(tmp_path / "in", collection="e2")
        content = hashlib.sha256(paths[2].read_bytes()).hexdigest()
        around.rig.services.spool.delete(original_key(content, str(paths[2])))
    assert around.rig.wait(job) == {"completed": 3, "failed": 1}
    assert around.rig.codes(job)[paths[2].name] == "unreadable"
    around.rig.assert_at_rest(job)
    around.rig.assert_exact("e2")


def test_disk_error_in_extract_fails_as_unavailable(around: Around, tmp_path: Path) -> None:
    """An error that outlasts all tries fails the documents of its batch alone, and a retry completes them."""
    some(tmp_path, 12, 35)
    rig, manager = around.rig, TaskManager(around.rig.services)
    with around.halted("extract"):
        job = rig.submit(tmp_path / "in", collection="e4")
        batch = batch_of(rig, job)
        number = len(rig.rows(sa.select(attempts.c.id).where(attempts.c.batch_id == batch)))
        # Nothing can be written below a file.
        rig.services.spool.write(f"batches/{batch}", b"")
    assert rig.wait(job) == {"completed": 12 - number, "failed": number}
    assert rig.happened(job, "task.retrying") == rig.settings.max_retries
    letters = manager.failures(job_id=job)
    assert {(letter.code, letter.stage, letter.transient) for letter in letters} == {("unavailable", "extract", True)}
    assert all("NotADirectoryError" in letter.message and "failures retry" in letter.hint for letter in letters)
    (attempt,) = manager.failure(letters[0].document_id).attempts
    assert [error.kind for error in attempt.errors] == ["retried"] * rig.settings.max_retries + ["failed"]
    assert all(error.worker and error.part == 0 and error.stage == "extract" for error in attempt.errors)
    assert {error.trace_id for error in attempt.errors} <= {
        line["trace"] for name in ("stage.retry", "stage.gave_up") for line in rig.logged(name)
    }
    rig.assert_at_rest(job)
    (again,) = manager.retry(code="unavailable")
    assert rig.wait(again) == {"completed": number}
    assert manager.failures(job_id=job) == []
    rig.assert_exact("e4")


def test_ocr_task_beyond_the_time_limit_is_killed_and_repeated(
    around: Around, tmp_path: Path, needs: Callable[..., None]
) -> None:
    """The hard limit kills the process; the errback has the task begun again, and a chord without a member ends."""
    needs("tesseract")
    some(tmp_path, 3, 22)
    # So small that OCR is far below the limit with it.
    write_scan(tmp_path / "in" / "scan.png", 22)
    around.slow.touch()
    job = around.rig.submit(tmp_path / "in", collection="e3")
    assert eventually(lambda: around.rig.processes("extract", "sleep"))
    around.slow.unlink()
    assert around.rig.wait(job) == {"completed": 4}
    scanned = around.rig.tasks_of(job, tasks.c.stage == "ocr")
    assert [row.starts for row in scanned] == [2]
    assert scanned[0].id in {line["task"] for line in around.rig.logged("task.republished")}
    around.rig.assert_at_rest(job)
    around.rig.assert_exact("e3")
    assert eventually(lambda: not around.rig.processes("extract", "tesseract"))


# Chunk


def test_text_that_cannot_be_chunked_is_extracted_again_alone(around: Around, tmp_path: Path) -> None:
    """The text can be loaded, but not cut: its document is extracted again in a batch of its own."""
    some(tmp_path, 4, 23)
    rig = around.rig
    with around.halted("extract"):
        job = rig.submit(tmp_path / "in", collection="c1")
        key = text_key(batch_of(rig, job), attempt_of(rig, job, 1).id)
        page = {"number": None, "text": "some text", "origin": "text", "confidence": None, "label": None}
        section = {"path": ["one"], "char_start": "zero", "char_end": 4}
        rest = {"language": None, "metadata": {}, "warnings": []}
        nonsense = {"media_type": "text/plain", "pages": [page], "sections": [section], **rest}
        write_json(rig.services.spool, key, nonsense)
    assert rig.wait(job) == {"completed": 4}
    assert len(rig.logged("document.set_apart")) == 1
    assert len({row.batch_id for row in rig.tasks_of(job)}) == 2
    rig.assert_at_rest(job)
    rig.assert_exact("c1")


# Embed


def test_refused_text_fails_its_document_alone_in_embed(around: Around, tmp_path: Path) -> None:
    paths = some(tmp_path, 8, 24)
    spoil(paths[3], "refuse")
    job = around.rig.submit(tmp_path / "in", collection="v1")
    assert around.rig.wait(job) == {"completed": 7, "failed": 1}
    assert around.rig.codes(job)[paths[3].name] == "endpoint_error"
    around.rig.assert_at_rest(job)
    around.rig.assert_exact("v1")


def test_busy_endpoint_is_retried_by_embed(around: Around, tmp_path: Path) -> None:
    paths = some(tmp_path, 8, 25)
    spoil(paths[3], "busy-2")
    job = around.rig.submit(tmp_path / "in", collection="v2")
    assert around.rig.wait(job) == {"completed": 8}
    assert around.rig.happened(job, "task.retrying") == 2
    assert all(row.starts == 1 for row in around.rig.tasks_of(job))
    around.rig.assert_at_rest(job)
    around.rig.assert_exact("v2")


def test_text_for_which_the_endpoint_stays_busy_fails_alone(around: Around, tmp_path: Path) -> None:
    paths = some(tmp_path, 8, 26)
    spoil(paths[3], "busy")
    job = around.rig.submit(tmp_path / "in", collection="v3")
    assert around.rig.wait(job) == {"completed": 7, "failed": 1}
    assert around.rig.codes(job)[paths[3].name] == "endpoint_busy"
    around.rig.assert_at_rest(job)
    around.rig.assert_exact("v3")


def test_endpoint_that_stays_down_fails_all_documents(around: Around, tmp_path: Path) -> None:
    some(tmp_path, 8, 27)
    around.endpoint.down = True
    try:
        job = around.rig.submit(tmp_path / "in", collection="v4")
        assert around.rig.wait(job) == {"failed": 8}
    finally:
        around.endpoint.down = False
    assert set(around.rig.codes(job).values()) == {"endpoint_busy"}
    around.rig.assert_at_rest(job)
    assert around.rig.stored("v4") == []
    assert around.rig.ingest(tmp_path / "in", collection="v4") == {"completed": 8}
    around.rig.assert_exact("v4")


def test_retry_of_a_failed_embedding_reads_no_file_again(around: Around, tmp_path: Path) -> None:
    some(tmp_path, 4, 36)
    around.endpoint.down = True
    try:
        job = around.rig.submit(tmp_path / "in", collection="v5")
        assert around.rig.wait(job) == {"failed": 4}
    finally:
        around.endpoint.down = False
    (again,) = TaskManager(around.rig.services).retry(job_id=job)
    assert around.rig.wait(again) == {"completed": 4}
    read = {
        name: sum(line["read"] for line in around.rig.logged("stage.done") if (line["job"], line["stage"]) == name)
        for name in ((job, "extract"), (again, "extract"))
    }
    assert read == {(job, "extract"): 4, (again, "extract"): 0}
    around.rig.assert_exact("v5")


# Upsert and finalize


def test_damaged_vectors_split_the_batch_and_are_computed_again(around: Around, tmp_path: Path) -> None:
    """The damaged document is unknown, so each document of the part is processed again alone, and all complete."""
    rig = around.rig
    some(tmp_path, 4, 28)
    with around.halted("store"):
        job = rig.submit(tmp_path / "in", collection="u1")
        assert eventually(lambda: rig.tasks_of(job, tasks.c.stage == "upsert"))
        key = vectors_key(batch_of(rig, job), 0)
        rig.services.spool.write(key, rig.services.spool.read(key)[:-100])
    assert rig.wait(job) == {"completed": 4}
    assert len(rig.logged("batch.split")) == 1
    rig.assert_at_rest(job)
    rig.assert_exact("u1")


def test_upsert_continues_when_the_store_is_back(around: Around, tmp_path: Path) -> None:
    rig = around.rig
    some(tmp_path, 4, 29)
    rig.gates.let("upsert")
    with rig.gates.closed("upsert"):
        around.store.stop()
        try:
            job = rig.submit(tmp_path / "in", collection="u2")
            assert eventually(lambda: rig.happened(job, "task.retrying"))
            # It is there again when the second try begins.
            rig.gates.arrived("upsert")
        finally:
            around.store.start()
    assert rig.wait(job) == {"completed": 4}
    rig.assert_at_rest(job)
    rig.assert_exact("u2")


def test_finalize_restores_lost_points(around: Around, tmp_path: Path) -> None:
    rig = around.rig
    some(tmp_path, 4, 30)
    with around.halted("final"):
        job = rig.submit(tmp_path / "in", collection="f1")
        assert eventually(lambda: rig.tasks_of(job, tasks.c.stage == "finalize"))
        lost = attempt_of(rig, job, 2).version_id
        rig.services.store.delete("f1", Filter(version_ids=(lost,)))
    assert rig.wait(job) == {"completed": 4}
    assert rig.logged("points.missing")
    rig.assert_at_rest(job)
    rig.assert_exact("f1")


def test_finalize_fails_only_incomplete_documents(around: Around, tmp_path: Path) -> None:
    """A document's points are lost, and its chunks too: it fails, readers never see half of it, the others go on."""
    rig = around.rig
    some(tmp_path, 4, 31)
    with around.halted("final"):
        job = rig.submit(tmp_path / "in", collection="f2")
        assert eventually(lambda: rig.tasks_of(job, tasks.c.stage == "finalize"))
        lost, batch = attempt_of(rig, job, 2), batch_of(rig, job)
        rig.services.store.delete("f2", Filter(version_ids=(lost.version_id,)))
        key = part_key(batch, 0)
        part = read_json(rig.services.spool, key)
        part["chunks"] = [
            chunk if chunk[0] != lost.id else [attempt_of(rig, job, 0).id, chunk[1]] for chunk in part["chunks"]
        ]
        write_json(rig.services.spool, key, part)
    assert rig.wait(job) == {"completed": 3, "failed": 1}
    assert set(rig.codes(job).values()) == {"completed", "verification_failed"}
    rig.assert_at_rest(job)
    rig.assert_exact("f2")


def test_finalize_killed_after_the_switch_fails_no_document(
    around: Around, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A document that readers see already has not failed, even if the rest of finalize fails."""
    rig = around.rig
    path = some(tmp_path, 1, 32)[0]
    rig.ingest(path, collection="f3")
    path.write_text(path.read_text("utf-8") + " and more")
    with around.halted("final"):
        job = rig.submit(path, collection="f3")
        assert eventually(lambda: rig.tasks_of(job, tasks.c.stage == "finalize"))
        current = attempt_of(rig, job, 0)
        with writing(rig.services.catalog) as connection:
            rig.services.store.set_payload("f3", {"live": True}, Filter(version_ids=(current.version_id,)))
            live_versions.switch(connection, {current.document_id: current.version_id})
        around.store.stop()
    try:
        assert rig.wait(job) == {"completed": 1}
    finally:
        around.store.start()
    assert attempt_of(rig, job, 0).state == "completed"
    # The old version's points could not be removed then; the sweep does it.
    assert len(rig.stored("f3")) > len(rig.expected("f3"))
    monkeypatch.setattr(cleanup, "KEEP_DRAFTS_S", 0.0)
    cleanup.sweep(rig.services)
    rig.assert_exact("f3")


# Large documents in turn


def test_small_documents_pass_a_large_one(around: Around, tmp_path: Path) -> None:
    """Of a text of many chunk batches four are in the queue at once: what comes later waits for these alone."""
    rig, share = around.rig, 4
    (large,) = write_documents(tmp_path / "large", 1, 40_000, seed=61)
    with rig.gates.closed("embed"):
        job = rig.submit(large, collection="turns")
        embedding = tasks.c.stage == "embed"
        assert eventually(lambda: rig.messages().get("embed", 0) >= share - 1)
        parts = rig.tasks_of(job, embedding)
        assert len(parts) > 3 * share
        assert sum(part.state == "held" for part in parts) == len(parts) - share
        later = rig.submit(*write_documents(tmp_path / "small", 3, seed=62), collection="turns")
        assert eventually(lambda: rig.tasks_of(later, embedding))
        assert eventually(lambda: rig.messages().get("embed", 0) >= share)
    assert [rig.wait(later), rig.wait(job)] == [{"completed": 3}, {"completed": 1}]
    (small,) = rig.tasks_of(later, embedding)
    before = [part for part in rig.tasks_of(job, embedding) if part.started_at < small.started_at]
    assert len(before) <= share + 1  # one more, if the worker had it before
    assert all(row.starts == 1 for row in rig.tasks_of(job))
    for ended in (job, later):
        rig.assert_at_rest(ended)
    rig.assert_exact("turns")


def test_large_scan_is_read_in_turn(around: Around, tmp_path: Path, needs: Callable[..., None]) -> None:
    """Pages of other sides, all blank but the last one: none is the same as another, and none is read by Tesseract."""
    needs("tesseract")
    rig, share = around.rig, 4
    write_scan(tmp_path / "written.png", 63)
    blank = [Image.new("1", (200 + number, 100), 1) for number in range(27)]
    with Image.open(tmp_path / "written.png") as written:
        blank[0].save(tmp_path / "scan.tif", save_all=True, append_images=[*blank[1:], written.convert("1")])
    with rig.gates.closed("ocr"):
        job = rig.submit(tmp_path / "scan.tif", collection="scans")
        reading = tasks.c.stage == "ocr"
        assert eventually(lambda: rig.tasks_of(job, reading))
        assert [row.state for row in rig.tasks_of(job, reading)].count("held") == 7 - share
        assert eventually(lambda: len(rig.gates.waiting("ocr")) + rig.messages().get("ocr", 0) >= share)
    assert rig.wait(job) == {"completed": 1}
    assert [row.starts for row in rig.tasks_of(job, reading)] == [1] * 7
    rig.assert_at_rest(job)
    rig.assert_exact("scans")


def test_cancelled_scan_leaves_nothing_in_turn(around: Around, tmp_path: Path) -> None:
    rig = around.rig
    pages = [Image.new("1", (300 + number, 100), 1) for number in range(28)]
    pages[0].save(tmp_path / "scan.tif", save_all=True, append_images=pages[1:])
    with rig.gates.closed("ocr"):
        job = rig.submit(tmp_path / "scan.tif", collection="scans")
        reading = tasks.c.stage == "ocr"
        assert eventually(lambda: rig.gates.waiting("ocr"))
        TaskManager(rig.services).cancel(job)
    assert rig.wait(job) == {"cancelled": 1}
    rig.assert_at_rest(job)
    assert sum(row.starts for row in rig.tasks_of(job, reading)) <= 5
