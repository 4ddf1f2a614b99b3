"""Parts of a watched folder that need no stack: ignored files, scans, holds on deletion, events, settling of files."""

from __future__ import annotations

import os
import shutil
import socket
import sys
import time
from hashlib import sha256
from pathlib import Path

import pytest
from flow_tools import eventually
from hypothesis import assume, given
from hypothesis import strategies as st

from pipeline.catalog.documents.watched_files import FileKey, FileMark, KnownFile
from pipeline.errors import BadRequest
from pipeline.ingest.walk import path_of, source_of
from pipeline.settings import load_settings
from pipeline.settings.watch_folders import WatchFolder
from pipeline.watch.events import Events, is_trusted
from pipeline.watch.file_content import digest, is_written
from pipeline.watch.held_deletions import Hold, MissingFiles, judge
from pipeline.watch.ignore import is_temporary
from pipeline.watch.known_files import KnownFiles
from pipeline.watch.scan import scan
from pipeline.watch.settling import BURST_S, Settling

# What is near the escapes of a source, and any other bytes.
NAME_PARTS = st.sampled_from(
    [b"\\", b"x", b"e9", b"5c", b"\\xe9", b"\\x5c", b"\xe9", "é".encode(), b"\xed\xa0\x80", b"a"]
)
FILE_NAMES = (
    st.lists(NAME_PARTS | st.binary(max_size=3), min_size=1, max_size=8)
    .map(b"".join)
    .filter(lambda name: name not in (b"", b".", b"..") and not {0, 47} & {*name})
)
NAMES = ("/a", "/r/a", "/r/a/b", "/r/a/b/c", "/r/ab/c", "/r/b")

MOUNTS = """\
/dev/sda1 / ext4 rw 0 0
server:/x /srv nfs4 rw 0 0
tmpfs /srv/local tmpfs rw 0 0
me@host: /srv/my\\040files fuse.sshfs rw 0 0
"""


def write(root: Path, *names: str) -> None:
    for name in names:
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(name)


def listed(root: Path, scope: dict[Path, bool] | None = None) -> set[str]:
    return {str(Path(source).relative_to(root)) for source in scan(root, scope, ()).files}


@given(FILE_NAMES, FILE_NAMES)
def test_different_paths_have_different_sources(name: bytes, other_name: bytes) -> None:
    path = Path(os.fsdecode(b"/folder/" + name))
    source = source_of(path)
    assert source.encode()
    assert path_of(source) == path
    assert path_of(source_of(path.parent)) / path_of(source).name == path
    assume(name != other_name)
    assert source_of(Path(os.fsdecode(b"/folder/" + other_name))) != source


@pytest.mark.parametrize(
    ("name", "source"),
    [
        ("Zoë's café.txt".encode(), "Zoë's café.txt"),
        (rb"C:\xmas\new \x41.txt", r"C:\xmas\new \x41.txt"),
        (b"caf\xe9.txt", r"caf\xe9.txt"),
        (rb"caf\xe9.txt", r"caf\x5cxe9.txt"),
        (rb"\x5c", r"\x5cx5c"),
    ],
)
def test_sources_of_ordinary_names_are_these_names(name: bytes, source: str) -> None:
    assert source_of(Path(os.fsdecode(name))) == source
    assert os.fsencode(path_of(source)) == name


@pytest.mark.parametrize(
    "name", ["~$letter.docx", ".hidden", "a.part", "a.crdownload", "a.TMP", "a~", ".~lock.a.odt#", "a.swp"]
)
def test_drafts_and_locks_are_temporary(name: str) -> None:
    assert is_temporary(name)


def test_ignore_files_nest_as_in_git(tmp_path: Path) -> None:
    write(tmp_path, "a.txt", "a.log", "keep.tmp", "one/a.log", "one/b.log", "out/x.txt", "one/out/y.txt", ".git/config")
    (tmp_path / ".docrelayignore").write_text("*.log\n/out/\n!keep.tmp\n")
    (tmp_path / "one/.docrelayignore").write_text("!b.log\n")
    assert listed(tmp_path) == {"a.txt", "keep.tmp", "one/b.log", "one/out/y.txt"}
    assert listed(tmp_path, {tmp_path / "one": False}) == {"one/b.log"}
    assert listed(tmp_path, {tmp_path / "out": True, tmp_path / "one/out": False}) == {"one/out/y.txt"}


def test_a_line_that_is_no_pattern_is_skipped(tmp_path: Path) -> None:
    write(tmp_path, "a.txt", "b.txt")
    (tmp_path / ".docrelayignore").write_bytes(b"!\n\xff\nb.txt\n")
    assert listed(tmp_path) == {"a.txt"}


@pytest.mark.timeout(20)
def test_an_ignore_file_that_is_no_regular_file_is_skipped(tmp_path: Path) -> None:
    write(tmp_path, "a.txt", "one/b.txt", "two/c.txt")
    os.mkfifo(tmp_path / ".docrelayignore")
    (tmp_path / "one/.docrelayignore").mkdir()
    with socket.socket(socket.AF_UNIX) as listening:
        listening.bind(os.path.relpath(tmp_path / "two/.docrelayignore"))
    result = scan(tmp_path, None, ())
    assert ({Path(path).name for path in result.files}, result.unreadable) == ({"a.txt", "b.txt", "c.txt"}, {})


def test_a_scoped_scan_reads_each_folder_once_and_none_outside(tmp_path: Path) -> None:
    write(tmp_path, "a.txt", "one/b.txt", "one/two/c.txt")
    scope = {tmp_path / "one": True, tmp_path / "one/two": True, tmp_path.parent: True, tmp_path / "gone": True}
    assert listed(tmp_path, scope) == {"one/b.txt", "one/two/c.txt"}


def test_links_to_folders_are_not_followed(tmp_path: Path) -> None:
    write(tmp_path, "root/a.txt", "else/b.txt")
    (tmp_path / "root/link").symlink_to(tmp_path / "else")
    (tmp_path / "root/circle").symlink_to(tmp_path / "root/circle")
    assert listed(tmp_path / "root") == {"a.txt", "circle"}


def test_excluded_folders_are_not_scanned(tmp_path: Path) -> None:
    write(tmp_path, "a.txt", "data/b.txt")
    facts = (tmp_path / "data").stat()
    assert set(scan(tmp_path, None, {(facts.st_dev, facts.st_ino)}).files) == {str(tmp_path / "a.txt")}


class Removing(set[tuple[int, int]]):
    """Folders to exclude: none. While a scan compares its first sub-folder with them, another sub-folder is removed."""

    def __init__(self, root: Path, removed: Path) -> None:
        super().__init__()
        self._root, self._removed = root, removed

    def __contains__(self, folder: object) -> bool:
        facts = self._root.stat()
        if folder != (facts.st_dev, facts.st_ino):
            shutil.rmtree(self._removed, ignore_errors=True)
        return False


@pytest.mark.parametrize("position", range(5))
def test_a_folder_that_is_removed_during_the_scan_does_not_hide_those_beside_it(tmp_path: Path, position: int) -> None:
    write(tmp_path, "a.txt", *(f"{name}/file.txt" for name in "bcdef"))
    folders = [entry.name for entry in os.scandir(tmp_path) if entry.is_dir()]
    removed = folders.pop(position)
    result = scan(tmp_path, None, Removing(tmp_path, tmp_path / removed))
    names = {str(Path(source).relative_to(tmp_path)) for source in result.files}
    assert names == {"a.txt", *(f"{name}/file.txt" for name in folders)}
    assert result.unreadable == {}


def test_an_ignore_file_that_cannot_be_read_closes_its_folder(tmp_path: Path) -> None:
    write(tmp_path, "a.txt", "one/b.txt")
    (tmp_path / "one/.docrelayignore").symlink_to(".docrelayignore")
    assert set(scan(tmp_path, None, ()).unreadable) == {str(tmp_path / "one")}


def test_many_missing_files_at_once_are_held_back() -> None:
    assert judge(MissingFiles(gone=10, present=0), 0.25, None) == (True, None)
    assert judge(MissingFiles(gone=11, present=0), 0.25, None) == (False, Hold("many_gone", 11))
    assert judge(MissingFiles(gone=20, present=80), 0.25, None) == (True, None)
    assert judge(MissingFiles(gone=20, recent=10, present=80), 0.25, None) == (False, Hold("many_gone", 20))


def test_files_on_a_lost_disk_are_held_back() -> None:
    assert judge(MissingFiles(gone=1, on_other_disks=1, present=99), 1.0, None) == (False, Hold("other_disk", 1))


def test_an_unreadable_folder_holds_back_only_its_own_files() -> None:
    assert judge(MissingFiles(gone=1, unreadable=3, present=9), 0.25, None) == (True, Hold("unreadable", 3))


def test_no_more_than_the_confirmed_number_is_deleted() -> None:
    assert judge(MissingFiles(gone=50), 0.25, 50) == (True, None)
    assert judge(MissingFiles(gone=51), 0.25, 50) == (False, Hold("many_gone", 51))


@pytest.mark.parametrize(
    ("folder", "trusted"), [("/home", True), ("/srv/x", False), ("/srv/local/x", True), ("/srv/my files", False)]
)
def test_events_of_network_file_systems_are_not_trusted(folder: str, trusted: bool) -> None:
    assert is_trusted(Path(folder), MOUNTS) is trusted


def test_events_name_what_changed(tmp_path: Path) -> None:
    events = Events(tmp_path)

    def is_reported() -> bool:
        (tmp_path / "a.txt").write_text("x")
        return str(tmp_path / "a.txt") in events.wait(0.1)

    assert eventually(is_reported)
    events.close()


def test_a_name_that_is_no_utf_8_does_not_end_the_events(tmp_path: Path) -> None:
    """The events then name the folder, name it once more when they resume, and go on."""
    events = Events(tmp_path)

    def reported(name: bytes) -> set[str]:
        paths = set[str]()

        def comes() -> bool:
            (tmp_path / os.fsdecode(name)).write_text("x")
            paths.update(events.wait(0.2))
            return not events.alive or bool(paths & {str(tmp_path), str(tmp_path / os.fsdecode(name))})

        assert eventually(comes)
        return paths

    assert str(tmp_path / "a.txt") in reported(b"a.txt")
    assert str(tmp_path) in reported(b"caf\xe9.txt")
    again = list[set[str]]()

    def is_quiet() -> bool:
        """Whether no event comes for a while after at least one has come."""
        more = events.wait(3.0)
        again.extend([more] if more else [])
        return bool(again) and not more

    assert eventually(is_quiet)
    assert again[-1] == {str(tmp_path)}
    assert str(tmp_path / "b.txt") in reported(b"b.txt")
    assert events.alive
    events.close()


def mark(age_s: float) -> FileMark:
    moment = int((time.time() - age_s) * 1e9)
    return FileMark("1", "1", 1, moment, moment)


def test_a_file_is_ingested_only_after_it_settled() -> None:
    settling, old, young = Settling(60.0), ("c", "/old"), ("c", "/young")
    settling.update({old: mark(100), young: mark(0)}, ())
    assert settling.is_settled(old)
    assert not settling.is_settled(young)
    wait = settling.wait_s([old, young])
    assert wait is not None
    assert 55 < wait <= 60.01
    assert settling.wait_s([old]) is None


class Clock:
    """The time as `pipeline.watch.settling` sees it; it stands still unless it is moved."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.ahead, self._wall, self._steady = 0.0, time.time(), time.monotonic()
        monkeypatch.setattr("pipeline.watch.settling.time", self)

    def time(self) -> float:
        return self._wall + self.ahead

    def monotonic(self) -> float:
        return self._steady + self.ahead


def test_a_file_that_keeps_changing_is_not_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    settling, log, young, clock = Settling(2.0), ("c", "/log"), ("c", "/young"), Clock(monkeypatch)
    settling.update({log: mark(0)}, ())
    assert settling.wait_s([log]) is not None
    clock.ahead = 2.5 + BURST_S
    settling.update({log: mark(-clock.ahead), young: mark(-clock.ahead)}, ())
    assert settling.keeps_changing(log)
    assert settling.wait_s([log]) is None
    assert settling.wait_s([log, young]) is not None
    settling.update({}, [log])
    settling.update({log: mark(-clock.ahead)}, ())
    assert not settling.keeps_changing(log)


@given(st.lists(st.tuples(st.booleans(), st.sampled_from(NAMES), st.sampled_from("12"), st.booleans()), max_size=40))
def test_known_files_are_listed_by_inode_and_folder(steps: list[tuple[bool, str, str, bool]]) -> None:
    files, model = KnownFiles(), dict[FileKey, KnownFile]()
    for put, name, inode, gone in steps:
        key, row = ("c", name), KnownFile(FileMark("1", inode, 1, 1, 1), gone=gone)
        if put:
            files.put({key: row})
            model[key] = row
        else:
            files.drop([key])
            model.pop(key, None)
        assert dict(files) == model
        assert files.gone == {key for key, row in model.items() if row.gone}
        assert files.present == sum(not row.gone for row in model.values())
        for inode in "12":
            assert set(files.with_inode(inode)) == {key for key, row in model.items() if row.mark.inode == inode}
        for folder in ("/", "/r", "/r/a", "/r/a/b", "/r/ab", "/else"):
            here = folder.rstrip("/")
            assert set(files.inside(folder, deep=False)) == {key for key in model if key[1].rpartition("/")[0] == here}
            assert set(files.inside(folder, deep=True)) == {key for key in model if key[1].startswith(f"{here}/")}


def test_a_watched_folder_is_resolved_to_its_real_path(tmp_path: Path) -> None:
    (tmp_path / "real").mkdir()
    (tmp_path / "link").symlink_to("real")
    folder = WatchFolder(path=tmp_path / "link")
    assert folder.path == tmp_path / "link"
    assert folder.resolved().path == tmp_path / "real"
    (tmp_path / "real").rmdir()
    assert folder.resolved().path == tmp_path / "real"


def test_missing_files_and_files_of_the_future_settle_after_the_delay(monkeypatch: pytest.MonkeyPatch) -> None:
    settling, gone, future, clock = Settling(2.0), ("c", "/gone"), ("c", "/future"), Clock(monkeypatch)
    settling.update({gone: None, future: mark(-1000)}, ())
    assert not settling.is_settled(gone)
    clock.ahead = 2.5
    assert settling.is_settled(gone)
    assert settling.is_settled(future)
    settling.update({}, [gone])
    assert gone not in settling


def test_only_regular_files_have_a_digest(tmp_path: Path) -> None:
    write(tmp_path, "a.txt")
    os.mkfifo(tmp_path / "pipe")
    content_digest = digest(tmp_path / "a.txt")
    assert content_digest is not None
    assert content_digest[0] == sha256(b"a.txt").hexdigest()
    assert digest(tmp_path / "pipe") is None
    assert digest(tmp_path / "nothing") is None


def test_the_deepest_rule_counts() -> None:
    rules = ({"folder": "a", "collection": "one"}, {"folder": "a/b/", "collection": "two"})
    folder = WatchFolder.model_validate({"path": "/x", "rules": rules})
    assert [folder.collection_of(path, "main") for path in ("", "a", "a/b/c", "ab")] == ["main", "one", "two", "main"]


@pytest.mark.parametrize(
    "text",
    [
        'watch = ["/a", "/a"]',
        'watch = [{path = "/a", colection = "x"}]',
        'watch = [{path = "/a", collection = "no name"}]',
        'watch = [{path = "/a", rules = [{folder = "../b", collection = "x"}]}]',
        "watch = 7",
    ],
)
def test_invalid_watch_settings_are_refused(tmp_path: Path, text: str) -> None:
    (tmp_path / "docrelay.toml").write_text(text)
    with pytest.raises(BadRequest, match="watch"):
        load_settings({"data_dir": tmp_path})


def test_watched_folders_are_read_from_the_environment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DOCRELAY_WATCH", "/a:/b")
    assert [folder.path for folder in load_settings({"data_dir": tmp_path}).watch] == [Path("/a"), Path("/b")]
    monkeypatch.setenv("DOCRELAY_WATCH", '[{"path": "/a", "delete_missing": false}]')
    assert load_settings({"data_dir": tmp_path}).watch == (WatchFolder(path=Path("/a"), delete_missing=False),)


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux tells")
def test_a_file_is_written_while_a_process_has_it_open_for_writing(tmp_path: Path) -> None:
    path = tmp_path / "a.txt"
    path.write_text("otter")
    assert not is_written(path)
    with path.open("rb"):
        assert not is_written(path)
    for mode in ("ab", "r+b"):
        with path.open(mode):
            assert is_written(path)
    assert not is_written(path)
    assert not is_written(tmp_path / "none.txt")
    os.mkfifo(tmp_path / "pipe")
    assert not is_written(tmp_path / "pipe")
