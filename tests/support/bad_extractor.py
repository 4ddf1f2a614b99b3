"""An extractor gone wrong, for the sandbox to end: it speaks the protocol and does what the file's first line says.

Run as the sandbox's program (`python -m bad_extractor MEGABYTES FOLDER`) with this folder in PYTHONPATH.
"""

from __future__ import annotations

import ctypes
import json
import os
import platform
import re
import resource
import signal
import struct
import sys
import tempfile
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import intruder

import extractors
from extractors.errors import Corrupt
from extractors.options import Options
from pipeline.stages import sandbox_child

ANSWERS = sys.stdout.buffer
GIVEN: list[Path] = []


class Watermarked(Corrupt):
    """The text is hidden by a watermark."""

    code = "watermarked"
    hint = "Print it without its watermark."


def segfault() -> None:
    ctypes.string_at(0)


def leave_a_temporary_file() -> None:
    tempfile.mkstemp()
    segfault()


def hang() -> None:
    time.sleep(600)


def hang_without_the_interpreter() -> None:
    ctypes.PyDLL(None).sleep(600)  # holds the interpreter lock: no signal handler of Python runs


def spin() -> None:
    while True:
        pass


def compute_for_half_a_second() -> None:
    end = time.process_time() + 0.5
    while time.process_time() < end:
        pass


def eat_memory() -> None:
    hoard = []
    while True:
        hoard.append(bytearray(16 << 20))


def eat_memory_and_abort() -> None:
    hoard = []
    try:
        while True:
            hoard.append(bytearray(16 << 20))
    except MemoryError:
        os.abort()  # as allocators of native libraries do


def leave() -> None:
    os._exit(0)


def kill_itself() -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def close_and_hang() -> None:
    pipe = os.fstat(ANSWERS.fileno())
    for descriptor in range(3, 64):
        with suppress(OSError):
            if os.path.samestat(os.fstat(descriptor), pipe):
                os.close(descriptor)
    hang()


def garbage() -> None:
    ANSWERS.write(b"Segmentation fault (not really)\n" * 100)
    ANSWERS.flush()
    hang()


def boast() -> None:
    ANSWERS.write(sandbox_child.HEADER.pack(sandbox_child.MARK, 2**32 - 1) + b'{"result": ')
    ANSWERS.flush()
    hang()


def half_an_answer() -> None:
    ANSWERS.write(sandbox_child.HEADER.pack(sandbox_child.MARK, 1000) + b'{"result": ')
    ANSWERS.flush()
    hang()


def drip() -> None:
    ANSWERS.write(sandbox_child.HEADER.pack(sandbox_child.MARK, 1 << 20) + b'{"result": "')
    while True:
        ANSWERS.write(b"x")
        ANSWERS.flush()
        time.sleep(0.05)


def no_json() -> None:
    ANSWERS.write(sandbox_child.HEADER.pack(sandbox_child.MARK, 5) + b"hello")
    ANSWERS.flush()


def answer_in_endless_lists() -> None:
    body = b'{"result": ' + b"[" * 100_000 + b"]" * 100_000 + b"}"
    ANSWERS.write(sandbox_child.HEADER.pack(sandbox_child.MARK, len(body)) + body)
    ANSWERS.flush()
    hang()


def answer_with_a_document_of_another_form() -> None:
    sandbox_child.send(ANSWERS, {"result": {"media_type": "text/plain", "pages": [7]}})
    hang()


def answer_with_another_form_of_openness() -> None:
    sandbox_child.send(ANSWERS, {"result": {}, "open": 7})
    hang()


def half_a_problem() -> None:
    sandbox_child.send(ANSWERS, {"error": {"code": "watermarked"}})


def raise_an_error_of_a_plug_in() -> None:
    error = Watermarked("Page 7 is hidden by a watermark.")
    error.hint = "Print page 7 without its watermark."
    raise error


def leave_children() -> None:
    for _ in range(2):
        if os.fork() == 0:
            signal.signal(signal.SIGTERM, signal.SIG_IGN)
            hang()
    hang()


def intrude() -> None:
    """Try everything that is forbidden; the outcomes are the error's message."""
    outcomes = intruder.outcomes(Path(os.environ["DOCRELAY_TEST_DATA"]), int(os.environ["DOCRELAY_TEST_PORT"]))
    raise Corrupt(json.dumps(outcomes))


def tell_environment() -> None:
    raise Corrupt(json.dumps(dict(os.environ)))


def tell_limits() -> None:
    limits = {name: resource.getrlimit(getattr(resource, name))[1] for name in ("RLIMIT_CORE", "RLIMIT_FSIZE")}
    status = Path("/proc/self/status").read_text()
    limits |= {name: int(value) for name, value in re.findall(r"(NoNewPrivs|Seccomp):\s*(\d+)", status)}
    raise Corrupt(json.dumps(limits))


def change_limits() -> None:
    """To what they are, which any process may, through each of the two calls; an administrator may raise them too."""
    limits = struct.pack("=QQ", *resource.getrlimit(resource.RLIMIT_FSIZE))
    library = ctypes.CDLL(None, use_errno=True)
    setrlimit, prlimit = {"x86_64": (160, 302), "aarch64": (164, 261)}[platform.machine()]
    errors = []
    for call in (
        (setrlimit, resource.RLIMIT_FSIZE, limits), (prlimit, 0, resource.RLIMIT_FSIZE, limits, None),
    ):  # fmt: skip
        ctypes.set_errno(0)
        library.syscall(*call)
        errors.append(ctypes.get_errno())
    raise Corrupt(json.dumps(errors))


def write_a_temporary_file() -> None:
    with tempfile.TemporaryDirectory() as folder:
        Path(folder, "picture").write_bytes(b"grey")
        Path(folder, "picture").rename(Path(folder, "renamed"))


def change_what_it_was_given() -> None:
    refused = []
    for change in (Path.unlink, Path.touch, lambda path: path.write_text("other"), lambda path: path.chmod(0o777)):
        try:
            change(GIVEN[0])
        except OSError as error:
            refused.append(type(error).__name__)
    raise Corrupt(json.dumps(refused))


DEEDS: dict[str, Callable[[], None]] = {
    deed.__name__: deed
    for deed in (
        segfault, hang, hang_without_the_interpreter, spin, eat_memory, eat_memory_and_abort, leave, kill_itself,
        close_and_hang, garbage, boast, half_an_answer, drip, no_json, half_a_problem, raise_an_error_of_a_plug_in,
        answer_in_endless_lists, answer_with_a_document_of_another_form, answer_with_another_form_of_openness,
        leave_children, leave_a_temporary_file, intrude, tell_environment, tell_limits, write_a_temporary_file,
        change_what_it_was_given, change_limits, compute_for_half_a_second,
    )
}  # fmt: skip


def extract(path: Path, options: Options, request: dict[str, Any]) -> Any:
    GIVEN[:] = [path]
    deed, _, once = path.read_text("utf-8").splitlines()[0].partition(" once ")
    if deed in DEEDS and not (once and Path(once).exists()):
        if once:
            Path(once).touch()
        DEEDS[deed]()
    os.write(1, b"a library's chatter\n")
    os.write(2, b"and its complaints\n")
    return extractors.extract(path, options).to_json()


def main() -> None:
    global ANSWERS
    sandbox_child.METHODS["extract"] = extract
    ANSWERS = os.fdopen(os.dup(sys.stdout.fileno()), "wb")
    sandbox_child.main()


if __name__ == "__main__":
    main()
