"""What is not to be read: links, pipes, devices, giants, vanishing and changing files; and names of any bytes."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import threading
from pathlib import Path

import pytest
import redis
import sqlalchemy as sa
from flow_rig import FlowRig
from flow_tools import eventually, write_documents
from hostile import HOSTILE, HostileCase, fifo, named, sparse, symlink_out, unix_socket

from pipeline.catalog.database.connection import writing
from pipeline.catalog.database.schema import documents, jobs
from pipeline.catalog.work import orders
from pipeline.engine.heartbeat import intake_node, is_alive
from pipeline.errors import BadRequest, Changing, NotAFile, Rejected, Unreadable
from pipeline.ingest import intake
from pipeline.ingest.content import read_content
from pipeline.ingest.path_jobs import PathJobRunner
from pipeline.ingest.request import Request
from pipeline.ingest.submit import open_job, record_job
from pipeline.ingest.walk import walk
from pipeline.services import Services

MAX_BYTES = 512 << 20
GIANT, RESTLESS = "sparse 20 GB", "growing"
PATHS = [case for case in HOSTILE if (case.kind != "content" or case.name == GIANT) and case.name != RESTLESS]
NOTHING_THERE = ("folder loop", "folder named like a file")
"""What a walk steps into or past: there is no file, so there is nothing to refuse."""


@pytest.fixture
def rig(shared_stack: FlowRig) -> FlowRig:
    return shared_stack


@pytest.fixture
def drafts(tmp_path: Path) -> Path:
    folder = tmp_path / "drafts"
    folder.mkdir()
    return folder


def problems_in(*paths: Path, skip: Path | None = None) -> dict[str, str]:
    """Name of each candidate and what is wrong with it."""
    candidates = walk(paths, MAX_BYTES, skip)
    return {
        os.fsdecode(candidate.path.name): candidate.problem.code if candidate.problem else ""
        for candidate in candidates
    }


# The walk


def test_links_that_leave_the_folder_are_refused(tmp_path: Path) -> None:
    folder, outside = tmp_path / "in", tmp_path / "out"
    (folder / "deep").mkdir(parents=True)
    outside.mkdir()
    (outside / "secret.txt").write_text("secret")
    (folder / "deep" / "real.txt").write_text("text")
    (folder / "good.txt").symlink_to("deep/real.txt")
    (folder / "bad.txt").symlink_to("../out/secret.txt")
    (folder / "bad-folder").symlink_to(outside)
    (folder / "good-folder").symlink_to(folder / "deep")
    (folder / "self").symlink_to(folder)
    (folder / "a").symlink_to(folder / "b")
    (folder / "b").symlink_to(folder / "a")
    assert problems_in(folder) == {
        "real.txt": "", "good.txt": "", "bad.txt": "outside_root", "bad-folder": "outside_root",
        "a": "outside_root", "b": "outside_root",
    }  # fmt: skip
    # A link that the user names is what the user wants.
    assert problems_in(folder / "bad.txt") == {"bad.txt": ""}
    assert problems_in(folder / "bad-folder") == {"secret.txt": ""}


def test_only_regular_files_are_opened(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    fifo(tmp_path)
    unix_socket(tmp_path)
    sparse(tmp_path)
    symlink_out(tmp_path)
    (tmp_path / "null").symlink_to("/dev/null")
    (tmp_path / "proc").symlink_to("/proc/self/mem")
    opened: list[str] = []
    sys.addaudithook(lambda event, args: opened.append(str(args[0])) if event == "open" else None)
    problems = problems_in(tmp_path)
    assert problems == {
        "pipe.txt": "not_a_file", "socket.pdf": "not_a_file", "sparse.txt": "too_large",
        "passwords.txt": "outside_root", "null": "outside_root", "proc": "outside_root",
    }  # fmt: skip
    assert [name for name in opened if str(tmp_path) in name] == []


def test_named_devices_are_refused(tmp_path: Path) -> None:
    assert problems_in(Path("/dev/zero")) == {"zero": "not_a_file"}
    (tmp_path / "zeros.txt").symlink_to("/dev/zero")
    assert problems_in(tmp_path / "zeros.txt") == {"zeros.txt": "not_a_file"}


def test_walk_returns_each_file_once(tmp_path: Path) -> None:
    paths = write_documents(tmp_path / "in" / "below", 3)
    candidates = walk([paths[1], tmp_path / "in", tmp_path / "in" / "below", paths[1]], MAX_BYTES)
    assert sorted(candidate.path for candidate in candidates) == paths
    dotted = tmp_path / "in" / "below" / ".." / "below" / paths[0].name
    assert [candidate.path for candidate in walk([dotted, paths[0]], MAX_BYTES)] == [paths[0]]


@pytest.mark.parametrize("spelling", ["plain", "linked", "dotted"])
def test_walk_skips_the_data_folder(tmp_path: Path, spelling: str) -> None:
    data = tmp_path / "in" / "data"
    data.mkdir(parents=True)
    (data / "catalog.db").write_text("ours")
    (tmp_path / "in" / "letter.txt").write_text("theirs")
    (tmp_path / "link").symlink_to(tmp_path / "in")
    spellings = {"plain": data, "linked": tmp_path / "link" / "data", "dotted": tmp_path / "in" / ".." / "in" / "data"}
    assert problems_in(tmp_path / "in", skip=spellings[spelling]) == {"letter.txt": ""}
    assert problems_in(tmp_path / "link", skip=data) == {"letter.txt": ""}
    assert problems_in(data, skip=spellings[spelling]) == {}


def test_walk_reads_a_very_deep_folder(tmp_path: Path) -> None:
    """Deeper than a call stack, and in the end than a path may be long."""
    depth = 0
    here = os.open(tmp_path, os.O_RDONLY)
    try:
        for _ in range(2100):
            os.mkdir("d", dir_fd=here)
            below = os.open("d", os.O_RDONLY, dir_fd=here)
            os.close(here)
            here, depth = below, depth + 1
    finally:
        os.close(here)
    (tmp_path / "letter.txt").write_text("text")
    try:
        candidates = list(walk([tmp_path], MAX_BYTES))
        names = [candidate.problem.code if candidate.problem else candidate.path.name for candidate in candidates]
        assert names == ["letter.txt", "unreadable"]
    finally:
        subprocess.run(["rm", "-rf", str(tmp_path / "d")], check=True)


def test_missing_path_is_reported(tmp_path: Path) -> None:
    with pytest.raises(BadRequest, match="no file or folder"):
        list(walk([tmp_path / "nothing"], MAX_BYTES))


# Taking a file


def test_file_that_vanishes_is_reported(tmp_path: Path, drafts: Path) -> None:
    with pytest.raises(Unreadable):
        read_content(tmp_path / "gone.txt", "gone.txt", MAX_BYTES, drafts)


@pytest.mark.parametrize("make", [fifo, unix_socket])
def test_file_replaced_by_another_kind_is_refused(tmp_path: Path, drafts: Path, make: object) -> None:
    """Between the walk and the opening, a pipe took the file's place."""
    assert callable(make)
    with pytest.raises((NotAFile, Unreadable)):
        read_content(make(tmp_path), "letter.txt", MAX_BYTES, drafts)


def test_file_that_keeps_changing_is_refused(tmp_path: Path, drafts: Path) -> None:
    path = tmp_path / "growing.log"
    # So large that the writing thread has its turn while the file is read, however busy the machine is.
    path.write_bytes(b"x" * (48 << 20))
    ended = threading.Event()

    def grow() -> None:
        while not ended.is_set():
            with path.open("ab") as file:
                file.write(b"more")

    writer = threading.Thread(target=grow)
    writer.start()
    try:
        with pytest.raises(Changing):
            read_content(path, "growing.log", MAX_BYTES, drafts)
    finally:
        ended.set()
        writer.join()
    assert list(drafts.iterdir()) == []


def test_full_disk_fails_the_copy(tmp_path: Path) -> None:
    """That the disk is full is not the file's fault, and nothing is left of the copy."""
    path = tmp_path / "large.txt"
    path.write_bytes(b"x" * (6 << 20))
    code = """
import resource, signal, sys
from pathlib import Path
from pipeline.errors import Rejected
from pipeline.ingest.content import read_content
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, (1 << 20, 1 << 20))
try:
    read_content(Path(sys.argv[1]), "large.txt", 1 << 30, Path(sys.argv[2]))
except Rejected as error:
    print("rejected", error)
except OSError as error:
    print("OSError")
"""
    (tmp_path / "drafts").mkdir()
    done = subprocess.run(
        [sys.executable, "-c", code, str(path), str(tmp_path / "drafts")], capture_output=True, text=True, check=True
    )
    assert done.stdout.split() == ["OSError"]
    assert list((tmp_path / "drafts").iterdir()) == []


def test_memory_of_reading_is_bounded(tmp_path: Path, drafts: Path) -> None:
    path = tmp_path / "large.bin"
    with path.open("wb") as file:
        file.truncate(300 << 20)
    code = """
import resource, sys
from pathlib import Path
from pipeline.ingest.content import read_content
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
content = read_content(Path(sys.argv[1]), "large.bin", 1 << 30, Path(sys.argv[2]))
assert content.data is None and content.draft.stat().st_size == content.file.size == 300 << 20
print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before)
"""
    done = subprocess.run(
        [sys.executable, "-c", code, str(path), str(drafts)], capture_output=True, text=True, check=True
    )
    assert int(done.stdout) < 60 << 10


# All of it through the stack


def test_folder_with_every_kind_of_bad_path_is_ingested(rig: FlowRig, tmp_path: Path) -> None:
    """Every file that troubles a path, in one folder with good ones, the data folder among them."""
    folder = rig.settings.data_dir.parent
    write_documents(folder / "good", 5, seed=7)
    expected = {str(built(case, folder)): case for case in PATHS}
    job = rig.submit(folder, collection="paths")
    rig.wait(job)
    rig.assert_at_rest(job)
    rig.assert_exact("paths")
    codes = {str(candidate.path): candidate.source for candidate in walk([folder], MAX_BYTES, rig.settings.data_dir)}
    sources = rig.codes_by_source(job)
    assert len(sources) == len(set(sources))
    for path, case in expected.items():
        outcome = sources.get(codes.get(path, ""), "nothing")
        assert outcome in case.expected or (outcome == "nothing" and case.name in NOTHING_THERE), (case.name, outcome)
    assert not [source for source in sources if str(rig.settings.data_dir) in source]
    assert sum(code == "completed" for code in sources.values()) >= 5 + sum(case.kind == "name" for case in PATHS)
    live = sa.select(documents.c.source).where(documents.c.live_version_id.is_not(None))
    stored = rig.rows(live.where(documents.c.collection == "paths"))
    assert {row.source for row in stored} == {name for name, code in sources.items() if code == "completed"}


def built(case: HostileCase, folder: Path) -> Path:
    parent = folder / case.name.replace(":", "").replace(" ", "-")
    parent.mkdir()
    return case.build(parent)


def test_file_removed_while_its_job_runs_is_processed(rig: FlowRig, tmp_path: Path) -> None:
    """Intake has a copy: what becomes of the file afterwards does not matter."""
    write_documents(tmp_path / "in", 10, seed=8)
    job = rig.submit(tmp_path / "in", collection="gone")
    shutil.rmtree(tmp_path / "in")
    assert rig.wait(job) == {"completed": 10}


def test_folder_removed_before_intake_is_reported(rig: FlowRig, tmp_path: Path) -> None:
    paths = write_documents(tmp_path / "in", 3, seed=9)
    named(tmp_path / "in", b"\xff.txt")
    candidates = list(walk([tmp_path / "in"], MAX_BYTES))
    shutil.rmtree(tmp_path / "in")
    job = rig.take(candidates, "lost")
    assert rig.wait(job) == {"failed": 4}
    assert set(rig.codes(job).values()) == {"unreadable"}
    assert len(paths) == 3


def test_interrupted_path_job_is_repeated_and_ends_once(
    rig: FlowRig, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Redis goes away in the middle: the job stays open, the order is carried out again, and finishes then."""
    write_documents(tmp_path / "in", 6, seed=10)
    settings = rig.settings.model_copy(update={"api_roots": (str(tmp_path),)})
    services, broken = Services(settings), threading.Event()
    admit = intake.admit

    def admit_later(given: Services) -> object:
        if not broken.is_set():
            broken.set()
            raise redis.exceptions.ConnectionError("gone")
        return admit(given)

    monkeypatch.setattr(intake, "admit", admit_later)
    with writing(services.catalog) as connection:
        job = record_job(connection, services, Request([tmp_path / "in"], "ordered"), ()).id
        orders.add(connection, job, {"paths": [str(tmp_path / "in")], "glob": None, "tags": None})
    runner = PathJobRunner(services)
    try:
        assert eventually(lambda: broken.is_set() and (runner.wake() or rig.finished(job)), pause=0.2)
    finally:
        runner.close()
    assert rig.counts(job) == {"completed": 6}
    rig.assert_at_rest(job)
    with services.catalog.connect() as connection:
        assert job not in dict(orders.list_due(connection))


def test_two_apis_carry_out_each_order_once(rig: FlowRig, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Both read the same list of orders; what one of them has done, or is doing, the other leaves alone."""
    # While the first one is at the first order, which takes long, the second one carries out the others.
    monkeypatch.setattr(intake, "COURTESY_S", 3.0)
    numbers, ids = [100, 2, 2], []
    settings = rig.settings.model_copy(update={"api_roots": (str(tmp_path),)})
    with writing(rig.services.catalog) as connection:
        for place, number in enumerate(numbers):
            write_documents(tmp_path / str(place), number, seed=130 + place)
            job = record_job(connection, rig.services, Request([tmp_path / str(place)], f"twice-{place}"), ()).id
            orders.add(connection, job, {"paths": [str(tmp_path / str(place))], "glob": None, "tags": None})
            ids.append(job)
    runners = [PathJobRunner(Services(settings))]
    try:
        assert eventually(lambda: is_alive(rig.services.redis, intake_node(ids[0])))
        runners.append(PathJobRunner(Services(settings)))
        assert [rig.wait(job) for job in ids] == [{"completed": number} for number in numbers]
    finally:
        for runner in runners:
            runner.close()
    for job, number in zip(ids, numbers, strict=True):
        ends = [rig.happened(job, kind) for kind in ("document.completed", "document.unchanged", "job.finished")]
        assert ends == [number, 0, 1]


def test_nothing_waits_after_the_last_group(rig: FlowRig, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A caller that sends one record waits for its answer: the pause is for other writers between two groups."""
    monkeypatch.setattr(intake, "COURTESY_S", 1e6)
    write_documents(tmp_path / "in", intake.FIRST_BATCH, seed=12)
    assert rig.wait(rig.submit(tmp_path / "in", collection="one-group")) == {"completed": intake.FIRST_BATCH}


def test_an_error_leaves_a_job_open_and_its_user_closes_it(rig: FlowRig, tmp_path: Path) -> None:
    write_documents(tmp_path / "in", 2, seed=11)
    candidates = list(walk([tmp_path / "in"], MAX_BYTES))
    for error, closed in ((KeyboardInterrupt, True), (redis.exceptions.ConnectionError, False)):
        job = open_job(rig.services, Request([tmp_path / "in"], "broken-off"), candidates)

        def fail(_number: int, error: type[BaseException] = error) -> None:
            raise error

        with pytest.raises(error):
            intake.ingest_files(rig.services, job, candidates, fail)
        assert bool(rig.scalar(sa.select(jobs.c.intake_done).where(jobs.c.id == job))) is closed


def test_refused_path_names_its_reason(tmp_path: Path) -> None:
    fifo(tmp_path)
    problem = next(walk([tmp_path], MAX_BYTES)).problem
    assert isinstance(problem, Rejected)
    assert (problem.code, problem.message, bool(problem.hint)) == (
        "not_a_file", "It is a named pipe, not a regular file.", True,
    )  # fmt: skip
