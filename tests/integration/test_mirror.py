"""Mirror of a folder after each kind of change, on a real stack, one scan after the other."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
from flow_rig import FlowRig
from flow_tools import eventually, writes_on
from mirror_rig import NEVER_SO_LONG_MS, REST_MS, InProcessMirror, watching
from planted import DOCUMENTS

from pipeline import reindex
from pipeline.catalog.database.connection import writing
from pipeline.catalog.database.schema import documents, seen, versions
from pipeline.catalog.documents import watched_files
from pipeline.ingest.delete import delete
from pipeline.ingest.intake import ingest_files
from pipeline.ingest.originals import original_of
from pipeline.ingest.request import Request
from pipeline.ingest.submit import find, open_job
from pipeline.reindex import ReindexRequest
from pipeline.search import search
from pipeline.settings.watch_folders import WatchFolder
from pipeline.stages.kept_texts import text_key_of
from pipeline.task_manager import TaskManager
from pipeline.vectorstore.base import Filter
from pipeline.watch import apply
from pipeline.watch.events import Events
from pipeline.watch.known_files import KnownFiles
from pipeline.watch.lease import Lease
from pipeline.watch.mirror import Mirror


@pytest.fixture
def stack(shared_stack: FlowRig) -> FlowRig:
    return shared_stack


@pytest.fixture
def mirror(stack: FlowRig, tmp_path: Path) -> InProcessMirror:
    root = tmp_path / "folder"
    root.mkdir()
    in_process = InProcessMirror(stack, root, WatchFolder(path=root))
    in_process.mirror.load()
    return in_process


def test_new_changed_and_removed_files_are_mirrored(mirror: InProcessMirror) -> None:
    mirror.write(a="zebra", b="giraffe")
    mirror.sync_and_check()
    assert mirror.search_names("zebra") == {"a.txt"}
    mirror.write(a="okapi")
    (mirror.root / "b.txt").unlink()
    mirror.sync_and_check()
    assert mirror.search_names("zebra") | mirror.search_names("giraffe") == set()
    assert mirror.search_names("okapi") == {"a.txt"}
    mirror.assert_exact()


def test_rename_extracts_nothing_and_is_searchable_at_once(mirror: InProcessMirror) -> None:
    mirror.write(a="zebra")
    mirror.sync_and_check()
    before, document_id = mirror.extracted(), mirror.document("a.txt")
    (mirror.root / "sub").mkdir()
    (mirror.root / "a.txt").rename(mirror.root / "sub/b.txt")
    mirror.sync_and_check()
    assert mirror.search_names("zebra") == {"sub/b.txt"}
    assert mirror.document("sub/b.txt") == document_id
    (mirror.root / "sub").rename(mirror.root / "Sub")
    mirror.sync_and_check()
    assert mirror.search_names("zebra") == {"Sub/b.txt"}
    assert mirror.extracted() == before
    mirror.assert_exact()


def test_file_open_for_writing_is_read_when_closed(mirror: InProcessMirror) -> None:
    path, before = mirror.root / "slow.txt", mirror.extracted()
    with path.open("w") as file:
        file.write("The first half of the otter")
        file.flush()
        time.sleep(3 * REST_MS / 1000)
        assert mirror.mirror.sync() is not None
        assert mirror.searchable() == {}
        file.write(" and the second.")
    mirror.sync_and_check()
    assert mirror.extracted() == before + 1

    # A log file is renamed by the process that still writes to it: no text is extracted again.
    with path.open("a"):
        path.rename(mirror.root / "old.txt")
        time.sleep(3 * REST_MS / 1000)
        mirror.sync_and_check()
        assert set(mirror.searchable()) == {str(mirror.root / "old.txt")}
    assert mirror.extracted() == before + 1


def test_file_that_keeps_changing_delays_no_other_file(mirror: InProcessMirror) -> None:
    mirror = mirror.with_settle(NEVER_SO_LONG_MS)
    mirror.mirror.load()
    mirror.write(a="zebra", log="otter")
    mirror.sync_and_check()
    with writes_on(mirror.root / "log.txt"):
        mirror.write(b="giraffe")
        (mirror.root / "a.txt").unlink()
        mirror.mirror.catch_up()
        assert mirror.mirror.unstable == {(mirror.collection, str(mirror.root / "log.txt"))}
        assert eventually(lambda: mirror.search_names("giraffe") == {"b.txt"})
        assert (mirror.search_names("zebra"), mirror.search_names("otter")) == (set(), {"log.txt"})
        # A watcher takes what comes, and the file itself as soon as it rests.
        with watching(mirror.services, mirror.folder):
            mirror.write(c="okapi")
            assert eventually(lambda: mirror.search_names("okapi") == {"c.txt"})
    with watching(mirror.services, mirror.folder):
        mirror.await_step()


def mode_of(mirror: InProcessMirror) -> str | None:
    with mirror.services.catalog.connect() as connection:
        row = watched_files.get_folder(connection, mirror.mirror.root)
    return row and str(row.mode)


class Noted(Events):
    """Events of the system, with a way to see what has come and was not asked for yet."""

    latest: Noted

    def __init__(self, root: Path) -> None:
        Noted.latest = self
        super().__init__(root)

    def unread(self) -> set[str]:
        """Paths that wait; only for a moment in which no other thread reads them."""
        changed = self.wait(0.0)
        self._paths.put(changed)
        return changed


def test_events_delayed_by_a_slow_scan_stay_trusted(
    stack: FlowRig, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A scan takes so long that changes with events are overdue when the next one begins."""
    root = tmp_path / "folder"
    root.mkdir()
    mirror = InProcessMirror(stack, root, WatchFolder(path=root), watch_rescan_s=0.5)
    take, sync, slow, whole_looks = apply.ingest, Mirror.sync, threading.Event(), list[float | None]()

    def slowly(*given: Any) -> Any:
        if given[2] and not slow.is_set():
            mirror.write(b="giraffe")
            (tmp_path / "other").rename(root / "sub")
            assert eventually(lambda: {str(root / "b.txt"), str(root / "sub")} <= Noted.latest.unread())
            monkeypatch.setattr("pipeline.watch.mirror.OVERDUE_S", 0.0)
            slow.set()
        return take(*given)

    def counted(self: Mirror, scope: Any = None, event_paths: Any = ()) -> float | None:
        pause = sync(self, scope, event_paths)
        if scope is None and slow.is_set():
            whole_looks.append(pause)
        return pause

    (tmp_path / "other").mkdir()
    (tmp_path / "other/c.txt").write_text("okapi")
    monkeypatch.setattr("pipeline.watch.loop.Events", Noted)
    with watching(mirror.services, mirror.folder):
        assert eventually(lambda: mode_of(mirror) == "native")
        monkeypatch.setattr(apply, "ingest", slowly)
        monkeypatch.setattr(Mirror, "sync", counted)
        mirror.write(a="zebra")
        assert eventually(lambda: mirror.search_names("giraffe") == {"b.txt"})
        assert eventually(lambda: mirror.search_names("okapi") == {"sub/c.txt"})
        before = len(whole_looks)
        assert eventually(lambda: len(whole_looks) >= before + 3)
        assert slow.is_set()
        assert mode_of(mirror) == "native"


def test_change_without_an_event_is_found_and_ends_trust_in_events(
    stack: FlowRig, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The event names the path by which the change was made: here a path elsewhere, which is removed."""
    root = tmp_path / "folder"
    root.mkdir()
    mirror = InProcessMirror(stack, root, WatchFolder(path=root), watch_rescan_s=2.0, watch_poll_s=0.5)
    # The next scan of the whole folder finds the change, however soon it comes.
    monkeypatch.setattr("pipeline.watch.mirror.OVERDUE_S", 0.0)
    with watching(mirror.services, mirror.folder):
        (tmp_path / "elsewhere.txt").write_text("zebra")
        (root / "a.txt").hardlink_to(tmp_path / "elsewhere.txt")
        assert eventually(lambda: mirror.search_names("zebra") == {"a.txt"})
        assert mode_of(mirror) == "native"
        with (tmp_path / "elsewhere.txt").open("w") as file:
            (tmp_path / "elsewhere.txt").unlink()
            file.write("giraffe")
        assert eventually(lambda: mirror.search_names("giraffe") == {"a.txt"})
        assert eventually(lambda: mode_of(mirror) == "polling")
        mirror.write(b="okapi")
        assert eventually(lambda: mirror.search_names("okapi") == {"b.txt"})


def test_polling_needs_no_events(stack: FlowRig, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    root = tmp_path / "folder"
    (root / "sub").mkdir(parents=True)
    mirror = InProcessMirror(stack, root, WatchFolder(path=root), watch_events="polling", watch_poll_s=0.2)
    monkeypatch.setattr("watchfiles.watch", None)
    mirror.write(a="zebra")
    with watching(mirror.services, mirror.folder) as said:
        assert eventually(lambda: mode_of(mirror) == "polling")
        mirror.write(**{"sub/b": "giraffe"})
        assert eventually(lambda: mirror.search_names("giraffe") == {"sub/b.txt"})
        (root / "sub/b.txt").write_text("okapi")
        (root / "a.txt").rename(root / "sub/a.txt")
        assert eventually(lambda: mirror.search_names("okapi") == {"sub/b.txt"})
        assert eventually(lambda: mirror.search_names("zebra") == {"sub/a.txt"})
        (root / "sub/b.txt").unlink()
        assert eventually(lambda: mirror.search_names("okapi") == set())
    assert said == [f"Watching {root} (polling)"]


def test_names_that_are_not_utf_8_are_mirrored(stack: FlowRig, tmp_path: Path) -> None:
    """A file whose name is not UTF-8 next to one named like its source: reported by events, renamed and removed."""
    root = tmp_path / "folder"
    root.mkdir()
    mirror = InProcessMirror(stack, root, WatchFolder(path=root))
    latin, literal = (root / os.fsdecode(name) for name in (b"caf\xe9.txt", rb"caf\xe9.txt"))
    latin.write_text("zebra one")
    literal.write_text("zebra two")
    with watching(mirror.services, mirror.folder):
        assert eventually(lambda: mirror.search_names("zebra") == {r"caf\xe9.txt", r"caf\x5cxe9.txt"})
        folder, before = root / os.fsdecode(b"\xfcber"), mirror.extracted()
        folder.mkdir()
        latin.rename(folder / latin.name)
        assert eventually(lambda: mirror.search_names("zebra") == {r"\xfcber/caf\xe9.txt", r"caf\x5cxe9.txt"})
        literal.rename(latin)
        assert eventually(lambda: mirror.search_names("zebra") == {r"\xfcber/caf\xe9.txt", r"caf\xe9.txt"})
        assert mirror.extracted() == before
        (folder / latin.name).unlink()
        assert eventually(lambda: mirror.search_names("zebra") == {r"caf\xe9.txt"})
        mirror.write(b="giraffe")
        assert eventually(lambda: mirror.search_names("giraffe") == {"b.txt"})
        assert mode_of(mirror) == "native"


def test_file_whose_name_is_not_utf_8_is_retried_and_read(mirror: InProcessMirror) -> None:
    """Its content is given out, it is tried again, and read again, like that of any other name."""
    path, manager = mirror.root / os.fsdecode(b"caf\xe9.txt"), TaskManager(mirror.services)
    path.touch()
    mirror.sync_to_end()
    assert mirror.codes() == {r"caf\xe9.txt": "empty"}
    path.write_text("zebra")
    (job,) = TaskManager(mirror.services).retry([str(path)])
    assert mirror.rig.wait(job) == {"completed": 1}
    query = sa.select(documents.c.id, versions.c.content_sha256, versions.c.extraction).where(
        documents.c.collection == mirror.collection, documents.c.source == rf"{mirror.root}/caf\xe9.txt"
    )
    (row,) = mirror.rig.rows(query.join(versions, versions.c.id == documents.c.live_version_id))
    original = original_of(mirror.services, manager.document(row.id))
    assert original.path.read_text() == "zebra"
    original.release()

    mirror.services.spool.delete(text_key_of(row.content_sha256, path.name, row.extraction))
    assert reindex.plan(mirror.services, ReindexRequest(collection=mirror.collection, chunk_tokens=64)).unreadable == 0
    begun = reindex.start(mirror.services, ReindexRequest(collection=mirror.collection, re_extract=True))
    assert eventually(lambda: reindex.status(mirror.services, mirror.collection).state == "soaking")
    assert mirror.rig.wait(begun.job_id) == {"completed": 1}


def test_deleted_document_whose_file_is_renamed(mirror: InProcessMirror) -> None:
    mirror.write(a="zebra")
    mirror.sync_and_check()
    delete(mirror.services, mirror.collection, [str(mirror.root / "a.txt")])
    (mirror.root / "a.txt").rename(mirror.root / "b.txt")
    assert eventually(lambda: mirror.mirror.sync() is None)
    mirror.sync_and_check()
    assert mirror.search_names("zebra") == {"b.txt"}
    mirror.assert_exact()


def test_rename_to_the_name_of_another_document(mirror: InProcessMirror) -> None:
    mirror.write(b="giraffe")
    request = Request([mirror.root / "b.txt"], mirror.collection)
    files = find(mirror.services, request)
    job = open_job(mirror.services, request, files)
    ingest_files(mirror.services, job, files)
    mirror.rig.wait(job)
    (mirror.root / "b.txt").unlink()
    mirror.write(a="zebra")
    mirror.sync_to_end()
    document_id, before = mirror.document("a.txt"), mirror.extracted()
    (mirror.root / "a.txt").rename(mirror.root / "b.txt")
    assert eventually(lambda: mirror.mirror.sync() is None)
    mirror.sync_and_check()
    assert (mirror.search_names("zebra"), mirror.search_names("giraffe")) == ({"b.txt"}, set())
    assert (mirror.document("b.txt"), mirror.extracted()) == (document_id, before)
    mirror.assert_exact()


def test_a_folder_by_two_names_is_watched_once(mirror: InProcessMirror) -> None:
    link = mirror.root.with_name("link")
    link.symlink_to(mirror.root)
    mirror.write(a="zebra")
    mirror.sync_and_check()
    other, before = Mirror(mirror.services, WatchFolder(path=link)), mirror.extracted()
    other.catch_up()
    assert (other.root, mirror.extracted()) == (mirror.mirror.root, before)
    with watching(mirror.services, mirror.folder, WatchFolder(path=link)) as said:
        assert eventually(lambda: any("same" in line for line in said))
    assert mirror.extracted() == before
    mirror.root.rename(mirror.root.with_name("away"))
    other = Mirror(mirror.services, WatchFolder(path=link))
    other.catch_up()
    assert other.hold is not None
    assert other.hold.reason == "root_missing"
    assert mirror.search_names("zebra") == {"a.txt"}


def test_scan_of_a_sub_folder_reads_only_that_sub_folder(
    mirror: InProcessMirror, monkeypatch: pytest.MonkeyPatch
) -> None:
    first_folder, second_folder = mirror.root / "one", mirror.root / "two"
    first_folder.mkdir()
    second_folder.mkdir()
    for name in ("one/a", "one/b", "two/c"):
        mirror.write(**{name: f"zebra {name}"})
    mirror.sync_and_check()

    def everything(_files: KnownFiles) -> Iterator[Any]:
        raise AssertionError("all that is known was looked through")

    (first_folder / "a.txt").rename(second_folder / "a.txt")
    (first_folder / "b.txt").unlink()
    mirror.write(**{"two/d": "zebra two"})
    with monkeypatch.context() as patch:
        patch.setattr(KnownFiles, "__iter__", everything)
        assert eventually(lambda: mirror.mirror.sync({first_folder: False, second_folder: True}) is None)
    mirror.sync_and_check()
    assert mirror.search_names("zebra") == {"two/a.txt", "two/c.txt", "two/d.txt"}


def test_ocr_mode_of_a_watched_folder_is_that_of_its_documents(stack: FlowRig, tmp_path: Path) -> None:
    root = tmp_path / "folder"
    root.mkdir()
    mirror = InProcessMirror(stack, root, WatchFolder(path=root, ocr="off"))
    mirror.mirror.load()
    mirror.write(a="zebra")
    mirror.sync_to_end()
    query = sa.select(versions.c.ocr).join(documents, documents.c.live_version_id == versions.c.id)
    assert [row.ocr for row in stack.rows(query.where(documents.c.collection == mirror.collection))] == ["off"]


def test_sidecar_metadata_follows_its_file(stack: FlowRig, tmp_path: Path) -> None:
    root = tmp_path / "folder"
    root.mkdir()
    mirror = InProcessMirror(stack, root, WatchFolder(path=root, workflow="enriched"))
    mirror.mirror.load()
    beside, jobs = root / "a.txt.meta.json", sa.select(sa.func.count()).select_from(sa.text("jobs"))

    def metadata_by_name() -> dict[str, Any]:
        """What is known of each file after a scan, and after nothing has happened since."""
        mirror.sync_to_end()
        before = stack.scalar(jobs)
        assert mirror.mirror.sync() is None
        assert stack.scalar(jobs) == before
        query = sa.select(documents.c.source, versions.c.metadata).where(documents.c.collection == mirror.collection)
        rows = stack.rows(query.join(versions, versions.c.id == documents.c.live_version_id))
        return {Path(row.source).name: row.metadata for row in rows}

    mirror.write(a="zebra", b="giraffe")
    beside.write_text('{"place": "zoo"}')
    assert metadata_by_name() == {"a.txt": {"place": "zoo"}, "b.txt": None}
    beside.write_text('{"place": "steppe"}')
    assert metadata_by_name() == {"a.txt": {"place": "steppe"}, "b.txt": None}
    beside.unlink()
    assert metadata_by_name() == {"a.txt": None, "b.txt": None}
    beside.write_text('{"place": "zoo"}')
    assert metadata_by_name() == {"a.txt": {"place": "zoo"}, "b.txt": None}
    before, document_id = mirror.extracted(), mirror.document("a.txt")
    (root / "a.txt").rename(root / "c.txt")
    beside.rename(root / "c.txt.meta.json")
    assert metadata_by_name() == {"c.txt": {"place": "zoo"}, "b.txt": None}
    assert (mirror.extracted(), mirror.document("c.txt")) == (before, document_id)
    (root / "c.txt.meta.json").rename(root / "b.txt.meta.json")
    assert metadata_by_name() == {"c.txt": None, "b.txt": {"place": "zoo"}}
    # A new name and other metadata at once: both are there in the end.
    (root / "b.txt").rename(root / "d.txt")
    (root / "b.txt.meta.json").unlink()
    (root / "d.txt.meta.json").write_text('{"place": "forest"}')
    assert metadata_by_name() == {"c.txt": None, "d.txt": {"place": "forest"}}
    # Without its file it is one itself; with it, it is none again.
    (root / "d.txt").rename(tmp_path / "d.txt")
    assert set(metadata_by_name()) == {"c.txt", "d.txt.meta.json"}
    (tmp_path / "d.txt").rename(root / "d.txt")
    assert metadata_by_name() == {"c.txt": None, "d.txt": {"place": "forest"}}


def test_swapped_names_and_a_move_onto_another_file(mirror: InProcessMirror) -> None:
    mirror.write(a="zebra", b="giraffe", c="okapi")
    mirror.sync_and_check()
    before = mirror.extracted()
    a, b, c = (mirror.root / f"{name}.txt" for name in "abc")
    swap(a, b)
    mirror.sync_and_check()
    assert (mirror.search_names("zebra"), mirror.search_names("giraffe")) == ({"b.txt"}, {"a.txt"})
    a.replace(c)
    mirror.sync_and_check()
    assert (mirror.search_names("okapi"), mirror.search_names("giraffe")) == (set(), {"c.txt"})
    assert mirror.extracted() == before
    mirror.assert_exact()


def test_new_file_under_the_name_of_a_renamed_file(mirror: InProcessMirror) -> None:
    mirror.write(a="zebra")
    mirror.sync_and_check()
    document_id = mirror.document("a.txt")
    (mirror.root / "a.txt").rename(mirror.root / "b.txt")
    mirror.sync_and_check()
    mirror.write(a="giraffe")
    mirror.sync_and_check()
    assert mirror.document("b.txt") == document_id != mirror.document("a.txt")
    mirror.write(a="okapi", b="zebra and more")
    mirror.sync_and_check()
    assert (mirror.search_names("okapi"), mirror.search_names("zebra")) == ({"a.txt"}, {"b.txt"})
    mirror.assert_exact()


def test_restored_file_is_not_extracted_again(mirror: InProcessMirror) -> None:
    mirror.write(a="zebra")
    mirror.sync_and_check()
    before, away = mirror.extracted(), mirror.root.parent / "away"
    (mirror.root / "a.txt").rename(away)
    mirror.sync_and_check()
    assert mirror.search_names("zebra") == set()
    away.rename(mirror.root / "b.txt")
    mirror.sync_and_check()
    assert mirror.search_names("zebra") == {"b.txt"}
    assert mirror.extracted() == before
    mirror.assert_exact()


def test_points_of_removed_files_are_deleted_later(stack: FlowRig, tmp_path: Path) -> None:
    root = tmp_path / "folder"
    root.mkdir()
    mirror = InProcessMirror(stack, root, WatchFolder(path=root), watch_undo_s=0.01)
    mirror.write(a="zebra", b="giraffe")
    mirror.sync_and_check()
    (root / "a.txt").unlink()

    def are_gone() -> bool:
        mirror.sync_and_check()
        return stack.services.store.count(f"{mirror.collection}~1", Filter()) == 1

    assert eventually(are_gone)
    rows = stack.rows(sa.select(seen.c.source).where(seen.c.collection == mirror.collection))
    assert [row.source for row in rows] == [str(root / "b.txt")]


def test_hard_links_and_copies_are_separate_documents(mirror: InProcessMirror) -> None:
    mirror.write(a="zebra")
    os.link(mirror.root / "a.txt", mirror.root / "b.txt")
    mirror.sync_and_check()
    assert mirror.search_names("zebra") == {"a.txt", "b.txt"}
    (mirror.root / "a.txt").write_text("giraffe")
    mirror.sync_and_check()
    assert mirror.search_names("giraffe") == {"a.txt", "b.txt"}
    mirror.assert_exact()


def test_missed_changes_and_interrupted_work_are_found(mirror: InProcessMirror) -> None:
    mirror.write(a="zebra", b="giraffe")
    mirror.sync_and_check()
    before = mirror.extracted()
    with writing(mirror.services.catalog) as connection:
        lost = seen.update().where(seen.c.collection == mirror.collection)
        connection.execute(lost.values(document_id=None, sha256=None))
    (mirror.root / "b.txt").unlink()
    mirror.sync_after_restart()
    assert mirror.search_names("zebra") == {"a.txt"}
    assert mirror.search_names("giraffe") == set()
    assert mirror.extracted() == before
    mirror.assert_exact()


def test_deletion_of_many_files_at_once_is_held(mirror: InProcessMirror) -> None:
    mirror.write(**{f"f{number}": f"zebra {number}" for number in range(20)})
    mirror.sync_and_check()
    for number in range(11):
        (mirror.root / f"f{number}.txt").rename(mirror.root.parent / f"f{number}.txt")
    mirror.sync_and_check()
    assert mirror.mirror.hold is not None
    assert (mirror.mirror.hold.reason, mirror.mirror.hold.files) == ("many_gone", 11)
    assert len(mirror.search_names("zebra")) == 20
    mirror.sync_after_restart()
    assert mirror.mirror.hold is not None
    (mirror.root.parent / "f0.txt").rename(mirror.root / "f0.txt")
    mirror.sync_and_check()
    assert mirror.mirror.hold is None, "files have returned: what is missing now is few"
    assert len(mirror.search_names("zebra")) == 10


def test_only_confirmed_deletions_are_done(mirror: InProcessMirror) -> None:
    mirror.write(**{f"f{number}": f"zebra {number}" for number in range(30)})
    mirror.sync_and_check()
    for number in range(12):
        (mirror.root / f"f{number}.txt").unlink()
    mirror.sync_and_check()
    with writing(mirror.services.catalog) as connection:
        held = watched_files.get_folder(connection, mirror.mirror.root)
        assert (held.held, held.held_files) == ("many_gone", 12)
    (mirror.root / "f12.txt").unlink()
    mirror.sync_to_end()
    time.sleep(REST_MS / 1000)
    with writing(mirror.services.catalog) as connection:
        watched_files.update_folder(connection, mirror.mirror.root, confirmed=11)
    mirror.sync_and_check()
    assert len(mirror.search_names("zebra")) == 30, "more are missing than the user has confirmed"
    with writing(mirror.services.catalog) as connection:
        assert watched_files.confirm_deletions(connection, mirror.mirror.root) == 13
    mirror.sync_and_check()
    assert mirror.mirror.hold is None
    assert len(mirror.search_names("zebra")) == 17


def test_confirmation_is_known_to_the_next_process(mirror: InProcessMirror) -> None:
    mirror.write(**{f"f{number}": f"zebra {number}" for number in range(20)})
    mirror.sync_and_check()
    for number in range(15):
        (mirror.root / f"f{number}.txt").unlink()
    mirror.sync_after_restart()
    assert mirror.mirror.hold is not None
    with writing(mirror.services.catalog) as connection:
        assert watched_files.confirm_deletions(connection, mirror.mirror.root) == 15
    mirror.sync_after_restart()
    assert mirror.mirror.hold is None
    assert len(mirror.search_names("zebra")) == 5
    with mirror.services.catalog.connect() as connection:
        assert watched_files.get_folder(connection, mirror.mirror.root).confirmed is None


def test_missing_root_deletes_no_documents(mirror: InProcessMirror) -> None:
    mirror.write(a="zebra")
    mirror.sync_and_check()
    mirror.root.rename(mirror.root.with_name("away"))
    mirror.sync_and_check()
    assert mirror.mirror.hold is not None
    assert mirror.mirror.hold.reason == "root_missing"
    assert mirror.search_names("zebra") == {"a.txt"}
    mirror.root.with_name("away").rename(mirror.root)
    mirror.sync_and_check()
    assert mirror.mirror.hold is None


def test_missing_files_are_kept_without_delete_missing(stack: FlowRig, tmp_path: Path) -> None:
    root = tmp_path / "folder"
    root.mkdir()
    mirror = InProcessMirror(stack, root, WatchFolder(path=root, delete_missing=False))
    mirror.write(a="zebra")
    mirror.sync_and_check()
    (root / "a.txt").unlink()
    mirror.sync_to_end()
    assert mirror.search_names("zebra") == {"a.txt"}


def test_missing_files_of_a_missing_root_are_kept(stack: FlowRig, tmp_path: Path) -> None:
    root = tmp_path / "folder"
    root.mkdir()
    mirror = InProcessMirror(stack, root, WatchFolder(path=root, delete_missing=False))
    mirror.write(a="zebra")
    mirror.sync_and_check()
    root.rename(tmp_path / "away")
    mirror.sync_to_end()
    with writing(mirror.services.catalog) as connection:
        assert watched_files.confirm_deletions(connection, mirror.mirror.root) == 1
    mirror.sync_to_end()
    assert mirror.search_names("zebra") == {"a.txt"}


def test_ignored_files_are_removed_and_come_back(mirror: InProcessMirror) -> None:
    mirror.write(a="zebra", b="giraffe")
    (mirror.root / "draft.txt.part").write_text("zebra")
    (mirror.root / ".hidden.txt").write_text("zebra")
    mirror.sync_to_end()
    assert mirror.search_names("zebra") == {"a.txt"}
    before = mirror.extracted()
    (mirror.root / ".docrelayignore").write_text("a.*\n[\n!.hidden.txt\n")
    mirror.sync_to_end()
    assert mirror.search_names("zebra") == {".hidden.txt"}
    (mirror.root / ".docrelayignore").unlink()
    (mirror.root / ".hidden.txt").unlink()
    mirror.sync_to_end()
    assert "a.txt" in mirror.search_names("zebra")
    assert mirror.extracted() - before <= 1


def test_unreadable_files_fail_alone(mirror: InProcessMirror, tmp_path: Path) -> None:
    mirror.write(a="zebra")
    (mirror.root / "big.txt").write_bytes(b"x" * (1 << 21))
    os.mkfifo(mirror.root / "pipe")
    (tmp_path / "outside.txt").write_text("zebra")
    (mirror.root / "out.txt").symlink_to(tmp_path / "outside.txt")
    (mirror.root / "nowhere.txt").symlink_to("nothing")
    mirror.sync_to_end()
    assert mirror.codes() == {
        "big.txt": "too_large",
        "pipe": "not_a_file",
        "out.txt": "outside_root",
        "nowhere.txt": "outside_root",
    }
    before = mirror.rig.rows(sa.select(sa.func.count()).select_from(sa.text("jobs")))
    assert mirror.mirror.sync() is None
    assert mirror.rig.rows(sa.select(sa.func.count()).select_from(sa.text("jobs"))) == before
    for name in ("big.txt", "pipe", "out.txt", "nowhere.txt"):
        (mirror.root / name).unlink()
    mirror.sync_to_end()
    assert mirror.codes() == {}
    assert mirror.search_names("zebra") == {"a.txt"}


def test_file_removed_before_reading_is_read_when_it_returns(mirror: InProcessMirror) -> None:
    mirror.write(a="zebra")
    away, path = mirror.root.parent / "away.txt", mirror.root / "a.txt"
    take = apply.ingest_files

    def too_late(*given: Any) -> None:
        path.rename(away)
        take(*given)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(apply, "ingest_files", too_late)
        mirror.sync_to_end()
    assert mirror.codes() == {"a.txt": "unreadable"}
    away.rename(path)
    mirror.sync_and_check()
    assert mirror.codes() == {}
    assert mirror.search_names("zebra") == {"a.txt"}


def die_over(mirror: InProcessMirror) -> None:
    """The files are ingested, and the watcher dies before it has stored that."""
    take = apply.ingest_files

    class Killed(BaseException):
        pass

    def and_die(*given: Any) -> None:
        take(*given)
        raise Killed

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(apply, "ingest_files", and_die)
        with pytest.raises(Killed):
            mirror.sync_to_end()


def test_watcher_killed_over_a_replaced_file_continues(mirror: InProcessMirror) -> None:
    mirror.write(a="zebra")
    mirror.sync_and_check()
    (mirror.root / "a.txt").unlink()
    mirror.sync_and_check()
    mirror.write(a="okapi")
    die_over(mirror)
    (mirror.root / "a.txt").unlink()
    mirror.sync_after_restart()
    assert mirror.search_names("zebra") | mirror.search_names("okapi") == set()
    mirror.assert_exact()


def test_watcher_killed_over_routed_files_continues(stack: FlowRig, tmp_path: Path) -> None:
    """Its own document is removed; a document of the same source that a command ingested stays."""
    root = tmp_path / "folder"
    root.mkdir()
    chosen = {"routed": {"collections": {"text/*": "route-notes"}}}
    mirror = InProcessMirror(stack, root, WatchFolder(path=root, workflow="routed"), workflow_options=chosen)
    mirror.mirror.load()
    mirror.write(a="zebra", b="giraffe", c="okapi")
    assert stack.ingest(root / "a.txt", collection="route-other") == {"completed": 1}
    assert stack.ingest(root / "b.txt", collection="route-notes") == {"completed": 1}
    die_over(mirror)
    assert eventually(lambda: names_in(mirror, "route-notes") == {"a.txt", "b.txt", "c.txt"})
    for name in "abc":
        (root / f"{name}.txt").unlink()
    mirror.mirror = Mirror(mirror.services, mirror.folder)
    mirror.mirror.load()
    mirror.sync_to_end()
    assert names_in(mirror, "route-notes") == {"b.txt"}
    assert names_in(mirror, "route-other") == {"a.txt"}
    mirror.write(c="okapi")
    mirror.sync_to_end()
    assert names_in(mirror, "route-notes") == {"b.txt", "c.txt"}


def test_document_of_another_row_stays(mirror: InProcessMirror) -> None:
    """As when a rule gives the file another collection while the route sends it to the same one as before."""
    mirror.write(a="zebra")
    mirror.sync_and_check()
    (key,) = mirror.mirror.known
    with writing(mirror.services.catalog) as connection:
        watched_files.store(connection, {("another", key[1]): mirror.mirror.known[key]})
    apply.delete_missing(mirror.services, mirror.mirror.root, mirror.mirror.known, {key})
    assert mirror.search_names("zebra") == {"a.txt"}


@pytest.mark.parametrize("dies", [False, True])
def test_file_routed_to_another_collection_leaves_nothing_behind(stack: FlowRig, tmp_path: Path, dies: bool) -> None:
    """The old document is removed when the new one is live, not before; documents of other ingests stay."""
    root, notes = tmp_path / "folder", f"left-{dies}"
    root.mkdir()
    chosen = {"routed": {"collections": {"text/*": notes}}}
    mirror = InProcessMirror(stack, root, WatchFolder(path=root, workflow="routed"), workflow_options=chosen)
    mirror.mirror.load()

    def places() -> tuple[set[str], set[str]]:
        if dies:
            mirror.mirror = Mirror(mirror.services, mirror.folder)
            mirror.mirror.load()
        mirror.sync_to_end()
        return names_in(mirror, notes), names_in(mirror, mirror.collection)

    (root / "a").write_text("zebra")
    (root / "b").write_text("giraffe")
    (root / "c").write_text("okapi")
    assert stack.ingest(root / "b", collection=notes) == {"completed": 1}
    assert stack.ingest(root / "c", collection=mirror.collection) == {"completed": 1}
    assert places() == ({"a", "b", "c"}, {"c"})
    # Another kind of file under the same name: one that can be read, or not.
    broken, whole = (DOCUMENTS / name for name in ("truncated.pdf", "staff_handbook.docx"))
    for name in "ab":
        (root / name).write_bytes(broken.read_bytes())
    assert places() == ({"a", "b", "c"}, {"c"})
    for name in "ab":
        (root / name).write_bytes(whole.read_bytes())
    places()
    assert places() == ({"b", "c"}, {"a", "b", "c"})
    # And back.
    (root / "a").write_text("zebra")
    places()
    assert places() == ({"a", "b", "c"}, {"b", "c"})
    before = mirror.extracted()
    assert places() == ({"a", "b", "c"}, {"b", "c"})
    assert mirror.extracted() == before
    # It gets another name while two of it are there.
    (root / "a").write_bytes(whole.read_bytes())
    mirror.sync_to_end()
    (root / "a").rename(root / "d")
    assert places() == ({"b", "c"}, {"b", "c", "d"})
    # It goes while two of it are there.
    (root / "a").write_text("zebra")
    places()
    (root / "a").write_bytes(whole.read_bytes() + b"\n")
    mirror.sync_to_end()
    (root / "d").unlink()
    for name in "abc":
        (root / name).unlink()
    assert places() == ({"b"}, {"c"})


def names_in(mirror: InProcessMirror, collection: str) -> set[str]:
    """Names of the documents that readers of a collection see."""
    query = sa.select(documents.c.source).where(
        documents.c.collection == collection, documents.c.live_version_id.is_not(None)
    )
    return {Path(row.source).name for row in mirror.rig.rows(query)}


def test_names_swapped_between_scan_and_reading(mirror: InProcessMirror) -> None:
    mirror.write(a="zebra", b="giraffe")
    take = apply.ingest_files

    def swapped(*given: Any) -> None:
        swap(mirror.root / "a.txt", mirror.root / "b.txt")
        take(*given)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(apply, "ingest_files", swapped)
        mirror.sync_to_end()
    mirror.sync_and_check()
    assert (mirror.search_names("zebra"), mirror.search_names("giraffe")) == ({"b.txt"}, {"a.txt"})
    mirror.assert_exact()


def swap(first: Path, other: Path) -> None:
    between = first.with_name(".between")
    first.rename(between)
    other.rename(first)
    between.rename(other)


def test_sub_folders_go_to_their_collections(stack: FlowRig, tmp_path: Path) -> None:
    root = tmp_path / "folder"
    (root / "invoices/old").mkdir(parents=True)
    rules = ({"folder": "invoices", "collection": "rule-a"}, {"folder": "invoices/old", "collection": "rule-b"})
    mirror = InProcessMirror(stack, root, WatchFolder.model_validate({"path": root, "rules": rules}))
    for folder in (root, root / "invoices", root / "invoices/old"):
        (folder / "a.txt").write_text(f"zebra of {folder.name}")
    mirror.sync_to_end()
    query = sa.select(documents.c.collection, documents.c.source).where(documents.c.source.startswith(str(root)))
    assert {row.collection: Path(row.source).parent.name for row in stack.rows(query)} == {
        mirror.collection: "folder",
        "rule-a": "invoices",
        "rule-b": "old",
    }


def tags_of(mirror: InProcessMirror) -> dict[str, set[str]]:
    """Tags of every document that readers see, by its file's name; catalog, points and search agree on them."""
    query = sa.select(documents.c.id, documents.c.source, documents.c.tags).where(
        documents.c.collection == mirror.collection, documents.c.live_version_id.is_not(None)
    )
    tags_by_name: dict[str, set[str]] = {}
    for row in mirror.rig.rows(query):
        name = str(Path(row.source).relative_to(mirror.root))
        payloads = mirror.services.store.read(f"{mirror.collection}~1", Filter(document_ids=(row.id,), live=True), 100)
        assert payloads
        assert [[payload["tags"], payload["metadata"]["tags"]] for payload in payloads] == [[row.tags, row.tags]] * len(
            payloads
        )
        tags_by_name[name] = set(row.tags)
    for tag in set().union(*tags_by_name.values()):
        hits = search(mirror.services, "zebra", mirror.collection, 100, "sparse", Filter(tags=(tag,))).hits
        assert {str(Path(hit.source).relative_to(mirror.root)) for hit in hits} == {
            name for name, tags in tags_by_name.items() if tag in tags
        }
    return tags_by_name


def ruled(*rules: dict[str, Any], root: Path, **more: Any) -> WatchFolder:
    return WatchFolder.model_validate({"path": root, "rules": rules, **more})


def test_move_into_a_tagged_sub_folder_extracts_nothing(stack: FlowRig, tmp_path: Path) -> None:
    root = tmp_path / "folder"
    for name in ("invoices/paid", "deep/down"):
        (root / name).mkdir(parents=True)
    rules = ({"folder": "invoices", "tags": ["invoice"]}, {"folder": "invoices/paid", "tags": ["invoice", "paid"]})
    mirror = InProcessMirror(stack, root, ruled(*rules, root=root))
    mirror.write(a="zebra one", b="zebra two")
    (root / "deep/down/c.txt").write_text("zebra three")
    mirror.sync_and_check()
    assert tags_of(mirror) == {"a.txt": set(), "b.txt": set(), "deep/down/c.txt": set()}
    runs, embedded, document_id = mirror.extracted(), mirror.embedded(), mirror.document("a.txt")

    (root / "a.txt").rename(root / "invoices/a.txt")
    (root / "deep").rename(root / "invoices/deep")
    mirror.sync_and_check()
    assert tags_of(mirror) == {"invoices/a.txt": {"invoice"}, "b.txt": set(), "invoices/deep/down/c.txt": {"invoice"}}
    (root / "invoices/a.txt").rename(root / "invoices/paid/a.txt")
    (root / "invoices/deep").rename(root / "deep")
    mirror.sync_and_check()
    assert tags_of(mirror) == {"invoices/paid/a.txt": {"invoice", "paid"}, "b.txt": set(), "deep/down/c.txt": set()}
    mirror.sync_after_restart()

    assert (mirror.extracted(), mirror.embedded(), mirror.document("invoices/paid/a.txt")) == (
        runs,
        embedded,
        document_id,
    )
    (root / "invoices/paid/a.txt").write_text("zebra of another kind")
    mirror.sync_and_check()
    assert tags_of(mirror)["invoices/paid/a.txt"] == {"invoice", "paid"}
    mirror.assert_exact()


def test_changed_rules_apply_at_the_next_scan(stack: FlowRig, tmp_path: Path) -> None:
    root = tmp_path / "folder"
    (root / "sub").mkdir(parents=True)
    mirror = InProcessMirror(stack, root, ruled(root=root))
    mirror.write(a="zebra one")
    (root / "sub/b.txt").write_text("zebra two")
    mirror.sync_and_check()
    runs, embedded = mirror.extracted(), mirror.embedded()
    for rules, of_all, expected in (
        (({"folder": "sub", "tags": ["x"]},), None, (set(), {"x"})),
        (({"folder": "sub", "tags": ["x", "y"]},), ["all"], ({"all"}, {"x", "y"})),
        (({"folder": "sub", "tags": []},), ["all"], ({"all"}, set())),
        ((), ["all"], ({"all"}, {"all"})),
        ((), None, (set(), set())),
    ):
        mirror.folder = ruled(*rules, root=root, tags=of_all)
        mirror.sync_after_restart()
        assert tags_of(mirror) == dict(zip(("a.txt", "sub/b.txt"), expected, strict=True))
    assert (mirror.extracted(), mirror.embedded()) == (runs, embedded)


def test_tags_given_by_another_ingest_stay_where_no_rule_sets_tags(mirror: InProcessMirror) -> None:
    mirror.write(a="zebra one", b="zebra two")
    mirror.sync_and_check()
    runs, embedded = mirror.extracted(), mirror.embedded()
    request = Request([mirror.root / "a.txt"], mirror.collection, tags=["urgent", "2026"])
    files = find(mirror.services, request)
    job = open_job(mirror.services, request, files)
    ingest_files(mirror.services, job, files)
    assert mirror.rig.counts(job) == {"unchanged": 1}
    assert tags_of(mirror) == {"a.txt": {"urgent", "2026"}, "b.txt": set()}
    assert (mirror.extracted(), mirror.embedded()) == (runs, embedded)

    mirror.write(a="zebra of another kind")
    (mirror.root / "b.txt").rename(mirror.root / "c.txt")
    mirror.sync_and_check()
    (mirror.root / "a.txt").rename(mirror.root / "d.txt")
    mirror.sync_and_check()
    assert tags_of(mirror) == {"d.txt": {"urgent", "2026"}, "c.txt": set()}


def test_second_watcher_takes_over_when_the_first_ends(stack: FlowRig) -> None:
    first, second = Lease(stack.services.redis), Lease(stack.services.redis)
    try:
        assert first.acquire("/srv/docs")
        assert first.acquire("/srv/docs/inner")
        assert not second.acquire("/srv/docs")
        assert not second.acquire("/srv")
        assert not second.acquire("/srv/docs/inner/most")
        assert second.acquire("/srv/docs-other")
        first.release("/srv/docs")
        assert not second.acquire("/srv/docs")
        first.close()
        assert second.acquire("/srv/docs")
        assert not first.holds("/srv/docs")
    finally:
        first.close()
        second.close()
