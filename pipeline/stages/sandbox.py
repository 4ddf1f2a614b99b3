"""The sandbox: a child process with limits on time and memory reads the files, and may crash.

The caller gets a document, or an `ExtractError` with a stable code: `timeout` for a hang, `crashed` for a crash
(after a second try in a fresh child), `out_of_memory` for a file that needs too much memory.
"""

from __future__ import annotations

import contextlib
import json
import os
import selectors
import signal
from collections.abc import Callable
from dataclasses import asdict
from functools import cache
from pathlib import Path
from typing import Any

import structlog

from extractors.boxes import Place, Size
from extractors.document import Document, Page
from extractors.drawing.picture import Picture
from extractors.errors import Crashed, ExtractError, OutOfMemory, TimedOut
from extractors.options import Options
from pipeline.errors.problem import unpack
from pipeline.stages.confinement.grant import CLOSABLE
from pipeline.stages.sandbox_child import HEADER, MARK, send
from pipeline.stages.sandbox_process import SandboxProcess, peak_mb, pipe
from pipeline.stages.sandbox_results import RESULTS
from pipeline.stages.working_time import WorkingTime

__all__ = ["NoRoom", "Sandbox", "Unwanted"]

log = structlog.get_logger()

TRIES = 2
REQUESTS_PER_CHILD = 1000
"""Native libraries leak a little memory; a fresh child now and then bounds it."""

MEMORY_SHARE = 0.5
"""A child that died with this share of its limit in use ran out of memory: allocators abort without an error."""

POLL_S = 0.5

BLOCK = 1 << 20


class Killed(Crashed):
    """The child was killed from outside."""


class NoRoom(OSError):
    """The system lacked what reading the file takes: disk space, descriptors, a process. It is no fault of the file."""


class Unwanted(Exception):
    """Nothing waits for the file any more: the child that read it was ended."""


class Sandbox:
    """One child process that reads files, started on first use and replaced when it dies.

    Args:
        memory_mb: the child's limit of memory.
        data_dir: the data folder: the child has its folder there, and nothing else in it is open to it. None for a
            folder among the system's temporary files.
        module: the child's program.
    """

    def __init__(
        self, memory_mb: int, data_dir: Path | None = None, module: str = "pipeline.stages.sandbox_child"
    ) -> None:
        self._memory_mb = memory_mb
        self._data_dir = data_dir
        self._module = module
        self._child: SandboxProcess | None = None
        self._served = 0
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
            NoRoom: the system lacks something that is needed to read it.
            Unwanted: `is_wanted` returned False.
        """
        self._is_wanted = is_wanted or _always
        document: Document = self._ask("extract", path, options, {}, timeout_s)
        return document

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
        pages: tuple[list[Page], list[str]] = self._ask("ocr", path, options, {"pages": numbers}, timeout_s)
        return pages

    def draw(self, path: Path | None, options: Options, page: dict[str, Any], timeout_s: float) -> Picture:
        """Draw a page of a file, or without a file the sheet with a text.

        Args:
            path: the file, or None.
            options: how it was read.
            page: its number `page`, the fields of its `look`, and the `text` of a sheet.
            timeout_s: seconds after which the child is ended.

        Raises:
            ExtractError, NoRoom: as `extract`.
        """
        self._is_wanted = _always
        picture: Picture = self._ask("draw", path, options, page, timeout_s)
        return picture

    def places(
        self, path: Path | None, options: Options, page: dict[str, Any], timeout_s: float
    ) -> tuple[Size, list[Place]]:
        """Size of a page, and where the characters of its `text` stand; `ocr`: OCR has read it. Else as `draw`."""
        self._is_wanted = _always
        found: tuple[Size, list[Place]] = self._ask("places", path, options, page, timeout_s)
        return found

    def warm_up(self) -> None:
        """Start the child, so that the first file does not wait for it."""
        self._start()

    def close(self) -> None:
        """End the child and everything it started."""
        if self._child is not None:
            self._kill()

    def _ask(self, method: str, path: Path | None, options: Options, details: dict[str, Any], timeout_s: float) -> Any:
        request = {**details, "method": method, "options": asdict(options)}
        for _ in range(TRIES - 1):
            with contextlib.suppress(Crashed):
                return self._once(request, path, timeout_s)
        try:
            return self._once(request, path, timeout_s)
        except Killed as error:
            # One kill may come from any process; repeated kills come from the kernel, which has run out of memory.
            raise OutOfMemory("The system ended the reading of the file, most likely for its memory.") from error

    def _once(self, request: dict[str, Any], path: Path | None, timeout_s: float) -> Any:
        child = self._start()
        if path is None:
            return self._answer_to({**request, "path": None}, child, timeout_s)
        with child.given(path) as name:
            if name is not None:
                return self._answer_to({**request, "path": str(name)}, child, timeout_s)
        self.close()
        self._child = child = self._new(only=path)
        return self._answer_to({**request, "path": str(path.absolute())}, child, timeout_s)

    def _answer_to(self, request: dict[str, Any], child: SandboxProcess, timeout_s: float) -> Any:
        clock = WorkingTime(child.popen.pid)
        child.tell_left_out(0.0)
        try:
            send(pipe(child.popen.stdin), request)
            answer = self._receive(child, clock, timeout_s)
        except (EOFError, BrokenPipeError):
            raise self._post_mortem() from None
        self._served += 1
        if self._served >= REQUESTS_PER_CHILD:
            self.close()
        try:
            return self._result_of(request["method"], answer)
        except (KeyError, TypeError, ValueError, AttributeError):
            raise self._garbled() from None

    def _result_of(self, method: str, answer: dict[str, Any]) -> Any:
        """What the child answers; an answer of another form than its own program gives raises some other error."""
        _warn_of_open(*(what for what in CLOSABLE if what in answer.get("open", ())))
        if "error" in answer:
            raise self._error_of(answer["error"])
        if "system" in answer:
            number, sentence = answer["system"]
            raise NoRoom(int(number), str(sentence))
        return RESULTS[method](answer["result"])

    def _start(self) -> SandboxProcess:
        if self._child is not None and not self._child.is_usable:
            self._kill()
        if self._child is None:
            self._served = 0
            self._child = self._new()
        return self._child

    def _new(self, only: Path | None = None) -> SandboxProcess:
        try:
            return SandboxProcess(self._module, self._memory_mb, self._data_dir, only)
        except OSError as error:  # it may be one that says that a file is gone
            raise NoRoom(error.errno, f"no process can be started to read it: {error.strerror}") from error

    def _wait(self, child: SandboxProcess, clock: WorkingTime, timeout_s: float) -> None:
        with selectors.DefaultSelector() as selector:
            selector.register(pipe(child.popen.stdout), selectors.EVENT_READ)
            while not selector.select(timeout=min(POLL_S, self._left_s(child, clock, timeout_s))):
                self._end_if_late(child, clock, timeout_s)
                if not self._is_wanted():
                    self._kill()
                    raise Unwanted

    def _end_if_late(self, child: SandboxProcess, clock: WorkingTime, timeout_s: float) -> None:
        if self._left_s(child, clock, timeout_s) == 0.0:
            self._kill()
            raise TimedOut(f"Reading the file took longer than {timeout_s:g} seconds.")

    def _left_s(self, child: SandboxProcess, clock: WorkingTime, timeout_s: float) -> float:
        """Seconds that are left; none of them is left out in the beginning, so that a small file costs no look."""
        worked_s = clock.wall_s
        if worked_s >= min(POLL_S, timeout_s):
            worked_s = clock.seconds()
            child.tell_left_out(clock.wall_s - worked_s)
        return max(0.0, timeout_s - worked_s)

    def _receive(self, child: SandboxProcess, clock: WorkingTime, timeout_s: float) -> Any:
        """Read one answer within the limits of time and memory, whatever the child writes and however slowly."""
        read, wanted = bytearray(), HEADER.size
        while len(read) < wanted:
            self._wait(child, clock, timeout_s)
            block = os.read(pipe(child.popen.stdout).fileno(), BLOCK)
            if not block:
                raise EOFError
            read += block
            if len(read) >= HEADER.size:
                mark, length = HEADER.unpack_from(read)
                wanted = HEADER.size + length
                if mark != MARK or length > self._memory_mb << 20:
                    raise self._garbled()
            if len(read) < wanted:  # an answer may come by single bytes
                self._end_if_late(child, clock, timeout_s)
        try:
            answer = json.loads(read[HEADER.size :])
        except (ValueError, RecursionError):
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
        if not child.is_dead():
            return self._garbled()
        self._child = None
        code, usage = child.reap()
        if peak_mb(usage) > max(MEMORY_SHARE * self._memory_mb, child.floor_mb):
            return OutOfMemory(f"Reading the file needed more than {self._memory_mb} MB of memory.")
        if code == -signal.SIGKILL:
            return Killed()
        return Crashed(f"The extractor died on this file ({_cause_of_death(code)}), twice.")

    def _kill(self) -> None:
        child, self._child = self._child, None
        if child is not None:
            child.kill()


def _always() -> bool:
    return True


def _cause_of_death(code: int) -> str:
    return f"signal {signal.Signals(-code).name}" if code < 0 else f"exit {code}"


@cache
def _warn_of_open(*still_open: str) -> None:
    """Log once what the kernel offers no means to close to the child."""
    if still_open:
        log.warning("sandbox.partial", open=", ".join(still_open))
