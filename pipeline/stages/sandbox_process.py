"""The child process of a sandbox as its parent sees it: how it is started, what it is granted, how it ended."""

from __future__ import annotations

import contextlib
import os
import resource
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any

from extractors.errors import Crashed
from pipeline.disk.temporary_folder import tmp_of
from pipeline.stages.confinement import landlock
from pipeline.stages.confinement.environment import environment
from pipeline.stages.confinement.folders import program_of_ocr
from pipeline.stages.confinement.grant import Grant
from pipeline.stages.sandbox_folder import SandboxFolder

__all__ = ["SandboxProcess", "peak_mb", "pipe"]

DYING_S = 1.0
"""A child that closed its end of the pipe has this long to exit; then it is killed."""

PEAK_SLACK = 1.05
"""On Linux a new process begins with the peak of the one that started it, and the kernel counts roughly."""


class SandboxProcess:
    """One child process with its folder.

    Args:
        module: its program.
        memory_mb: its limit of memory.
        data_dir: the data folder, which is closed to it; its own folder is made there. None for the system's folder.
        only: the single file that it may read, where that can be given to it in no other way.

    Raises:
        OSError: the system cannot start it.
    """

    def __init__(self, module: str, memory_mb: int, data_dir: Path | None, only: Path | None = None) -> None:
        self.only = only
        self.folder = _folder(data_dir)
        self._ocr = program_of_ocr()
        try:
            self.popen = self._started([module, str(memory_mb), *self._arguments(memory_mb, data_dir)])
        except BaseException:
            if self.folder is not None:
                self.folder.remove()
            raise
        self.floor_mb = PEAK_SLACK * peak_mb(resource.getrusage(resource.RUSAGE_SELF))

    @property
    def is_usable(self) -> bool:
        """Whether it lives, and may run the Tesseract that is installed now."""
        return self.popen.poll() is None and self.only is None and self._ocr == program_of_ocr()

    @contextmanager
    def given(self, path: Path) -> Iterator[Path | None]:
        """Yield the path by which the child reads the file; None where only another child can."""
        if not landlock.abi() or path == self.only:
            yield path.absolute()
        elif self.folder is None:
            yield None
        else:
            with self.folder.given(path) as name:
                yield name

    def tell_left_out(self, seconds: float) -> None:
        """Tell the child how many seconds the limits of the present request leave out; without a folder it has none."""
        if self.folder is not None:
            self.folder.tell_left_out(seconds)

    def is_dead(self) -> bool:
        """Whether it has ended, or ends in a moment. It is not reaped."""
        deadline = time.monotonic() + DYING_S
        while time.monotonic() < deadline:
            if os.waitid(os.P_PID, self.popen.pid, os.WEXITED | os.WNOHANG | os.WNOWAIT):
                return True
            time.sleep(DYING_S / 100)
        return False

    def reap(self) -> tuple[int, resource.struct_rusage]:
        """Its exit code and what it used; everything that it started ends, and its folder goes. It must be dead."""
        _, status, usage = os.wait4(self.popen.pid, 0)
        self.popen.returncode = os.waitstatus_to_exitcode(status)
        self._kill_group()
        self._tidy()
        return self.popen.returncode, usage

    def kill(self) -> None:
        """End it and everything that it started; its folder goes."""
        self._kill_group()
        self.popen.wait()
        self._tidy()

    def _started(self, arguments: list[str]) -> subprocess.Popen[bytes]:
        own = None if self.folder is None else self.folder.own
        return subprocess.Popen(
            [sys.executable, "-m", *arguments],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            process_group=0,
            cwd=own or "/",
            env=environment(os.environ, own),
        )

    def _arguments(self, memory_mb: int, data_dir: Path | None) -> list[str]:
        closed = None if data_dir is None else str(data_dir.absolute())
        readable = () if self.only is None else (str(self.only.absolute()),)
        if self.folder is None:
            return ["", Grant(closed, readable, (), memory_mb).to_json()]
        grant = Grant(closed, (*readable, str(self.folder.inbox)), (str(self.folder.own),), memory_mb)
        return [str(self.folder.path), grant.to_json()]

    def _tidy(self) -> None:
        for stream in (self.popen.stdin, self.popen.stdout):
            try:
                pipe(stream).close()
            except BrokenPipeError:
                continue
        if self.folder is not None:
            self.folder.remove()

    def _kill_group(self) -> None:
        """Kill the child's whole process group: Tesseract runs in it."""
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self.popen.pid, signal.SIGKILL)


def peak_mb(usage: resource.struct_rusage) -> float:
    """The most memory that was in use."""
    return usage.ru_maxrss / (2**20 if sys.platform == "darwin" else 2**10)


def pipe(stream: IO[bytes] | None) -> Any:
    """The stream, which a child that was started with pipes has."""
    if stream is None:
        raise Crashed
    return stream


def _folder(data_dir: Path | None) -> SandboxFolder | None:
    """The child's folder; None where there is no room for one: most files are read without any."""
    try:
        return SandboxFolder(None if data_dir is None else tmp_of(data_dir))
    except OSError:
        return None
