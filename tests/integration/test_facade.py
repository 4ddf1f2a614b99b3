"""The class `Docrelay` on a real private stack: what it ingests it finds, and its jobs can be listed and retried."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from flow_rig import QUICK
from flow_tools import eventually, write_documents

from pipeline import Docrelay, Filter
from pipeline.errors import BadRequest, UnknownId
from pipeline.settings import Settings
from pipeline.stack import running
from pipeline.stack.folder import Folder
from pipeline.stack.lease import FileLock


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A data folder whose stack, once a test has started it, runs until the last test has ended."""
    folder = Folder(tmp_path_factory.mktemp("facade") / "data")
    folder.create()
    with FileLock(folder.lease_lock) as lease:
        assert lease.acquire(shared=True, timeout_s=120)
        yield folder.data_dir
    # Every `Docrelay` of the tests has let go of it.
    assert eventually(lambda: running(Settings(data_dir=folder.data_dir)) is None)


@pytest.fixture(scope="module")
def relay(data: Path) -> Iterator[Docrelay]:
    with Docrelay(data, **QUICK) as relay:
        yield relay


# The first test of this module: it starts the stack that the others find.
def test_facade_without_a_with_block_starts_the_stack_and_works_again_after_close(data: Path, tmp_path: Path) -> None:
    relay = Docrelay(data, **QUICK)
    assert running(Settings(data_dir=data)) is None
    (tmp_path / "a.txt").write_text("One line.", "utf-8")
    try:
        assert relay.ingest(tmp_path / "a.txt").completed == 1
        assert running(Settings(data_dir=data)) is not None
        relay.close()
        assert relay.ingest(tmp_path / "a.txt").unchanged == 1
    finally:
        relay.close()


def test_facade_finds_ingested_text(relay: Docrelay, tmp_path: Path) -> None:
    (tmp_path / "note.txt").write_text("The quarterly heron census counts grey herons.", "utf-8")

    report = relay.ingest(tmp_path)
    (hit,) = relay.search("heron census", mode="sparse", limit=1).hits

    assert (report.state, report.documents, report.completed, report.failures) == ("completed", 1, 1, [])
    assert "grey herons" in hit.text
    assert hit.source == str(tmp_path / "note.txt")
    assert relay.ingest(str(tmp_path / "note.txt")).unchanged == 1


def test_facade_reports_and_retries_a_failed_file(relay: Docrelay, tmp_path: Path) -> None:
    good, bad = tmp_path / "good.txt", tmp_path / "bad.txt"
    good.write_text("Kingfishers nest in the bank.", "utf-8")
    bad.write_text("", "utf-8")

    report = relay.ingest([good, bad], collection="birds", tags=["river"])

    assert (report.completed, report.failed) == (1, 1)
    assert [(failure["source"], failure["code"]) for failure in report.failures] == [(str(bad), "empty")]
    assert [failure.source for failure in relay.jobs.failures(report.job)] == [str(bad)]
    assert relay.search("kingfishers", collection="birds", mode="sparse", where=Filter(tags=("river",))).hits
    (again,) = relay.jobs.retry(report.job)
    assert relay.jobs.wait(again).failed == 1


def test_facade_lists_follows_and_cancels_jobs(relay: Docrelay, tmp_path: Path) -> None:
    write_documents(tmp_path, 3)
    job_id = relay.submit(tmp_path, collection="listed", priority=7)
    last = list(relay.jobs.follow(job_id))[-1]

    assert (last.id, last.completed, last.priority, last.ended) == (job_id, 3, 7, True)
    assert relay.jobs.get(job_id).completed == 3
    assert job_id in [job.id for job in relay.jobs.list()]
    assert relay.jobs.cancel(job_id) == 0  # it has ended
    with pytest.raises(UnknownId):
        relay.jobs.get("no-such-job")


def test_facade_refuses_wrong_use(relay: Docrelay, tmp_path: Path) -> None:
    with pytest.raises(BadRequest):
        relay.ingest(tmp_path / "missing")
    with pytest.raises(BadRequest):
        relay.search("")
    with pytest.raises(BadRequest):
        Docrelay(no_such_setting=1)
    assert relay.search("anything", collection="not-there-yet").hits == []


def test_facade_takes_text_records_shows_and_deletes_them(relay: Docrelay) -> None:
    texts = {number: f"Bird {number} is a gull." for number in (1, 2)}
    records = [{"id": f"bird-{number}", "text": text, "metadata": {"n": number}} for number, text in texts.items()]

    report = relay.put_texts(iter(records), collection="birds")
    assert (report.completed, report.failures) == (2, [])
    assert relay.put_texts(records, collection="birds").unchanged == 2
    (hit, _) = relay.search("gull", mode="sparse", collection="birds").hits
    assert hit.metadata == {"n": int(str(hit.text_id).removeprefix("bird-"))}
    with pytest.raises(BadRequest, match="'bird-3' is wrong"):
        relay.put_texts([{"id": "bird-3"}], collection="birds")
    assert relay.text("bird-1", collection="birds").text == "Bird 1 is a gull."
    assert relay.delete_texts("bird-1", "bird-2", collection="birds").points == 2
    with pytest.raises(UnknownId):
        relay.text("bird-1", collection="birds")
