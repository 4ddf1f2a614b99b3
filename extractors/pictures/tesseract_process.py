"""Tesseract processes that stay: each reads one picture after another, so its models are loaded once.

Loading them (German and English) takes .2 s of the 1.6 s that a clean page takes. A page read by a process that has
read others has the same words, boxes and confidences as one read alone.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import termios
import tty
from pathlib import Path
from selectors import EVENT_READ, DefaultSelector
from subprocess import DEVNULL, PIPE, Popen
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

from extractors.pictures.terminals import terminals
from extractors.working_time import working_time

if TYPE_CHECKING:
    from PIL.Image import Image

__all__ = ["Ended", "Processes"]

PAGES = 500
"""Pages after which a process is replaced: what it may leak stays small."""
KEPT = 2
"""Processes that wait for their next page: one for each way to tell ink from paper, about 80 MB each."""
BLOCK = 1 << 16
POLL_S = 1.0
"""How often the deadline is looked at: it moves while the processes wait for a processor."""
PAGE_ROW = b"\n1\t"
"""How the row of a page begins in Tesseract's table; its blocks, lines and words follow."""

Rows = list[list[str]]
"""The table of one page as Tesseract writes it (TSV), without its header."""


class Ended(Exception):
    """The process could not be started, or ended before it had read the page."""


class Processes:
    """Reads pages, and keeps the processes that have read one for the next."""

    def __init__(self) -> None:
        self._idle: dict[tuple[str, ...], _Process] = {}
        self._owner = os.getpid()

    def read(self, options: tuple[str, ...], page: Image, deadline: float) -> Rows:
        """Read the page.

        Args:
            options: of Tesseract's command line.
            page: the picture.
            deadline: when to give up, as `working_time` counts.

        Raises:
            Ended: the process ended; the page may be read by another one.
            TimeoutError: the deadline has passed.
            OSError: there is no room for the picture's file.
        """
        process = self._take((str(shutil.which("tesseract")), "-", "-", *options))
        try:
            rows = process.read(page, deadline)
        except BaseException:
            process.close()
            raise
        self._keep(process)
        return rows

    def close(self) -> None:
        """End the processes that wait; in a fork they are the parent's, and are only let go."""
        is_fork, self._owner = self._owner != os.getpid(), os.getpid()
        with contextlib.suppress(KeyError):
            while True:
                process = self._idle.popitem()[1]
                if is_fork:
                    process.let_go()
                else:
                    process.close()

    def _take(self, command: tuple[str, ...]) -> _Process:
        if self._owner != os.getpid():
            self.close()
        process = self._idle.pop(command, None)
        if process is not None and process.ready:
            return process
        if process is not None:
            process.close()
        return _Process(command)

    def _keep(self, process: _Process) -> None:
        """Keep the process, instead of one for the same way or, where there are too many, of another."""
        same = self._idle.pop(process.command, None)
        if same is not None:
            same.close()
        with contextlib.suppress(KeyError):  # another thread has taken it
            while len(self._idle) >= KEPT:
                self._idle.popitem()[1].close()
        if self._idle.setdefault(process.command, process) is not process:  # another thread was first
            process.close()


class _Process:
    """One process of Tesseract: names of pictures go in, their tables come out.

    It writes to a terminal: to a pipe it would write only when its buffer is full. The table of a page has no end
    of its own, so each page is followed by a blank picture, whose first row says that the page's are complete.
    """

    def __init__(self, command: tuple[str, ...]) -> None:
        self.command = command
        self._pages = 0
        try:
            self._terminal = terminals().take()
        except OSError as error:
            raise Ended from error
        try:
            slave = self._terminal.open()
        except OSError as error:
            self._terminal.close()
            raise Ended from error
        try:
            tty.setraw(slave)
            environment = {**os.environ, "OMP_THREAD_LIMIT": "1"}
            arguments = [*command, "-c", "stream_filelist=1", "tsv"]
            self._process = Popen(arguments, stdin=PIPE, stdout=slave, stderr=DEVNULL, env=environment, bufsize=0)
        except (OSError, termios.error) as error:
            self._terminal.close()
            raise Ended from error
        finally:
            os.close(slave)

    @property
    def ready(self) -> bool:
        """Whether it can read another page."""
        return self._pages < PAGES and self._process.poll() is None

    def read(self, page: Image, deadline: float) -> Rows:
        """Read the page; raises as `Processes.read`."""
        self._pages += 1
        with TemporaryDirectory(prefix="ocr_") as folder:
            names = Path(folder, "page.pgm"), Path(folder, "end.pgm")
            page.save(names[0], format="PPM")
            page.crop((0, 0, 32, 32)).point(lambda _: 255).save(names[1], format="PPM")
            self._ask(names)
            return _rows(self._answer(deadline))

    def close(self) -> None:
        """End it."""
        self._process.kill()
        self._process.wait()
        self.let_go()

    def let_go(self) -> None:
        """Close what is open to it; in a fork, waiting for its end is left to the parent."""
        self._process.returncode = self._process.returncode or 0
        if self._process.stdin is not None:
            self._process.stdin.close()
        terminals().give_back(self._terminal)

    def _ask(self, names: tuple[Path, Path]) -> None:
        try:
            if self._process.stdin is not None:
                self._process.stdin.write("".join(f"{name}\n" for name in names).encode())
        except OSError as error:
            raise Ended from error

    def _answer(self, deadline: float) -> bytes:
        """What the process writes up to the row of the blank picture, from a newline on."""
        written, pages = bytearray(b"\n"), 0
        with DefaultSelector() as selector:
            selector.register(self._terminal.output, EVENT_READ)
            while pages < 2 or not written.endswith(b"\n"):
                if not selector.select(min(POLL_S, max(0.0, deadline - working_time()))):
                    if working_time() >= deadline:
                        raise TimeoutError
                    continue
                start = max(0, len(written) - len(PAGE_ROW) + 1)
                written += self._block()
                pages += written.count(PAGE_ROW, start)
        return bytes(written)

    def _block(self) -> bytes:
        block = b""
        with contextlib.suppress(OSError):  # how a terminal says that nothing writes to it any more
            block = os.read(self._terminal.output, BLOCK)
        if not block:
            raise Ended
        return block


def _rows(table: bytes) -> Rows:
    """The rows between that of the page and that of the blank picture."""
    page = table.split(PAGE_ROW)[1].decode(errors="replace")
    return [row.split("\t", 11) for row in page.split("\n")[1:] if row]
