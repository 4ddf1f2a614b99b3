"""The process that reads files is locked in: what it tries inside fails, and succeeds outside."""

from __future__ import annotations

import ast
import errno
import json
import os
import platform
import socket
import stat
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import intruder
import pytest
from PIL import Image

from extractors.errors import Corrupt
from extractors.options import Options
from pipeline.stages import sandbox_process
from pipeline.stages.confinement import landlock, seccomp
from pipeline.stages.sandbox import Sandbox

TESTS = Path(__file__).parents[1] / "support"
SAMPLES = Path(__file__).parents[2] / "samples" / "documents"
PATIENCE_S = 100.0

BY_SECCOMP = {"connect", "connect_by_name_of_socket", "listen", "send_a_datagram", "open_to_all", "age", "cut"}
SINCE = {"signal_the_caller": 6}
"""The version of landlock that an attempt is refused from."""


@pytest.fixture
def data_dir(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A data folder with secrets in it; the test process listens on a port and on a Unix socket there."""
    folder = tmp_path / "data"
    intruder.prepare(folder)
    with socket.create_server(("127.0.0.1", 0)) as server, socket.socket(socket.AF_UNIX) as local:
        local.bind(os.path.relpath(folder / "socket"))
        local.listen()
        monkeypatch.setenv("PYTHONPATH", str(TESTS), prepend=os.pathsep)
        monkeypatch.setenv("DOCRELAY_TEST_DATA", str(folder))
        monkeypatch.setenv("DOCRELAY_TEST_PORT", str(server.getsockname()[1]))
        monkeypatch.setenv("DOCRELAY_TEST_CALLER", str(os.getpid()))
        yield folder


@pytest.fixture
def sandbox(data_dir: Path) -> Iterator[Sandbox]:
    made = Sandbox(2048, data_dir, module="bad_extractor")
    yield made
    made.close()


def outcome_of(sandbox: Sandbox, tmp_path: Path, deed: str) -> object:
    """What the deed tells by its error."""
    path = tmp_path / f"{deed}.txt"
    path.write_text(f"{deed}\nand some text\n")
    with pytest.raises(Corrupt) as caught:
        sandbox.extract(path, Options(), PATIENCE_S)
    return json.loads(str(caught.value))


def kernel_abi() -> int:
    """What the kernel itself answers, asked beside the code that is tested."""
    asked = (
        "import ctypes; print(ctypes.CDLL(None).syscall(444, None, ctypes.c_size_t(0), ctypes.c_uint32(1)))"
        if sys.platform == "linux"
        else "print(0)"
    )
    return int(subprocess.run([sys.executable, "-c", asked], capture_output=True, text=True, check=True).stdout)


def expected() -> set[str]:
    """The attempts that this kernel can refuse."""
    abi, refused = kernel_abi(), set[str]()
    if platform.machine() in seccomp.MACHINES and sys.platform == "linux":
        refused |= BY_SECCOMP
    if abi > 0:
        refused |= {name for name in intruder.ATTEMPTS.keys() - BY_SECCOMP if SINCE.get(name, 0) <= abi}
    return refused


def test_what_it_tries_fails_inside_and_succeeds_outside(sandbox: Sandbox, data_dir: Path, tmp_path: Path) -> None:
    inside = outcome_of(sandbox, tmp_path, "intrude")
    assert isinstance(inside, dict)
    assert inside.keys() == intruder.ATTEMPTS.keys()
    refused = {name for name, error in inside.items() if error}
    assert refused == expected()
    assert {error for error in inside.values() if error} <= {"PermissionError"}
    if refused == intruder.ATTEMPTS.keys():
        assert not list(data_dir.glob("written-*"))
        assert {path.read_text() for path in data_dir.iterdir() if path.is_file()} == {"a secret"}
        assert stat.S_IMODE((data_dir / "opened").stat().st_mode) != 0o777
    port = int(os.environ["DOCRELAY_TEST_PORT"])
    outside = intruder.outcomes(data_dir, port)
    assert outside == dict.fromkeys(intruder.ATTEMPTS, "")


def test_the_kernel_of_this_machine_is_asked_rightly() -> None:
    assert landlock.abi() == max(0, kernel_abi())


def test_it_gets_no_variable_of_docrelay(sandbox: Sandbox, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DOCRELAY_REDIS_URL", "redis://:secret@localhost/0")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "secret")
    monkeypatch.setenv("LC_MESSAGES", "de_DE.UTF-8")
    inside = outcome_of(sandbox, tmp_path, "tell_environment")
    assert isinstance(inside, dict)
    assert "secret" not in json.dumps(inside)
    assert {name for name in inside if name.startswith("DOCRELAY_")} == {
        name for name in os.environ if name.startswith("DOCRELAY_TEST_")
    }
    assert (inside["PATH"], inside["LC_MESSAGES"], inside["OMP_THREAD_LIMIT"]) == (
        os.environ["PATH"], "de_DE.UTF-8", "1",
    )  # fmt: skip
    assert Path(inside["TMPDIR"]).is_relative_to(tmp_path / "data" / "tmp")


@pytest.mark.skipif(sys.platform != "linux", reason="/proc tells it")
def test_limits_and_no_new_privileges(sandbox: Sandbox, tmp_path: Path) -> None:
    filtered = 2 if platform.machine() in seccomp.MACHINES else 0
    assert outcome_of(sandbox, tmp_path, "tell_limits") == {
        "RLIMIT_CORE": 0, "RLIMIT_FSIZE": 2048 << 20, "NoNewPrivs": 1, "Seccomp": filtered,
    }  # fmt: skip


@pytest.mark.skipif(not seccomp.is_known(), reason="without seccomp an administrator raises the limits")
def test_limits_cannot_be_changed_not_even_by_an_administrator(sandbox: Sandbox, tmp_path: Path) -> None:
    assert outcome_of(sandbox, tmp_path, "change_limits") == [errno.EPERM, errno.EPERM]


def test_temporary_files_work_inside(sandbox: Sandbox, tmp_path: Path) -> None:
    path = tmp_path / "letter.txt"
    path.write_text("write_a_temporary_file\nand some text\n")
    assert "some text" in sandbox.extract(path, Options(), PATIENCE_S).text


@pytest.mark.skipif(not landlock.abi(), reason="without landlock it reads the file where it lies")
def test_it_cannot_change_the_file_that_it_is_given(sandbox: Sandbox, tmp_path: Path) -> None:
    """The file is given as a second name of the same content, so writing there would change the original."""
    assert outcome_of(sandbox, tmp_path, "change_what_it_was_given") == ["PermissionError"] * 4
    assert (tmp_path / "change_what_it_was_given.txt").read_text() == "change_what_it_was_given\nand some text\n"


def test_each_file_is_gone_from_its_folder_when_it_is_read(sandbox: Sandbox, data_dir: Path, tmp_path: Path) -> None:
    for name in ("one.txt", "two.txt"):
        (tmp_path / name).write_text("A letter.")
        assert sandbox.extract(tmp_path / name, Options(), PATIENCE_S).text == "A letter."
        assert not list(data_dir.glob("tmp/*/in/*"))
    sandbox.close()
    assert list((data_dir / "tmp").iterdir()) == []


@pytest.mark.parametrize("what", ["no folder", "neither link nor copy"])
def test_a_file_that_cannot_be_given_is_the_only_one_of_its_child(
    data_dir: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, what: str
) -> None:
    """A full disk has no room for a folder, and a large file on another disk is not copied."""
    if what == "no folder":
        (data_dir / "tmp").write_text("in the way of the folder")
    else:
        monkeypatch.setattr("pipeline.stages.sandbox_folder.COPIED_BYTES", 0)
        monkeypatch.setattr(Path, "hardlink_to", refuse_link)
    sandbox = Sandbox(2048, data_dir, module="bad_extractor")
    for name in ("one.txt", "two.txt"):
        (tmp_path / name).write_text("A letter.")
        assert sandbox.extract(tmp_path / name, Options(), PATIENCE_S).text == "A letter."
    inside = outcome_of(sandbox, tmp_path, "intrude")
    assert isinstance(inside, dict)
    assert {name for name, error in inside.items() if error} == expected()
    sandbox.close()


def refuse_link(path: Path, target: Path) -> None:
    raise OSError(18, f"{path} and {target} are on two disks")


def test_a_file_that_cannot_be_linked_is_copied(
    sandbox: Sandbox, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Path, "hardlink_to", refuse_link)
    child = sandbox._start()
    (tmp_path / "one.txt").write_text("A letter.")
    assert sandbox.extract(tmp_path / "one.txt", Options(), PATIENCE_S).text == "A letter."
    assert sandbox._start() is child


def test_data_folder_within_a_folder_of_programs_is_closed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As in a checkout: what Python imports from is open, the data folder in it is not."""
    checkout = tmp_path / "checkout"
    data = checkout / "var" / "data"
    intruder.prepare(data)
    (checkout / "helpful.py").write_text("")
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join((str(TESTS), str(checkout))), prepend=os.pathsep)
    monkeypatch.setenv("DOCRELAY_TEST_DATA", str(data))
    monkeypatch.setenv("DOCRELAY_TEST_PORT", "9")
    monkeypatch.setenv("DOCRELAY_TEST_CALLER", str(os.getpid()))
    sandbox = Sandbox(2048, data, module="bad_extractor")
    try:
        inside = outcome_of(sandbox, tmp_path, "intrude")
    finally:
        sandbox.close()
    assert isinstance(inside, dict)
    refused = {name for name, error in inside.items() if error}
    assert refused >= {"read", "list_the_folder", "overwrite"} & expected()


def test_ocr_works_inside(data_dir: Path, tmp_path: Path, needs: object) -> None:
    needs("tesseract")  # type: ignore[operator]
    sandbox = Sandbox(2048, data_dir)
    try:
        with Image.open(SAMPLES / "letter_scan.png") as scan:
            scan.rotate(180).save(tmp_path / "turned.png")  # Tesseract is asked how it is turned, by way of files
        upright, turned = (
            sandbox.ocr(path, [1], Options(), PATIENCE_S)
            for path in (SAMPLES / "letter_scan.png", tmp_path / "turned.png")
        )
        assert all("Herr Grönwald" in pages[0].text for pages, _ in (upright, turned))
        assert (upright[1], turned[1]) == ([], [])
    finally:
        sandbox.close()


def test_another_tesseract_than_before_gets_a_child_that_may_run_it(
    data_dir: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    program = tmp_path / "bin" / "tesseract"
    program.parent.mkdir()
    monkeypatch.setenv("PATH", str(program.parent))
    before = sandbox_process.program_of_ocr()
    program.write_text("#!/bin/sh\n")
    program.chmod(0o755)
    after = sandbox_process.program_of_ocr()
    assert before is None
    assert after is not None
    assert after[0] == str(program)


def test_what_the_kernel_does_not_take_is_told_and_the_rest_holds(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """In a process of its own, as what is given up is given up for good."""
    code = (
        "import sys\n"
        "from pipeline.stages.confinement import grant, landlock\n"
        "def refuse(rules): raise OSError(7, 'too many layers')\n"
        "landlock.restrict = refuse\n"
        "print(sorted(grant.confine(grant.Grant(None, (), (sys.argv[1],), 1), ())))\n"
        "import resource; print(resource.getrlimit(resource.RLIMIT_FSIZE))\n"
    )
    done = subprocess.run([sys.executable, "-c", code, str(tmp_path)], capture_output=True, text=True, check=True)
    missing = set(ast.literal_eval(done.stdout.splitlines()[0]))
    assert missing >= {"files", "programs"}
    assert ("network" in missing) == (not seccomp.is_known())
    assert done.stdout.splitlines()[1] == str((1 << 20, 1 << 20))
