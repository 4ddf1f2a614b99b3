"""A backup holds exactly the documents of one moment, whatever happens while it is taken."""

from __future__ import annotations

import errno
import json
import shutil
from collections.abc import Callable, Iterator
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
from backup_rig import Deployment, Seen, embedded

from pipeline.backup import back_up, restore
from pipeline.backup import backup as backup_module
from pipeline.catalog.database.connection import writing
from pipeline.catalog.database.schema import documents, tasks, versions
from pipeline.catalog.documents import moves, restoring
from pipeline.catalog.work import ledger
from pipeline.errors import BackupUnusable, BadRequest, Conflict, StackUnavailable
from pipeline.services import Services
from pipeline.settings import Settings
from pipeline.spool import LocalSpool, original_key


@pytest.fixture(scope="module")
def four(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A data folder with four documents: making the files of a collection takes longer than all else here."""
    folder = tmp_path_factory.mktemp("four") / "data"
    deployment = embedded(folder)
    for number in range(4):
        deployment.put(f"/docs/{number}.txt", f"first words of {number}", f"last words of {number}")
    deployment.close()
    return folder


@pytest.fixture(scope="module")
def one_backup(four: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A backup of the four documents, which no test changes."""
    folder = tmp_path_factory.mktemp("one")
    shutil.copytree(four, folder / "data")
    deployment = embedded(folder / "data")
    back_up(deployment.services, folder / "backup")
    deployment.close()
    return folder / "backup"


@pytest.fixture
def here(four: Path, tmp_path: Path) -> Iterator[Deployment]:
    """A deployment with four documents."""
    shutil.copytree(four, tmp_path / "here")
    deployment = embedded(tmp_path / "here")
    yield deployment
    deployment.close()


def restored(backup: Path, folder: Path) -> Deployment:
    settings = Settings(data_dir=folder, embedding_model="hashing")
    restore(settings, backup)
    return Deployment(settings)


def at(phase: str, act: Callable[[], object]) -> Callable[[str], None]:
    """A receiver of progress that acts once, when the first line begins so."""
    waiting = [act]

    def say(line: str) -> None:
        if line.startswith(phase) and waiting:
            waiting.pop()()

    return say


def test_a_restored_backup_is_what_was_backed_up(here: Deployment, tmp_path: Path) -> None:
    here.put("/notes/other.txt", "of another collection", collection="notes")
    before, points = here.seen(), here.points()

    report = back_up(here.services, tmp_path / "backup")
    there = restored(tmp_path / "backup", tmp_path / "there")

    assert (report.documents, report.points, report.collections, report.missing_points) == (5, 9, 2, 0)
    assert there.seen() == before
    assert there.points() == points
    assert there.seen("notes") == here.seen("notes")
    assert there.services.store.aliases() == here.services.store.aliases()
    assert there.services.store.collections() == here.services.store.collections()
    there.close()


@pytest.mark.parametrize(
    ("phase", "left_to_the_lock"), [("Copying the points", 0), ("Copying the points", 200), ("Copying the catalog", 0)]
)
def test_what_happens_meanwhile_is_in_it_as_a_whole_or_not_at_all(
    here: Deployment, tmp_path: Path, phase: str, left_to_the_lock: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(backup_module, "SMALL_ROUND", left_to_the_lock)
    before = here.seen()

    def change() -> None:
        here.put("/docs/0.txt", "replaced in the middle")
        here.delete("/docs/1.txt")
        here.put("/docs/new.txt", "came in the middle", "with two parts")

    back_up(here.services, tmp_path / "backup", at(phase, change))
    there = restored(tmp_path / "backup", tmp_path / "there")

    # Before the moment all of it counts, after it none of it.
    assert there.seen() == (here.seen() if phase == "Copying the points" else before)
    live = {row.live_version_id for row in there.rows(sa.select(documents.c.live_version_id)) if row.live_version_id}
    assert {point.payload["version_id"] for point in there.points()} == live
    there.close()


def test_what_came_just_before_the_moment_and_is_deleted_just_after_it_is_in_it(
    here: Deployment, tmp_path: Path
) -> None:
    """No round before the lock has seen it, and none after it could."""
    seen: list[dict[str, Seen]] = []

    def act(line: str) -> None:
        if line.startswith("Copying the points"):
            here.put("/docs/short-lived.txt", "here for a moment")
            seen.append(here.seen())
        elif line == "Copying the catalog":
            here.delete("/docs/short-lived.txt")

    back_up(here.services, tmp_path / "backup", act)
    there = restored(tmp_path / "backup", tmp_path / "there")

    assert there.seen() == seen[-1] != here.seen()
    there.close()


def test_changes_in_every_round_end_in_one_moment(
    here: Deployment, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each round finds that a document was replaced since the last one; the moment is after the last change."""
    monkeypatch.setattr(backup_module, "SMALL_ROUND", 0)
    changes: list[dict[str, Seen]] = []

    def change(line: str) -> None:
        if line.startswith("Copying the points") and len(changes) < 5:
            number = len(changes)
            here.put(f"/docs/{number % 4}.txt", f"written in round {number}", "and more", "and more again")
            here.delete(f"/docs/{(number + 1) % 4}.txt")
            here.put(f"/docs/{(number + 1) % 4}.txt", f"deleted and written again in round {number}")
            changes.append(here.seen())

    back_up(here.services, tmp_path / "backup", change)
    there = restored(tmp_path / "backup", tmp_path / "there")

    assert len(changes) == 5
    assert there.seen() == changes[-1]
    texts = {path.name for path in (tmp_path / "backup" / "spool" / "texts").rglob("*") if path.is_file()}
    assert len(texts) == 4, "texts of replaced versions are left out"
    there.close()


def test_a_pause_that_is_too_short_is_followed_by_another_round(
    here: Deployment, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(backup_module, "PAUSES_S", (-1.0, 60.0))
    lines: list[str] = []

    back_up(here.services, tmp_path / "backup", lines.append)

    assert any("another round" in line for line in lines)
    there = restored(tmp_path / "backup", tmp_path / "there")
    assert there.seen() == here.seen()
    there.close()


def test_an_index_that_changes_faster_than_it_can_be_copied_is_an_error(
    here: Deployment, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(backup_module, "PAUSES_S", (-1.0, -1.0))

    with pytest.raises(StackUnavailable, match="faster"):
        back_up(here.services, tmp_path / "backup")

    with pytest.raises(BackupUnusable, match="incomplete"):
        restore(Settings(data_dir=tmp_path / "there"), tmp_path / "backup")


def test_unfinished_work_is_in_it_with_its_files(here: Deployment, tmp_path: Path) -> None:
    batch = here.begin("/docs/half.txt")
    task = ledger.task_id(batch, "extract")
    with writing(here.services.catalog) as connection:
        ledger.add_due(connection, [(batch, "extract", 0, None)])
        assert ledger.claim(connection, task, "a@worker", {"a@worker"}) is not None

    report = back_up(here.services, tmp_path / "backup")
    there = restored(tmp_path / "backup", tmp_path / "there")

    assert report.unfinished_jobs == 1
    key = original_key(sha256(b"/docs/half.txt").hexdigest(), "/docs/half.txt")
    assert there.services.spool.read(key) == b"/docs/half.txt"
    assert there.services.spool.names(f"batches/{batch}") == here.services.spool.names(f"batches/{batch}") != []
    (row,) = there.rows(sa.select(tasks.c.state, tasks.c.runner).where(tasks.c.id == task))
    assert tuple(row) == ("due", None), "the process that did it is not there"
    there.close()


class WatchingSpool(LocalSpool):
    """Counts the open connections to the catalog whenever a file's time is asked for."""

    def __init__(self, root: Path, services: Services) -> None:
        super().__init__(root)
        self.pool: Any = services.catalog.pool
        self.open: list[int] = []

    def modified_at(self, key: str) -> float:
        self.open.append(self.pool.checkedout())
        return super().modified_at(key)


def test_no_transaction_stays_open_while_files_are_compared(here: Deployment, tmp_path: Path) -> None:
    """PostgreSQL ends one that is idle for five minutes; comparing the files of an object store takes longer."""
    here.begin("/docs/half.txt")
    spool = WatchingSpool(tmp_path / "here" / "spool", here.services)
    here.services.__dict__["spool"] = spool
    back_up(here.services, tmp_path / "backup")
    assert spool.open[-1] == 0


def test_a_document_that_was_renamed_meanwhile_is_labelled_once_more(here: Deployment, tmp_path: Path) -> None:
    document_id = here.put("/docs/old-name.txt", "the words stay")

    def rename() -> None:
        with writing(here.services.catalog) as connection:
            moves.rename(connection, {document_id: "/docs/new-name.txt"})
            (row,) = [row for row in moves.waiting_for_labels(connection) if row.id == document_id]
            moves.mark_labelled(connection, {document_id: row.moved_at})  # as if it were done already

    back_up(here.services, tmp_path / "backup", at("Copying the points", rename))
    there = restored(tmp_path / "backup", tmp_path / "there")

    with there.services.catalog.connect() as connection:
        waiting = {row.id: row.source for row in moves.waiting_for_labels(connection)}
    assert waiting[document_id] == "/docs/new-name.txt"
    there.close()


def test_points_that_the_store_lacks_are_counted(here: Deployment, tmp_path: Path) -> None:
    from pipeline.vectorstore import Filter

    (version,) = here.rows(sa.select(documents.c.live_version_id).where(documents.c.source == "/docs/2.txt"))
    here.services.store.delete("documents~1", Filter(version_ids=(version.live_version_id,)))

    assert back_up(here.services, tmp_path / "backup").missing_points == 2
    restored(tmp_path / "backup", tmp_path / "there").close()


def test_versions_without_points_count_as_removed_after_a_restore(here: Deployment, tmp_path: Path) -> None:
    with writing(here.services.catalog) as connection:
        connection.execute(documents.update().values(undo_until=4e9, deleted_at=1.0, live_version_id=None))

    back_up(here.services, tmp_path / "backup")
    there = restored(tmp_path / "backup", tmp_path / "there")

    assert there.points() == []
    assert all(row.removed_at is not None for row in there.rows(sa.select(versions.c.removed_at)))
    there.close()


def test_the_folder_must_be_new_and_elsewhere(here: Deployment, tmp_path: Path) -> None:
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "file").touch()

    with pytest.raises(BadRequest, match="not empty"):
        back_up(here.services, tmp_path / "full")
    with pytest.raises(BadRequest, match="in the data folder"):
        back_up(here.services, here.settings.data_dir / "backup")
    assert list((tmp_path / "full").iterdir()) == [tmp_path / "full" / "file"]


def test_only_its_user_reads_it_though_all_may_enter_the_folder(here: Deployment, tmp_path: Path) -> None:
    folder = tmp_path / "backup"
    folder.mkdir()
    folder.chmod(0o755)
    back_up(here.services, folder)
    assert [path.name for path in folder.iterdir() if path.stat().st_mode & 0o077] == []


def test_a_full_disk_is_named_and_the_backup_is_incomplete(here: Deployment, tmp_path: Path) -> None:
    def fill_disk(_line: str) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    with pytest.raises(StackUnavailable, match=f"disk full: {tmp_path}/backup"):
        back_up(here.services, tmp_path / "backup", fill_disk)

    with pytest.raises(BackupUnusable, match="incomplete"):
        restore(Settings(data_dir=tmp_path / "there"), tmp_path / "backup")


def test_settings_are_in_it_without_secrets(tmp_path: Path) -> None:
    here = embedded(tmp_path / "here", passwords=("Sesame-1",), embedding_api_key="Sesame-2", chunk_tokens=77)
    here.put("/docs/a.txt", "a")
    back_up(here.services, tmp_path / "backup")
    here.close()

    text = (tmp_path / "backup" / "settings.json").read_text()
    report = restore(Settings(data_dir=tmp_path / "there", embedding_model="hashing"), tmp_path / "backup")

    assert "Sesame" not in text
    assert json.loads(text)["chunk_tokens"] == 77
    assert report.other_settings == ["chunk_tokens", "embedding_api_key", "passwords"]
    assert (tmp_path / "backup").stat().st_mode & 0o077 == 0


# Restoring


@pytest.fixture
def backup(one_backup: Path, tmp_path: Path) -> Path:
    shutil.copytree(one_backup, tmp_path / "backup")
    return tmp_path / "backup"


def damage(path: Path) -> None:
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.write_bytes(data)


@pytest.mark.parametrize("pattern", ["catalog.db", "manifest.json", "points/*/*.gz", "spool/texts/*/*"])
def test_a_damaged_file_is_named_and_nothing_is_restored(backup: Path, tmp_path: Path, pattern: str) -> None:
    path = next(backup.glob(pattern))
    damage(path)

    with pytest.raises(BackupUnusable, match=r"damaged|cannot be read") as caught:
        restore(Settings(data_dir=tmp_path / "there"), backup)

    assert path.relative_to(backup).as_posix() in caught.value.message
    assert not (tmp_path / "there" / "catalog.db").exists()


def test_a_missing_and_a_surplus_file_are_named(backup: Path, tmp_path: Path) -> None:
    next(backup.glob("points/*/*.gz")).unlink()
    (backup / "spool" / "more").touch()

    with pytest.raises(BackupUnusable, match=r"points/\S+ is missing, spool/more is not in checksums"):
        restore(Settings(data_dir=tmp_path / "there"), backup)


def test_a_folder_without_a_backup_is_refused(tmp_path: Path) -> None:
    with pytest.raises(BackupUnusable, match="There is no backup"):
        restore(Settings(data_dir=tmp_path / "there"), tmp_path)


@pytest.mark.parametrize("what", ["format", "catalog"])
def test_a_backup_of_a_newer_version_is_refused(backup: Path, tmp_path: Path, what: str) -> None:
    if what == "format":
        manifest = json.loads((backup / "manifest.json").read_text())
        (backup / "manifest.json").write_text(json.dumps({**manifest, "format": 2}))
    else:
        engine = sa.create_engine(f"sqlite:///{backup}/catalog.db")
        with engine.begin() as connection:
            connection.execute(sa.text("UPDATE alembic_version SET version_num = 'of_tomorrow'"))
        engine.dispose()
        (backup / "checksums.sha256").unlink()
        from pipeline.backup.folder import BackupFolder

        BackupFolder(backup).mark.touch()
        BackupFolder(backup).finish({})

    with pytest.raises(BackupUnusable, match=r"newer version|formats up to 1"):
        restore(Settings(data_dir=tmp_path / "there"), backup)
    assert not (tmp_path / "there" / "catalog.db").exists()


def test_a_folder_with_documents_is_refused_and_stays(backup: Path, tmp_path: Path) -> None:
    there = embedded(tmp_path / "there")
    there.put("/docs/mine.txt", "stays")
    before = there.seen()
    there.close()

    with pytest.raises(Conflict, match="not empty: the table"):
        restore(there.settings, backup)

    again = Deployment(there.settings)
    assert again.seen() == before
    again.close()


def test_an_interrupted_restore_is_refused_by_all_and_begun_anew(
    backup: Path, here: Deployment, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings = Settings(data_dir=tmp_path / "there", embedding_model="hashing")

    def stop(line: str) -> None:
        if line == "Filling the catalog":
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        restore(settings, backup, stop)

    with pytest.raises(StackUnavailable, match="restore was interrupted"):
        _ = Services(settings).catalog
    there = restored(backup, tmp_path / "there")
    assert there.seen() == here.seen()
    assert there.points() == here.points()
    with there.services.catalog.connect() as connection:
        assert not restoring.is_restoring(connection)
    there.close()


def test_a_backup_is_not_changed_by_a_restore_and_serves_again(backup: Path, here: Deployment, tmp_path: Path) -> None:
    shutil.copytree(backup, tmp_path / "moved")
    for path in (tmp_path / "moved").rglob("*"):
        path.chmod(0o500 if path.is_dir() else 0o400)

    for name in ("one", "two"):
        there = restored(tmp_path / "moved", tmp_path / name)
        assert there.seen() == here.seen()
        there.put("/docs/0.txt", "goes on")
        there.close()


def test_a_stack_on_the_folder_is_in_the_way(backup: Path, tmp_path: Path) -> None:
    from pipeline.stack.folder import Folder
    from pipeline.stack.lease import FileLock

    folder = Folder(tmp_path / "there")
    folder.create()
    with FileLock(folder.lease_lock) as lease:
        assert lease.acquire(shared=True)
        with pytest.raises(Conflict, match="A stack runs"):
            restore(Settings(data_dir=tmp_path / "there"), backup)
