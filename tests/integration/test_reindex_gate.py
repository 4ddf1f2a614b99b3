"""What stops a re-index, and what does not: the gate's refusals, documents that fail, long ones, workflows."""

from __future__ import annotations

import json
import random
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
import sqlalchemy as sa
from flow_rig import FlowRig
from flow_tools import eventually, write_documents
from plugin_rig import Composed, composed
from reindex_rig import half_built, live, reached

from pipeline import reindex
from pipeline.catalog.database.connection import writing
from pipeline.catalog.database.schema import attempts, documents, tasks, versions
from pipeline.catalog.reindex import reindexes
from pipeline.reindex import ReindexRequest, driver
from pipeline.results import ReindexStatus
from pipeline.search import search
from pipeline.services import Services
from pipeline.vectorstore.base import Filter

CORRUPT = b"%PDF-1.7\n1 0 obj\nno catalog, no pages, no end"
REDACTED = "jane.doe+tides@harbour-office.example"


@pytest.fixture(scope="module")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Composed]:
    with composed(tmp_path_factory.mktemp("gate"), batch_documents=16, reindex_overlap=0.6) as stack:
        yield stack


@pytest.fixture
def rig(stack: Composed) -> FlowRig:
    return stack.rig


def switched(rig: FlowRig, collection: str) -> ReindexStatus:
    """How it stands after the switch, which must come."""
    assert reached(rig, collection, "soaking", "refused") == "soaking", reindex.status(rig.services, collection)
    return reindex.status(rig.services, collection)


def refused(rig: FlowRig, collection: str) -> ReindexStatus:
    """How it stands after a refusal, which must come."""
    assert reached(rig, collection, "soaking", "refused") == "refused"
    return reindex.status(rig.services, collection)


# What the indexes have in common


def test_smaller_chunks_of_documents_that_are_alike_pass(rig: FlowRig, tmp_path: Path) -> None:
    """Behind the document that a question is of they rank others than before, as nothing is nearer than the rest."""
    write_documents(tmp_path, 120, seed=31)
    assert rig.ingest(tmp_path, collection="alike") == {"completed": 120}
    reindex.start(rig.services, ReindexRequest(collection="alike", chunk_tokens=24))
    report = switched(rig, "alike").report or {}
    assert report["overlap"] < rig.settings.reindex_overlap
    assert report["refound"] > 0.9
    assert "refused" not in report


def test_validation_compares_documents_not_hits(rig: FlowRig, tmp_path: Path) -> None:
    """Of twelve documents two lists of ten have eight in common at least, however many hits are of one.

    Each has words of its own, so that all its small chunks are nearer than any other document.
    """
    for number, path in enumerate(write_documents(tmp_path, 12, seed=32)):
        chance, words = random.Random(number), path.read_text().split()[4 + number :: 12][:5]
        path.write_text(" ".join(chance.choices(words, k=200)))
    assert rig.ingest(tmp_path, collection="distinct") == {"completed": 12}
    reindex.start(rig.services, ReindexRequest(collection="distinct", chunk_tokens=24))
    assert (switched(rig, "distinct").report or {})["overlap"] >= 0.8


def test_index_of_other_documents_is_refused(stack: Composed, tmp_path: Path) -> None:
    """Points of nine documents in ten say that they are of another one; by chance a question finds its own still."""
    rig = stack.rig
    write_documents(tmp_path, 60, seed=33)
    assert rig.ingest(tmp_path, collection="other") == {"completed": 60}
    for request, what in (
        (ReindexRequest(collection="other", re_extract=True), "of the first ten documents of the old index"),
        (
            ReindexRequest(collection="other", chunk_tokens=64),
            "of the documents that the old index finds by their own passages",
        ),
    ):
        built = sorted(half_built(rig, request, 54))
        index = reindex.status(rig.services, "other").to_index
        for version_id, other_id in zip(built, built[1:] + built[:1], strict=True):
            claimed = {"document_id": rig.rows(sa.select(versions).where(versions.c.id == other_id))[0].document_id}
            rig.services.store.set_payload(index, claimed, Filter(version_ids=(version_id,)))
        reindex.resume(rig.services, "other", per_minute=100_000)
        status = refused(rig, "other")
        assert what in str(status.message)
        assert "`reindex_overlap` asks for 0.6." in str(status.message)
        assert (status.report or {})["refused"] == ["overlap"]
        shown = stack.cli.quick("reindex", "status", "-c", "other").out
        assert "--allow-failed" not in shown
        assert "reindex resume" in shown
        reindex.cancel(rig.services, "other")


def test_index_with_low_recall_is_refused(rig: FlowRig, tmp_path: Path) -> None:
    """By a bound that nothing can meet: small indexes are searched exactly, so their recall is 1."""
    write_documents(tmp_path, 6, seed=34)
    assert rig.ingest(tmp_path, collection="recall") == {"completed": 6}
    half_built(rig, ReindexRequest(collection="recall", model="hashing-128"), 2)
    with writing(rig.services.catalog) as connection:
        newest = reindexes.newest(connection, "recall")
        assert newest is not None
        reindexes.enter_state(connection, newest.id, "gating")  # paused: the stack does not measure, the test does
        gating = reindexes.get(connection, newest.id)
    driver.validate(Services(rig.settings.model_copy(update={"reindex_recall": 1.01})), gating)
    status = refused(rig, "recall")
    assert str(status.message).startswith("The gate refuses: recall@10 is 1.000, `reindex_recall` asks for 1.01. ")
    assert (status.report or {})["refused"] == ["recall"]
    assert live(rig, "recall").name == "recall~1"
    reindex.resume(rig.services, "recall", per_minute=100_000)
    assert "refused" not in (switched(rig, "recall").report or {})


def test_missing_point_is_refused_and_made_again(rig: FlowRig, tmp_path: Path) -> None:
    write_documents(tmp_path, 5, seed=35)
    assert rig.ingest(tmp_path, collection="points") == {"completed": 5}
    lost = min(half_built(rig, ReindexRequest(collection="points", model="hashing-128"), 1))
    rig.services.store.delete("points~2", Filter(version_ids=(lost,)))
    reindex.resume(rig.services, "points", per_minute=100_000)
    status = refused(rig, "points")
    assert "there are 5 chunks and 4 points. Resume: the documents that are not whole, 1, are made anew." in str(
        status.message
    )
    assert status.lacks == {"missing": 1, "active": 0, "failed": 0}
    assert len(search(rig.services, "Letter of series 35", "points", 20, "dense").hits) == 5
    reindex.resume(rig.services, "points")
    report = switched(rig, "points").report or {}
    assert (report["documents"], report["chunks"], report["points"]) == (5, 5, 5)
    assert len(search(rig.services, "Letter of series 35", "points", 20, "dense").hits) == 5


# What failed


def corrupt(folder: Path) -> list[Path]:
    """Write three damaged files, an empty one and two good ones. Returns the damaged files."""
    write_documents(folder, 2, seed=36)
    (folder / "empty.txt").write_text(" \n")
    paths = [folder / f"damaged-{number}.pdf" for number in range(3)]
    for path in paths:
        path.write_bytes(CORRUPT + path.name.encode())
    return paths


def test_reindex_by_code_processes_repaired_files(stack: Composed, tmp_path: Path) -> None:
    """Two of three damaged files are repaired: only these three are processed; the one that fails again is named."""
    paths = corrupt(tmp_path)
    failed = stack.ingest(tmp_path, workflow="ingest", collection="code", code=1)
    assert sorted(failure["code"] for failure in failed["failures"]) == ["corrupt"] * 3 + ["empty"]
    sample = Path(__file__).parents[2] / "samples" / "documents" / "annual_report.pdf"
    for path in paths[:2]:
        path.write_bytes(sample.read_bytes())
    ended = stack.cli.quick("reindex", "-c", "code", "--code", "corrupt")
    assert ended.code == 1
    assert f"corrupt  {paths[2]}: " in ended.out
    status = stack.cli.json("reindex", "status", "-c", "code")
    assert (status["state"], status["message"]) == ("done", f"1 documents failed: {paths[2]}.")
    assert [(failure["source"], failure["code"], failure["holds"]) for failure in status["failures"]] == [
        (str(paths[2]), "corrupt", "nothing")
    ]
    assert stack.rig.codes(status["job_id"]) == {
        paths[0].name: "completed",
        paths[1].name: "completed",
        paths[2].name: "corrupt",
    }
    assert stack.cli.search_names("harbour", "code") >= {paths[0].name, paths[1].name}
    open_failures = stack.cli.json("failures", "list", "--code", "corrupt")["failures"]
    assert [failure["source"] for failure in open_failures if failure["collection"] == "code"] == [str(paths[2])]
    again = stack.cli.json("reindex", "-c", "code", "--code", "corrupt", code=1)
    assert [failure["source"] for failure in again["failures"]] == [str(paths[2])]


# What lasts


def begun(rig: FlowRig, collection: str) -> bool:
    """Whether a re-index of it was begun."""
    with rig.services.catalog.connect() as connection:
        return reindexes.newest(connection, collection) is not None


@contextmanager
def at_work(stack: Composed, folder: Path, collection: str) -> Iterator[str]:
    """Job of a document that a worker has processed for a minute, by the catalog; it continues after the block."""
    path = write_documents(folder / "long", 1, seed=37)[0]
    hold = folder / "hold"
    hold.touch()
    try:
        with stack.options("troubled", hold=str(hold)):
            job = str(stack.cli.json("ingest", path, "-w", "troubled", "-c", collection, "--no-wait")["job"])
        working = (tasks.c.stage == "trouble", tasks.c.state == "running")
        assert eventually(lambda: stack.rig.tasks_of(job, *working))
        with writing(stack.rig.services.catalog) as connection:
            began = attempts.update().where(attempts.c.job_id == job)
            connection.execute(began.values(started_at=time.time() - 61))
        yield job
    finally:
        hold.unlink()


def test_long_document_delays_the_switch_but_no_other_work(stack: Composed, tmp_path: Path) -> None:
    """The switch waits for its end and says so; what comes in meanwhile is done and is in the new index."""
    rig = stack.rig
    write_documents(tmp_path / "old", 6, seed=38)
    assert rig.ingest(tmp_path / "old", collection="long") == {"completed": 6}
    with at_work(stack, tmp_path, "long") as job:
        following = stack.cli.start("reindex", "-c", "long", "--model", "hashing-128")
        current = lambda: reindex.status(rig.services, "long")  # noqa: E731
        assert eventually(lambda: begun(rig, "long"))
        assert eventually(lambda: "for the end of what is at work" in (current().message or "")), current()
        assert "letter-000.txt" in str(current().message)
        late = write_documents(tmp_path / "late", 3, seed=39)
        for path in late:
            assert rig.ingest(path, collection="long") == {"completed": 1}
            assert current().state == "building"
    assert rig.wait(job) == {"completed": 1}
    report = switched(rig, "long").report or {}
    assert report["documents"] == 10
    assert reindex.status(rig.services, "long").message is None
    ended = stack.cli.end(following)
    assert (ended.code, ended.err.count("for the end of what is at work")) == (0, 1)


# Workflows


def test_reindex_keeps_redacted_text_and_added_metadata(stack: Composed, tmp_path: Path) -> None:
    """Each document is processed again by its own workflow, from the kept text."""
    rig, letter = stack.rig, tmp_path / "letter.md"
    letter.write_text(f"# Complaint of {REDACTED}\n\nThe siren rang all night, wrote {REDACTED} to the harbour.\n")
    noted = write_documents(tmp_path / "noted", 1, seed=40)[0]
    noted.with_name(f"{noted.name}.meta.json").write_text('{"department": "harbour"}')
    stack.ingest(letter, workflow="redacted", collection="made")
    stack.ingest(noted, workflow="enriched", collection="made")
    plain = write_documents(tmp_path / "plain", 1, seed=41)[0]
    stack.ingest(plain, workflow="ingest", collection="made")
    reindex.start(rig.services, ReindexRequest(collection="made", model="hashing-128"))
    switched(rig, "made")
    assert live(rig, "made").fingerprint.dim == 128
    points = rig.services.store.read("made~2", Filter(live=True), 100)
    assert REDACTED not in json.dumps(points)
    assert "jane" not in json.dumps(points)
    assert any("[removed]" in point["text"] for point in points if point["source"] == str(letter))
    added = {point["source"]: point["added"] for point in points}
    assert added == {str(letter): {}, str(noted): {"department": "harbour"}, str(plain): {}}
    made = sa.select(documents.c.source, versions.c.workflow).join(
        versions, versions.c.id == documents.c.live_version_id
    )
    assert {row.source: row.workflow for row in rig.rows(made.where(documents.c.collection == "made"))} == {
        str(letter): "redacted",
        str(noted): "enriched",
        str(plain): "ingest",
    }
    assert stack.cli.search_names("jane.doe", "made") == set()
