"""The sandbox: a child process with limits on time and memory reads the files, and may crash.

The caller gets a document, or an `ExtractError` with a stable code: `timeout` for a hang, `crashed` for a crash
(after a second try in a fresh child), `out_of_memory` for a file that needs too much memory.
"""

from __future__ import annotations

import contextlib
import json
import os
import resource
import selectors
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import IO, Any

from extractors.document import Document, Page
from extractors.errors import Crashed, ExtractError, OutOfMemory, TimedOut
from extractors.options import Options
from pipeline.errors.problem import unpack
from pipeline.stages.sandbox_child import HEADER, MARK, send

__all__ = ["NoRoom", "Sandbox", "Unwanted"]

TRIES = 2
REQUESTS_PER_CHILD = 1000
"""Native libraries leak a little memory; a fresh child now and then bounds it."""

MEMORY_SHARE = 0.5
"""A child that died with this share of its limit in use ran out of memory: allocators abort without an error."""

PEAK_SLACK = 1.05
"""On Linux a new process begins with the peak of the one that started it, and the kernel counts roughly."""

POLL_S = 0.5
DYING_S = 1.0
"""A child that closed its end of the pipe has this long to exit; then it is killed."""

BLOCK = 1 << 20


class Killed(Crashed):
    """The child was killed from outside."""


class NoRoom(OSError):
    """The system lacked a resource for reading the file: disk space, descriptors. It is no fault of the file."""


class Unwanted(Exception):
    """Nothing waits for the file any more: the child that read it was ended."""


class Sandbox:
    """One child process that reads files, started on first use and replaced when it dies."""

    def __init__(self, memory_mb: int, module: str = "pipeline.stages.sandbox_child") -> None:
        self._memory_mb = memory_mb
        self._module = module
        self._child: subprocess.Popen[bytes] | None = None
        self._folder: str | None = None
        self._served = 0
        self._floor_mb = 0.0
        self._is_wanted = _always

    def extract(
        self, path: Path, options: Options, timeout_s: float, is_wanted: Callable[[], bool] | None = None
    ) -> Document:
        """Read a file as `extractors.extract` does.

        Args:
            path: the file.
            options: how it is read.
            timeout_s: seconds after which the child is ended.
            is_wanted: asked every `POLL_S` seconds while the child works; if it returns False, the child is ended.

        Raises:
            ExtractError: the file cannot be read, or reading it broke a limit.
            Unwanted: `is_wanted` returned False.
        """
        self._is_wanted = is_wanted or _always
        return Document.from_json(self._ask("extract", path, options, [], timeout_s))

    def ocr(
        self,
        path: Path,
        numbers: list[int],
        options: Options,
        timeout_s: float,
        is_wanted: Callable[[], bool] | None = None,
    ) -> tuple[list[Page], list[str]]:
        """Read pages by OCR as `extractors.ocr` does; the warnings come with them. Arguments and errors: `extract`."""
        self._is_wanted = is_wanted or _always
        answer = self._ask("ocr", path, options, numbers, timeout_s)
        return [Page.from_json(page) for page in answer["pages"]], answer["warnings"]

    def warm_up(self) -> None:
        """Start the child, so that the first file does not wait for it."""
        self._start()

    def close(self) -> None:
        """End the child and everything it started."""
        if self._child is not None:
            self._kill()

    def _ask(self, method: str, path: Path, options: Options, pages: list[int], timeout_s: float) -> Any:
        request = {"method": method, "path": str(path), "options": asdict(options), "pages": pages}
        for _ in range(TRIES - 1):
            with contextlib.suppress(Crashed):
                return self._once(request, timeout_s)
        try:
            return self._once(request, timeout_s)
        except Killed as error:
            # One kill may come from any process; repeated kills come from the kernel, which has run out of memory.
            raise OutOfMemory("The system ended the reading of the file, most likely for its memory.") from error

    def _once(self, request: dict[str, Any], timeout_s: float) -> Any:
        child = self._start()
        deadline = time.monotonic() + timeout_s
        try:
            send(_pipe(child.stdin), request)
            answer = self._receive(child, deadline, timeout_s)
        except (EOFError, BrokenPipeError):
            raise self._post_mortem() from None
        self._served += 1
        if self._served >= REQUESTS_PER_CHILD:
            self.close()
        if "error" in answer:
            raise self._error_of(answer["error"])
        if "system" in answer:
            raise NoRoom(*answer["system"])
        return answer["result"]

    def _start(self) -> subprocess.Popen[bytes]:
        if self._child is not None and self._child.poll() is not None:
            self._kill()
        if self._child is None:
            self._served = 0
            self._folder = _temporary_folder()
            own_folder = {} if self._folder is None else {"TMPDIR": self._folder}
            self._child = subprocess.Popen(
                [sys.executable, "-m", self._module, str(self._memory_mb), *own_folder.values()],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                process_group=0,
                env={**os.environ, "OMP_THREAD_LIMIT": "1", "MALLOC_ARENA_MAX": "2", **own_folder},
            )
            self._floor_mb = PEAK_SLACK * _peak_mb(resource.getrusage(resource.RUSAGE_SELF))
        return self._child

    def _wait(self, child: subprocess.Popen[bytes], deadline: float, timeout_s: float) -> None:
        with selectors.DefaultSelector() as selector:
            selector.register(_pipe(child.stdout), selectors.EVENT_READ)
            while not selector.select(timeout=min(POLL_S, max(deadline - time.monotonic(), 0.0))):
                if time.monotonic() >= deadline:
                    self._kill()
                    raise TimedOut(f"Reading the file took longer than {timeout_s:g} seconds.")
                if not self._is_wanted():
                    self._kill()
                    raise Unwanted

    def _receive(self, child: subprocess.Popen[bytes], deadline: float, timeout_s: float) -> Any:
        """Read one answer within the limits of time and memory, whatever the child writes and however slowly."""
        read, wanted = bytearray(), HEADER.size
        while len(read) < wanted:
            self._wait(child, deadline, timeout_s)
            block = os.read(_pipe(child.stdout).fileno(), BLOCK)
            if not block:
                raise EOFError
            read += block
            if len(read) >= HEADER.size:
                mark, length = HEADER.unpack_from(read)
                wanted = HEADER.size + length
                if mark != MARK or length > self._memory_mb << 20:
                    raise self._garbled()
        try:
            answer = json.loads(read[HEADER.size :])
        except ValueError:
            raise self._garbled() from None
        if len(read) > wanted or not isinstance(answer, dict) or not answer.keys() & {"result", "error", "system"}:
            raise self._garbled()
        return answer

    def _error_of(self, packed: Any) -> ExtractError:
        """The error that the extractor raised, with its class, code, message and hint."""
        try:
            error = unpack(packed)
        except (KeyError, TypeError):
            return self._garbled()
        return error if isinstance(error, ExtractError) else self._garbled()

    def _garbled(self) -> Crashed:
        self._kill()
        return Crashed("The extractor lost its way on this file, twice.")

    def _post_mortem(self) -> ExtractError:
        child = self._child
        if child is None:
            return Crashed()
        if not _is_dead(child):
            return self._garbled()
        self._child = None
        _, status, usage = os.wait4(child.pid, 0)
        child.returncode = os.waitstatus_to_exitcode(status)
        _kill_group(child)
        self._clear()
        if _peak_mb(usage) > max(MEMORY_SHARE * self._memory_mb, self._floor_mb):
            return OutOfMemory(f"Reading the file needed more than {self._memory_mb} MB of memory.")
        if child.returncode == -signal.SIGKILL:
            return Killed()
        return Crashed(f"The extractor died on this file ({_cause_of_death(child.returncode)}), twice.")

    def _kill(self) -> None:
        child, self._child = self._child, None
        if child is not None:
            _kill_group(child)
            child.wait()
            self._clear()

    def _clear(self) -> None:
        """Delete the child's folder for temporary files, such as the pictures of pages for Tesseract."""
        folder, self._folder = self._folder, None
        if folder is not None:
            shutil.rmtree(folder, ignore_errors=True)


def _always() -> bool:
    return True


def _temporary_folder() -> str | None:
    """A folder for the child's temporary files; None where there is no room: most files are read without any."""
    try:
        return tempfile.mkdtemp(prefix="docrelay_")
    except OSError:
        return None


def _is_dead(child: subprocess.Popen[bytes]) -> bool:
    """Whether the child has ended, or ends in a moment. It is not reaped."""
    deadline = time.monotonic() + DYING_S
    while time.monotonic() < deadline:
        if os.waitid(os.P_PID, child.pid, os.WEXITED | os.WNOHANG | os.WNOWAIT):
            return True
        time.sleep(DYING_S / 100)
    return False


def _peak_mb(usage: resource.struct_rusage) -> float:
    return usage.ru_maxrss / (2**20 if sys.platform == "darwin" else 2**10)


def _kill_group(child: subprocess.Popen[bytes]) -> None:
    """Kill the child's whole process group (Tesseract runs in it) and close the pipes."""
    with contextlib.suppress(ProcessLookupError):
        os.killpg(child.pid, signal.SIGKILL)
    for pipe in (child.stdin, child.stdout):
        try:
            _pipe(pipe).close()
        except BrokenPipeError:
            continue


def _cause_of_death(code: int) -> str:
    return f"signal {signal.Signals(-code).name}" if code < 0 else f"exit {code}"


def _pipe(stream: IO[bytes] | None) -> Any:
    if stream is None:
        raise Crashed
    return stream
