"""An extractor gone wrong, for the sandbox to end: it speaks the protocol and does what the file's first line says.

Run as the sandbox's program (`python -m bad_extractor MEGABYTES FOLDER`) with this folder in PYTHONPATH.
"""

from __future__ import annotations

import ctypes
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import extractors
from extractors.errors import Corrupt
from extractors.options import Options
from pipeline.stages import sandbox_child

ANSWERS = sys.stdout.buffer


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


def no_json() -> None:
    ANSWERS.write(sandbox_child.HEADER.pack(sandbox_child.MARK, 5) + b"hello")
    ANSWERS.flush()


def half_a_problem() -> None:
    sandbox_child.send(ANSWERS, {"error": {"code": "watermarked"}})


def raise_an_error_of_a_plug_in() -> None:
    error = Watermarked("Page 7 is hidden by a watermark.")
    error.hint = "Print page 7 without its watermark."
    raise error


def leave_children() -> None:
    subprocess.Popen(["sleep", "600"])
    subprocess.Popen(["sh", "-c", "trap '' TERM; sleep 600"])
    hang()


DEEDS: dict[str, Callable[[], None]] = {
    deed.__name__: deed
    for deed in (
        segfault, hang, hang_without_the_interpreter, spin, eat_memory, eat_memory_and_abort, leave, kill_itself,
        close_and_hang, garbage, boast, half_an_answer, no_json, half_a_problem, raise_an_error_of_a_plug_in,
        leave_children, leave_a_temporary_file,
    )
}  # fmt: skip


def extract(path: Path, options: Options, pages: list[int]) -> Any:
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
