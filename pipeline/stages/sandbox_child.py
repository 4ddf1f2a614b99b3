"""The child process of the sandbox: it reads one file after another for the process that started it.

A program of its own (`python -m pipeline.stages.sandbox_child MEGABYTES FOLDER GRANT`), so that a crash, a hang or a
memory bomb in an extractor's native code ends this process and nothing else. Its folder goes when it ends; beside what
it is granted, it may read and write nothing. Requests and answers are JSON, each behind a mark and its length, four
bytes each.
"""

from __future__ import annotations

import ctypes
import json
import os
import resource
import signal
import struct
import sys
from collections.abc import Callable
from functools import partial
from pathlib import Path
from select import select
from typing import Any, BinaryIO, TypeAlias

import extractors
from extractors.errors import ExtractError, OutOfMemory
from extractors.options import Options
from extractors.working_time import leave_out
from pipeline.disk.temporary_folder import remove_folder
from pipeline.errors.problem import pack
from pipeline.gates_for_tests import SANDBOX, pass_gate
from pipeline.stages.confinement.grant import Grant, confine
from pipeline.stages.sandbox_folder import SECONDS

__all__ = ["HEADER", "MARK", "receive", "send"]

HEADER = struct.Struct("!4sI")
MARK = b"\x00dr\x00"
"""No text begins with it, so that output of a library in the pipe is not taken for a length."""

PR_SET_PDEATHSIG = 1
MAX_DESCRIPTORS = 1024

Request: TypeAlias = dict[str, Any]
"""What is asked: a method, the path of the file, options, and what the method needs besides."""

IDLE_S = 5.0
"""Seconds without a request after which the processes that read pages (Tesseract) give their memory back."""


def send(stream: BinaryIO, data: Any) -> None:
    """Write one JSON message."""
    body = json.dumps(data).encode()
    stream.write(HEADER.pack(MARK, len(body)) + body)
    stream.flush()


def receive(stream: BinaryIO) -> Any:
    """Read one JSON message. Raises EOFError when the other side is gone."""
    head = stream.read(HEADER.size)
    if len(head) < HEADER.size:
        raise EOFError
    _, length = HEADER.unpack(head)
    body = stream.read(length)
    if len(body) < length:
        raise EOFError
    return json.loads(body)


def main() -> None:
    """Answer requests until the caller closes the pipe."""
    _die_with_parent()
    # A worker that runs on while Docrelay is upgraded may give no folder, or no grant.
    megabytes, folder, grant = [*sys.argv[1:], "", ""][:3]
    _end_children_with_parent(folder)
    limit = int(megabytes) << 20
    resource.setrlimit(resource.RLIMIT_AS, (limit, limit))
    # Output of a library must not mix with the answers.
    answers = os.fdopen(os.dup(sys.stdout.fileno()), "wb")
    os.dup2(sys.stderr.fileno(), sys.stdout.fileno())
    if grant and folder:
        leave_out(partial(_left_out, os.open(Path(folder, "clock"), os.O_RDONLY | os.O_CLOEXEC)))
    still_open = confine(Grant.from_json(grant), extractors.reserve_terminals()) if grant else []
    while True:
        if not select([sys.stdin.buffer], [], [], IDLE_S)[0]:
            extractors.end_processes()
        try:
            request = receive(sys.stdin.buffer)
        except EOFError:
            return
        pass_gate(SANDBOX, str(os.getpid()))
        send(answers, {**_answer(request), "open": still_open})


def _answer(request: Request) -> dict[str, Any]:
    options = Options.from_json(request["options"])
    try:
        return {"result": METHODS[request["method"]](Path(request["path"] or ""), options, request)}
    except ExtractError as error:
        return {"error": pack(error)}
    except MemoryError:
        return {"error": pack(OutOfMemory())}
    except OSError as error:  # the fault of the disk or the system, not of the file
        return {"system": [error.errno or 0, error.strerror or str(error)]}


def _extract(path: Path, options: Options, _request: Request) -> Any:
    return extractors.extract(path, options).to_json()


def _ocr(path: Path, options: Options, request: Request) -> Any:
    warnings: list[str] = []
    read = extractors.ocr(path, request["pages"], options, warnings.append)
    return {"pages": [page.to_json() for page in read], "warnings": warnings}


def _draw(path: Path, options: Options, request: Request) -> Any:
    """A page of the file as a picture; without a file, the sheet with a text."""
    from extractors.drawing.page import draw_page
    from extractors.drawing.picture import Look
    from extractors.drawing.sheet import draw_sheet

    look = Look.from_json(request["look"])
    if request["path"] is None:
        return draw_sheet(request["text"], look).to_json()
    return draw_page(path, request["page"], look, options).to_json()


def _places(path: Path, options: Options, request: Request) -> Any:
    """Size of a page, and where the characters of its text stand: on the file's page, or on the sheet with the text."""
    from extractors.drawing.page import page_places
    from extractors.drawing.sheet import sheet_places, sheet_size

    text = request["text"]
    if request["path"] is None:
        return {"size": sheet_size(text), "places": sheet_places(text)}
    size, places = page_places(path, request["page"], text, options, ocr=request["ocr"])
    return {"size": size, "places": places}


def _left_out(clock: int) -> float:
    """The seconds that the parent has written down last."""
    return float(SECONDS.unpack(os.pread(clock, SECONDS.size, 0))[0])


def _die_with_parent() -> None:
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)


def _end_children_with_parent(folder: str) -> None:
    """End the processes that this one started (Tesseract) when this one ends, however that happens.

    Its folder, if it has one, goes as well. A watcher in the same process group waits for the end of a pipe that
    only this process holds open.
    """
    if os.getpgrp() != os.getpid():
        return
    watched, _ = os.pipe()
    if os.fork():
        os.close(watched)
        return
    os.closerange(0, watched)
    os.closerange(watched + 1, MAX_DESCRIPTORS)
    os.read(watched, 1)
    if folder:
        remove_folder(Path(folder))
    os.killpg(0, signal.SIGKILL)


METHODS: dict[str, Callable[[Path, Options, Request], Any]] = {
    "extract": _extract,
    "ocr": _ocr,
    "draw": _draw,
    "places": _places,
}

if __name__ == "__main__":
    main()
