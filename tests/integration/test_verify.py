"""Verify: every drift of catalog, store, spool and cache is found and mended; only what is gone is embedded."""

from __future__ import annotations

import json
import os
import shutil
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from cli_rig import Cli
from drift_rig import Vandal, rewrite
from flow_rig import FlowRig, stack_on
from flow_tools import write_documents
from stores import stand_in

from pipeline.errors import StoreDamaged
from pipeline.ingest.delete import delete
from pipeline.stages.chunking import text_hash
from pipeline.task_manager import TaskManager
from pipeline.vectorstore.base import Filter
from pipeline.verification import VerifyRequest, compare_counts, counts, points, verify
from pipeline.verification.point_checks import searched_text
from pipeline.verification.schedule import watch_drift

__all__ = ["stand_in"]

CUTTING: dict[str, Any] = {"chunk_tokens": 48, "chunk_overlap_tokens": 4}
"""Chunks are small, so that short texts have several."""


EMBEDDED = pytest.mark.parametrize("rig", ["edge"], indirect=True)
"""Tests for which one store is enough: what they show is the same on both."""


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing is being deleted meanwhile."""
    monkeypatch.setattr(points, "SETTLE_S", 0.0)
    monkeypatch.setattr(counts, "SETTLE_S", 0.0)


@pytest.fixture(scope="module", params=["edge", "server"])
def rig(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[FlowRig]:
    folder = tmp_path_factory.mktemp(f"verify-{request.param}")
    others = {} if request.param == "edge" else {"qdrant_url": request.getfixturevalue("stand_in")}
    with stack_on(folder, **CUTTING, **others) as rig:
        yield rig


def test_two_hundred_drifts_of_every_kind_are_mended(rig: FlowRig, tmp_path: Path) -> None:
    paths = write_documents(tmp_path / "in", 30, words=400)
    assert rig.ingest(tmp_path / "in", collection="drift") == {"completed": 30}
    rewrite(paths[:6])
    assert rig.ingest(tmp_path / "in", collection="drift") == {"completed": 6, "unchanged": 24}
    assert verify(rig.services, VerifyRequest(collection="drift")).clean
    vandal = Vandal(rig, "drift", seed=5)
    live = vandal.live()
    vandal.add_stale(live[:6], 20)
    gone = vandal.remove_points(live[6:9], 16)
    vandal.add_strangers(live[6:12], 20)
    vandal.write_payloads(live[9:12], 15, "wrong_space", {"fingerprint": "another"})
    changes = (
        {"source": "/elsewhere"},
        {"tags": ["x"]},
        {"live": False},
        {"content_sha256": "0"},
        {"document_id": "d"},
    )
    vandal.write_payloads(live[12:15], 20, "payload", *changes)
    vandal.spoil_metadata(live[15:17], 15)
    vandal.write_payloads(live[17:20], 20, "text", {"text": "other words"}, {"order": 999})
    vandal.strip_words(live[20:22], 15)
    vandal.turn_vectors(live[22:25], 20)
    vandal.spoil_cache(live[25:27], 20)
    vandal.remove_texts(live[27:28])
    vandal.spoil_texts(live[28:30])
    vandal.litter(20)
    assert vandal.done.total() >= 200
    for path in paths[:27]:
        path.unlink()  # kept texts are enough for these

    found = verify(rig.services, VerifyRequest())
    assert found.found == vandal.done
    assert (found.clean, found.left, found.mended) == (False, vandal.done, {})

    mended = verify(rig.services, VerifyRequest(repair=True))
    assert mended.found == vandal.done
    assert mended.mended == vandal.done
    assert (mended.clean, mended.left, mended.source_needed) == (True, {}, [])
    assert mended.embedded == vandal.done["vector"], "only vectors that may be wrong are made again"
    assert len(gone) == 16
    again = verify(rig.services, VerifyRequest(repair=True))
    assert (again.clean, again.found, again.jobs) == (True, {}, [])
    for path in write_documents(tmp_path / "in", 30, words=400)[6:]:
        assert path.exists()
    rewrite(paths[:6])
    rig.assert_exact("drift")


@EMBEDDED
def test_only_the_points_that_are_gone_are_embedded(rig: FlowRig, tmp_path: Path) -> None:
    """Half of the points is gone, and the cache of vectors too."""
    write_documents(tmp_path / "in", 8, words=400, seed=3)
    rig.ingest(tmp_path / "in", collection="half")
    vandal = Vandal(rig, "half", seed=6)
    live = vandal.live()
    vandal.empty_cache()
    gone = vandal.remove_points(live, sum(version.chunks for version in live) // 2)
    assert [found["collection"] for found in compare_counts(rig.services)] == ["half"]
    report = verify(rig.services, VerifyRequest(repair=True, collection="half"))
    assert report.mended == {"missing_points": len(gone)}
    assert report.embedded == len({text_hash(searched_text(point.payload)) for point in gone})
    assert report.clean
    assert compare_counts(rig.services) == []
    rig.assert_exact("half")


def test_a_store_that_is_gone_is_made_anew_without_files_and_without_embedding(rig: FlowRig, tmp_path: Path) -> None:
    paths = write_documents(tmp_path / "in", 8, words=400, seed=4)
    rig.ingest(tmp_path / "in", collection="gone")
    expected = rig.expected("gone")
    vandal = Vandal(rig, "gone", seed=7)
    contents = [path.read_bytes() for path in paths]
    for path in paths:
        path.unlink()
    rig.services.store.drop(vandal.index.name)
    report = verify(rig.services, VerifyRequest(repair=True, collection="gone"))
    found = dict(report.found)
    assert found.pop("alias", 0) == (rig.settings.qdrant_url is not None), "a server forgets it with the collection"
    assert found == {"missing_points": len(expected)}
    assert (report.clean, report.embedded) == (True, 0)
    for path, content in zip(paths, contents, strict=True):
        path.write_bytes(content)
    rig.assert_exact("gone")
    assert rig.services.store.count("gone", Filter(live=True)) == len(expected), "the alias is there again"


@EMBEDDED
def test_a_document_without_text_and_file_is_named(rig: FlowRig, tmp_path: Path) -> None:
    paths = write_documents(tmp_path / "in", 3, words=200, seed=8)
    rig.ingest(tmp_path / "in", collection="needed")
    vandal = Vandal(rig, "needed", seed=8)
    live = vandal.live()
    vandal.remove_points(live[:2], 4)
    vandal.remove_texts(live[:2])
    paths[0].unlink()
    rewrite(paths[1:2])
    report = verify(rig.services, VerifyRequest(repair=True, collection="needed"))
    assert [needed.source for needed in report.source_needed] == [str(paths[0])]
    assert not report.clean
    assert set(report.left) == {"missing_points", "kept_text_missing"}
    paths[0].write_text("It is there again, and says something else.", "utf-8")
    assert verify(rig.services, VerifyRequest(repair=True, collection="needed")).clean
    rig.assert_exact("needed")


@EMBEDDED
def test_an_unchanged_file_whose_points_are_gone_is_ingested_again(rig: FlowRig, tmp_path: Path) -> None:
    write_documents(tmp_path / "in", 6, words=200, seed=9)
    rig.ingest(tmp_path / "in", collection="again")
    vandal = Vandal(rig, "again", seed=9)
    vandal.remove_points(vandal.live()[2:3], 1)
    assert rig.ingest(tmp_path / "in", collection="again") == {"completed": 1, "unchanged": 5}
    rig.assert_exact("again")
    assert rig.ingest(tmp_path / "in", collection="again") == {"unchanged": 6}


@EMBEDDED
def test_status_shows_drift_and_the_command_mends_it(rig: FlowRig, tmp_path: Path) -> None:
    """The command works beside the running stack, whose own comparison finds the drift."""
    write_documents(tmp_path / "in", 3, words=200, seed=10)
    rig.ingest(tmp_path / "in", collection="shown")
    vandal = Vandal(rig, "shown", seed=10)
    vandal.remove_points(vandal.live(), 5)
    watch_drift(rig.services)
    (shown,) = TaskManager(rig.services).system().drift.collections
    assert (shown.collection, shown.expected - shown.points) == ("shown", 5)
    assert not TaskManager(rig.services).system().drift.is_clean
    others = {"qdrant_url": rig.settings.qdrant_url} if rig.settings.qdrant_url else {}
    cli = Cli(rig.settings.data_dir, **CUTTING, **others)
    printed = cli.quick("verify", "--collection", "shown", "--json")
    assert (printed.code, json.loads(printed.out)["left"]) == (1, {"missing_points": 5})
    printed = cli.quick("verify", "--collection", "shown", "--repair")
    assert printed.code == 0, printed
    assert "5 points that are gone (missing_points), 5 mended" in printed.out
    assert TaskManager(rig.services).system().drift.is_clean
    rig.assert_exact("shown")


@EMBEDDED
def test_an_older_copy_of_the_store_is_brought_up_to_date(rig: FlowRig, tmp_path: Path) -> None:
    """Documents were changed, deleted and added since the copy was made."""
    paths = write_documents(tmp_path / "in", 6, words=200, seed=12)
    rig.ingest(tmp_path / "in", collection="older")
    vandal = Vandal(rig, "older", seed=12)
    copy = vandal.points(vandal.live())
    rewrite(paths[:2])
    delete(rig.services, "older", [str(paths[2])])
    paths[2].unlink()
    (tmp_path / "in" / "new.txt").write_text("It came later than the copy. " * 30, "utf-8")
    assert rig.ingest(tmp_path / "in", collection="older") == {"completed": 3, "unchanged": 3}
    rig.services.store.drop(vandal.index.name)
    rig.services.store.ensure(vandal.index.name, vandal.index.fingerprint)
    vandal.upsert(copy)
    report = verify(rig.services, VerifyRequest(repair=True, collection="older"))
    assert set(report.mended) - {"alias"} == {"missing_points", "stale_points"}
    assert (report.clean, report.embedded) == (True, 0)
    rig.assert_exact("older")


@EMBEDDED
def test_an_older_copy_of_the_catalog_is_followed(rig: FlowRig, tmp_path: Path) -> None:
    """The catalog is what is true: the index becomes what it was when the copy was made; ingesting catches up."""
    paths = write_documents(tmp_path / "in", 5, words=200, seed=13)
    rig.ingest(tmp_path / "in", collection="younger")
    with closing(sqlite3.connect(tmp_path / "copy.db")) as copy:
        with closing(sqlite3.connect(rig.settings.data_dir / "catalog.db")) as catalog:
            catalog.backup(copy)
        before = {version.version_id: version.source for version in Vandal(rig, "younger", seed=13).live()}
        rewrite(paths[:2])
        (tmp_path / "in" / "new.txt").write_text("The copy does not know it. " * 30, "utf-8")
        rig.assert_at_rest(rig.submit(tmp_path / "in", collection="younger"))
        with closing(sqlite3.connect(rig.settings.data_dir / "catalog.db")) as catalog:
            copy.backup(catalog)
    report = verify(rig.services, VerifyRequest(repair=True, collection="younger"))
    assert set(report.mended) == {"missing_points", "surplus_points"}
    assert (report.clean, report.embedded) == (True, 0)
    after = {version.version_id: version.source for version in Vandal(rig, "younger", seed=13).live()}
    assert set(after.values()) == set(before.values())
    assert len(before.keys() & after.keys()) == 3, "only what was damaged is made anew"
    assert rig.ingest(tmp_path / "in", collection="younger") == {"completed": 3, "unchanged": 3}
    rig.assert_exact("younger")


def test_vectors_that_were_damaged_while_no_stack_ran_are_made_anew(tmp_path: Path) -> None:
    """First a file of the embedded store is cut, then the whole folder is removed."""
    folder, sources = tmp_path / "data", tmp_path / "in"
    write_documents(sources, 5, words=200, seed=11)
    with stack_on(folder, **CUTTING) as rig:
        rig.ingest(sources)
        expected = rig.expected()
    cut = next(iter(sorted((folder / "vectors").rglob("segment.json"))))
    os.truncate(cut, cut.stat().st_size // 2)
    with stack_on(folder, **CUTTING) as rig:
        with pytest.raises(StoreDamaged, match="cannot be opened") as refused:
            rig.services.store.count("documents", Filter())
        assert "docrelay verify --repair" in refused.value.hint
        (shown,) = compare_counts(rig.services)
        assert (shown["points"], shown["expected"]) == (0, len(expected))
        assert verify(rig.services, VerifyRequest()).found == {"store_damaged": 1}
        report = verify(rig.services, VerifyRequest(repair=True))
        assert report.mended == {"store_damaged": 1, "missing_points": len(expected)}
        assert (report.clean, report.embedded) == (True, 0)
        assert any(str(folder / "vectors" / ".damaged-documents~1") in note for note in report.notes)
        rig.assert_exact()
    shutil.rmtree(folder / "vectors")
    with stack_on(folder, **CUTTING) as rig:
        report = verify(rig.services, VerifyRequest(repair=True))
        assert (report.clean, report.embedded) == (True, 0)
        assert report.mended["missing_points"] == len(expected)
        rig.assert_exact()
