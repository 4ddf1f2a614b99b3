"""Extractors that crash, hang, eat memory or answer nonsense: a stable code in bounded time, and no process stays."""

from __future__ import annotations

import os
import resource
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import psutil
import pytest
from flow_rig import FlowRig, stack_on
from flow_tools import cmdline, eventually, write_documents
from gates import FOLDER
from hostile import HOSTILE, HostileCase
from PIL import Image, ImageDraw, ImageFont

from extractors.errors import Corrupt, Crashed, ExtractError, TimedOut
from extractors.options import Options
from pipeline.errors.problem import Problem, problem_of
from pipeline.ingest.cleanup import sweep
from pipeline.services import Services
from pipeline.settings import Settings
from pipeline.stages.sandbox import NoRoom, Sandbox

SAMPLES = Path(__file__).parents[2] / "samples" / "documents"
TESTS = Path(__file__).parents[1] / "support"
MEMORY_MB = 600
TIMEOUT_S = 1.0
PATIENCE_S = 100.0
"""Bound of one extraction; only a hang reaches it."""

TESTER = "DOCRELAY_TEST_SANDBOX"

ENDS = {
    "segfault": "crashed",
    "hang": "timeout",
    "hang_without_the_interpreter": "timeout",
    "spin": "timeout",
    "eat_memory": "out_of_memory",
    "eat_memory_and_abort": "out_of_memory",
    "leave": "crashed",
    "kill_itself": "out_of_memory",
    "close_and_hang": "crashed",
    "garbage": "crashed",
    "half_an_answer": "timeout",
    "drip": "timeout",
    "no_json": "crashed",
    "half_a_problem": "crashed",
    "answer_in_endless_lists": "crashed",
    "answer_with_a_document_of_another_form": "crashed",
    "answer_with_another_form_of_openness": "crashed",
    "raise_an_error_of_a_plug_in": "watermarked",
    "leave_children": "timeout",
}


def own_peak_mb() -> int:
    """Peak memory of this process so far. A forked child starts with it, so a limit has to lie above it."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // (2**20 if sys.platform == "darwin" else 2**10)


@pytest.fixture
def sandbox(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[Sandbox]:
    monkeypatch.setenv("PYTHONPATH", str(TESTS), prepend=os.pathsep)
    monkeypatch.setenv(FOLDER, str(tmp_path))  # where a deed that is done once leaves its mark
    monkeypatch.setenv(TESTER, str(os.getpid()))
    made = Sandbox(max(MEMORY_MB, 2 * own_peak_mb()), module="bad_extractor")
    yield made
    made.close()
    # Killed, it is gone as soon as it gets a processor for that.
    assert eventually(lambda: offspring() == [])


def offspring() -> list[psutil.Process]:
    """Living processes that the sandbox of this test process started, with their descendants and orphans."""
    return [process for process in psutil.process_iter() if process.pid != os.getpid() and is_of_sandbox(process)]


def is_of_sandbox(process: psutil.Process) -> bool:
    try:
        if process.status() == psutil.STATUS_ZOMBIE:
            return False
        return process.environ().get(TESTER) == str(os.getpid())
    except (psutil.Error, ProcessLookupError):
        return False


def file_of_deed(tmp_path: Path, deed: str) -> Path:
    path = tmp_path / f"{deed}.txt"
    path.write_text(f"{deed}\nand some text\n")
    return path


@pytest.mark.timeout(3 * PATIENCE_S)  # for both extractions and the end of the child; only a hang reaches it
@pytest.mark.parametrize(("deed", "code"), ENDS.items())
def test_bad_extraction_fails_with_its_code(sandbox: Sandbox, tmp_path: Path, deed: str, code: str) -> None:
    with pytest.raises(ExtractError) as caught:
        sandbox.extract(file_of_deed(tmp_path, deed), Options(), TIMEOUT_S if code == "timeout" else PATIENCE_S)
    assert caught.value.code == code
    # The next file is read as if nothing had happened, chatter on stdout or not.
    assert "some text" in sandbox.extract(file_of_deed(tmp_path, "nothing"), Options(), PATIENCE_S).text


def test_temporary_files_go_with_the_child(sandbox: Sandbox, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = tmp_path / "temporary"
    folder.mkdir()
    monkeypatch.setattr("tempfile.tempdir", str(folder))  # of this process
    monkeypatch.setenv("TMPDIR", str(folder))
    with pytest.raises(ExtractError):
        sandbox.extract(file_of_deed(tmp_path, "leave_a_temporary_file"), Options(), PATIENCE_S)
    sandbox.extract(file_of_deed(tmp_path, "nothing"), Options(), PATIENCE_S)
    sandbox.close()
    assert list(folder.iterdir()) == []


def test_plug_in_error_keeps_its_code_hint_and_nearest_class(sandbox: Sandbox, tmp_path: Path) -> None:
    with pytest.raises(Corrupt) as caught:
        sandbox.extract(file_of_deed(tmp_path, "raise_an_error_of_a_plug_in"), Options(), PATIENCE_S)
    expected = Problem("watermarked", "Page 7 is hidden by a watermark.", "Print page 7 without its watermark.")
    assert problem_of(caught.value) == expected


@pytest.mark.parametrize(("deed", "memory_mb"), [("garbage", 16384), ("garbage", 2048), ("boast", 2048)])
def test_invalid_answer_is_refused_before_the_time_limit(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, deed: str, memory_mb: int
) -> None:
    """Text read as a length is below a large limit, and a length may be false: neither waits for the time limit."""
    monkeypatch.setenv("PYTHONPATH", str(TESTS), prepend=os.pathsep)
    sandbox = Sandbox(memory_mb, module="bad_extractor")
    with pytest.raises(Crashed):
        sandbox.extract(file_of_deed(tmp_path, deed), Options(), PATIENCE_S)
    sandbox.close()


@pytest.mark.parametrize("deed", ["segfault", "leave", "kill_itself", "close_and_hang", "garbage", "no_json"])
def test_extraction_is_repeated_once_after_the_child_died(sandbox: Sandbox, tmp_path: Path, deed: str) -> None:
    path = tmp_path / "unlucky.txt"
    path.write_text(f"{deed} once {tmp_path / 'done'}\nand some text\n")
    assert "some text" in sandbox.extract(path, Options(), PATIENCE_S).text
    assert (tmp_path / "done").exists()


def test_idle_child_that_is_killed_is_replaced(sandbox: Sandbox, tmp_path: Path) -> None:
    sandbox.extract(file_of_deed(tmp_path, "nothing"), Options(), PATIENCE_S)
    children = offspring()
    assert children
    for process in children:
        process.kill()
    assert eventually(lambda: not offspring())
    assert sandbox.extract(file_of_deed(tmp_path, "nothing"), Options(), PATIENCE_S).text


def test_a_child_that_cannot_be_started_is_no_fault_of_the_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As while Python itself is replaced: the error is none of those that say that the file is gone."""
    monkeypatch.setattr(sys, "executable", str(tmp_path / "gone"))
    sandbox = Sandbox(2048, tmp_path / "data")
    with pytest.raises(NoRoom, match="no process can be started"):
        sandbox.extract(file_of_deed(tmp_path, "nothing"), Options(), PATIENCE_S)
    assert list((tmp_path / "data" / "tmp").iterdir()) == []


def test_peak_memory_of_the_caller_does_not_count_for_the_child(sandbox: Sandbox, tmp_path: Path) -> None:
    """The limit counts the memory of the child, also while the caller grows."""
    hoard = [b"x" * (MEMORY_MB << 20)]
    done = threading.Event()

    def grow() -> None:
        while len(hoard) < 1000 and not done.wait(0.001):
            hoard.append(b"x" * (1 << 18))

    growing = threading.Thread(target=grow)
    growing.start()
    try:
        for _ in range(5):
            with pytest.raises(Crashed):
                sandbox.extract(file_of_deed(tmp_path, "segfault"), Options(), PATIENCE_S)
    finally:
        done.set()
        growing.join()


@contextmanager
def starved(sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Leave the sandbox's child a thirteenth of one processor, or less: twelve others compute on it."""
    monkeypatch.setattr("pipeline.stages.working_time.MOST", 1000.0)  # other programs of the machine may want it too
    child = psutil.Process(sandbox._start().popen.pid)
    cpu = min(os.sched_getaffinity(0))
    for process in (child, *child.children(recursive=True)):  # Tesseract stays from page to page
        process.cpu_affinity([cpu])
    busy = [subprocess.Popen([sys.executable, "-c", "while True: pass"]) for _ in range(12)]
    try:
        for rival in busy:
            os.sched_setaffinity(rival.pid, {cpu})
        # They compute only once Python has started in each of them.
        assert eventually(lambda: all(sum(psutil.Process(rival.pid).cpu_times()[:2]) > 0.2 for rival in busy))
        yield
    finally:
        for rival in busy:
            rival.kill()
            rival.wait()


@pytest.mark.skipif(sys.platform != "linux", reason="counts of waiting are Linux's")
def test_file_that_waits_for_a_processor_does_not_run_into_its_limit(
    sandbox: Sandbox, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Half a second of work takes several by the wall: half of them are limit enough. A hang ends at its limit."""
    sandbox.extract(file_of_deed(tmp_path, "nothing"), Options(), PATIENCE_S)
    work = file_of_deed(tmp_path, "compute_for_half_a_second")
    with starved(sandbox, monkeypatch):
        began = time.monotonic()
        sandbox.extract(work, Options(), PATIENCE_S)
        limit_s = (time.monotonic() - began) / 2
        assert "some text" in sandbox.extract(work, Options(), limit_s).text
        with pytest.raises(TimedOut):
            sandbox.extract(file_of_deed(tmp_path, "hang"), Options(), 2.5)


@pytest.mark.skipif(sys.platform != "linux", reason="counts of waiting are Linux's")
def test_page_that_waits_for_a_processor_does_not_run_into_its_limit(
    tmp_path: Path, needs: Callable[..., None], monkeypatch: pytest.MonkeyPatch
) -> None:
    needs("tesseract")
    pages = [write_page(tmp_path / f"{word}.png", word) for word in ("first", "second", "third")]
    sandbox, options = Sandbox(2048, tmp_path / "data"), Options(ocr_languages="eng")
    try:
        sandbox.ocr(pages[0], [1], options, PATIENCE_S)  # all is loaded
        with starved(sandbox, monkeypatch):
            began = time.monotonic()
            sandbox.ocr(pages[1], [1], options, PATIENCE_S)
            limit_s = (time.monotonic() - began) / 2
            ((page,), warnings) = sandbox.ocr(pages[2], [1], replace(options, ocr_timeout_s=limit_s), PATIENCE_S)
    finally:
        sandbox.close()
    assert (page.text.count("harbour master"), warnings) == (6, [])


def write_page(path: Path, word: str) -> Path:
    """A picture of six lines; another word makes it another page, as a page that is known is not read again."""
    image = Image.new("L", (1600, 700), 255)
    for line in range(6):
        place, text = (40, 30 + 100 * line), f"The harbour master counts the {word} ships."
        ImageDraw.Draw(image).text(place, text, 0, ImageFont.load_default(size=60))
    image.save(path)
    return path


CALLER = """
import sys
from pathlib import Path
from extractors.options import Options
from pipeline.stages.sandbox import Sandbox
Sandbox(2048).ocr(Path(sys.argv[1]), [1], Options(), 120)
"""


def test_tesseract_ends_with_its_caller(tmp_path: Path, needs: Callable[..., None]) -> None:
    """The pool process is killed: the sandbox dies with it, and so does what the sandbox had started."""
    needs("tesseract")
    wrapper = tmp_path / "bin" / "tesseract"
    wrapper.parent.mkdir()
    marks = tmp_path / "marks"
    marks.mkdir()
    # The real program, but slow to begin, so that the blow hits it at work.
    wrapper.write_text(
        f'#!/bin/sh\ncase "$*" in *--version*|*--list-langs*) ;; *) touch {marks}/begun; sleep 600;; esac\n'
        f'exec {shutil.which("tesseract")} "$@"\n'
    )
    wrapper.chmod(0o755)
    mark = {"DOCRELAY_TEST_SANDBOX": str(tmp_path), "PATH": f"{wrapper.parent}:{os.environ['PATH']}"}
    temporary = tmp_path / "temporary"
    temporary.mkdir()
    caller = subprocess.Popen(
        [sys.executable, "-c", CALLER, str(SAMPLES / "letter_scan.png")],
        env={**os.environ, **mark, "TMPDIR": str(temporary), FOLDER: str(marks)},
    )
    try:
        assert eventually((marks / "begun").exists)
        assert eventually(lambda: list(temporary.rglob("*.pgm")) != [])
        assert eventually(lambda: any("sleep" in " ".join(cmdline(process)) for process in carriers(mark)))
    finally:
        caller.send_signal(signal.SIGKILL)
        caller.wait()
    assert eventually(lambda: not carriers(mark))
    assert eventually(lambda: not list(temporary.iterdir()))


CALLER_IN_DATA = """
import sys
from pathlib import Path
from extractors.options import Options
from pipeline.stages.sandbox import Sandbox
Sandbox(2048, Path(sys.argv[2])).ocr(Path(sys.argv[1]), [1], Options(), 120)
"""


def test_pictures_of_a_killed_ocr_go_with_the_sweep(tmp_path: Path, needs: Callable[..., None]) -> None:
    """Worker, sandbox, Tesseract and watcher are killed at one moment: nothing is left to clean up after them."""
    needs("tesseract")
    wrapper, marks, system = tmp_path / "bin" / "tesseract", tmp_path / "marks", tmp_path / "system"
    for folder in (wrapper.parent, marks, system):
        folder.mkdir()
    wrapper.write_text(
        f'#!/bin/sh\ncase "$*" in *--version*|*--list-langs*) ;; *) touch {marks}/begun; sleep 600;; esac\n'
        f'exec {shutil.which("tesseract")} "$@"\n'
    )
    wrapper.chmod(0o755)
    paths = {"PATH": f"{wrapper.parent}:{os.environ['PATH']}", "TMPDIR": str(system), FOLDER: str(marks)}
    services = Services(Settings(data_dir=tmp_path / "data", embedding_model="hashing"), owner=True)
    caller = subprocess.Popen(
        [sys.executable, "-c", CALLER_IN_DATA, str(SAMPLES / "letter_scan.png"), str(tmp_path / "data")],
        env={**os.environ, **paths},
    )
    try:
        assert eventually((marks / "begun").exists)
        assert eventually(lambda: list((tmp_path / "data" / "tmp").rglob("*.pgm")) != [])
        sweep(services)
        assert list((tmp_path / "data" / "tmp").rglob("*.pgm")) != []  # it is at work
        (sandbox,) = psutil.Process(caller.pid).children()
        os.killpg(sandbox.pid, signal.SIGSTOP)  # the watcher must not be the quicker one
    finally:
        caller.kill()
        caller.wait()
    os.killpg(sandbox.pid, signal.SIGKILL)
    assert eventually(lambda: not sandbox.is_running() or sandbox.status() == psutil.STATUS_ZOMBIE)
    assert list((tmp_path / "data" / "tmp").rglob("*.pgm")) != []
    sweep(services)
    assert list((tmp_path / "data" / "tmp").iterdir()) == []
    assert list(system.iterdir()) == []
    services.store.close()
    services.catalog.dispose()
    services.cache.dispose()


def carriers(mark: dict[str, str]) -> list[psutil.Process]:
    """The processes that have this mark in their environment."""
    return [process for process in psutil.process_iter() if carries(process, mark)]


def carries(process: psutil.Process, mark: dict[str, str]) -> bool:
    try:
        environment = process.environ() if process.status() != psutil.STATUS_ZOMBIE else {}
        return environment.get("DOCRELAY_TEST_SANDBOX") == mark["DOCRELAY_TEST_SANDBOX"]
    except psutil.Error:
        return False


WORST = (
    "docx zip bomb",
    "pdf flate bomb",
    "pdf with exponential forms",
    "tiff bomb",
    "pdf with cyclic pages",
    "text of noise",
)


@pytest.fixture(scope="module")
def rig(tmp_path_factory: pytest.TempPathFactory) -> Iterator[FlowRig]:
    limits = {"extract_memory_mb": MEMORY_MB, "extract_timeout_s": 15.0, "ocr_timeout_s": 15.0}
    with stack_on(tmp_path_factory.mktemp("sandbox") / "data", **limits) as flow_rig:
        yield flow_rig


def test_hostile_files_in_one_batch_with_good_ones(rig: FlowRig, tmp_path: Path) -> None:
    folder = tmp_path / "in"
    write_documents(folder, 8, seed=6)
    chosen = [case for case in HOSTILE if case.name in WORST]
    assert len(chosen) == len(WORST)
    names = {put_case_in_folder(case, folder, tmp_path / case.name.replace(" ", "-")): case for case in chosen}
    job = rig.submit(folder)
    counts = rig.wait(job, 200)
    codes = rig.codes(job)
    assert {name: codes[name] for name, case in names.items() if codes[name] not in case.expected} == {}
    assert all(code == "completed" for name, code in codes.items() if name not in names)
    assert counts["completed"] >= 8
    rig.assert_at_rest(job)
    assert len(rig.stored()) == len(set(rig.stored(live=True)))
    # Every process that read them is gone, except the sandboxes and their watchers.
    assert eventually(lambda: not rig.processes("extract", "tesseract"))


def put_case_in_folder(case: HostileCase, folder: Path, built: Path) -> str:
    built.mkdir()
    path = case.build(built)
    target = folder / f"{built.name}{path.suffix}"
    path.rename(target)
    return target.name
