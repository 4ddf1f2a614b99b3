"""Following a job on the terminal: bars where there is a terminal, plain lines where there is none."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, Protocol

from rich.progress import BarColumn, MofNCompleteColumn, Progress, TaskID, TextColumn

from pipeline.cli.output import err, note, several
from pipeline.results import Count, JobStatus

__all__ = ["Display", "Manager", "display", "follow", "paced", "sentence"]

LINE_EVERY_S = 2.0
"""A plain line at most this often."""


class Display(Protocol):
    """Shows how far a job is."""

    def __call__(self, status: JobStatus) -> None:
        """Show this."""


class Manager(Protocol):
    """Who knows of jobs: a `TaskManager`, or a server."""

    def job(self, job_id: str, /) -> JobStatus:
        """How far a job is."""

    def wait(self, job_id: str, /) -> JobStatus:
        """A job at its end."""

    def subscribe(self, job_id: str, /) -> Iterator[JobStatus]:
        """A job at every news."""

    def failed_in(self, job_id: str, /) -> list[dict[str, Any]]:
        """What failed in a job."""


def follow(manager: Manager, job_id: str, show: Display) -> JobStatus:
    """Show a job until it ends; where nothing is shown, nothing is measured.

    Returns:
        Its last status.
    """
    if show is nothing:
        return manager.wait(job_id)
    last = manager.job(job_id)
    for last in manager.subscribe(job_id):
        show(last)
    return last


@contextmanager
def display(*, quiet: bool = False) -> Iterator[Display]:
    """The display that fits: none, bars, or lines."""
    if quiet:
        yield nothing
    elif err.is_terminal:
        with _Bars() as bars:
            yield bars
    else:
        yield _Lines()


def nothing(status: JobStatus) -> None:
    """The display of a command whose reader is a program."""


def paced(show: Callable[[], None]) -> Callable[[int], None]:
    """Show at most twice a second, and less often where looking at the job takes long."""
    ready_at = 0.0

    def tell(_number: int) -> None:
        nonlocal ready_at
        began = time.monotonic()
        if began >= ready_at:
            show()
            ready_at = time.monotonic() + max(0.5, 5 * (time.monotonic() - began))

    return tell


def sentence(status: JobStatus) -> str:
    """A job's progress in one line."""
    ended = status.completed + status.unchanged + status.failed + status.cancelled + status.deleted
    parts = [f"{status.fraction:4.0%}", f"{ended} of {several(status.documents, 'document')}"]
    for name, count in _rows(status)[1:]:
        if count.total:
            parts.append(f"{name} {count.done}/{count.total}")
    if status.failed:
        parts.append(f"{status.failed} failed")
    if status.eta_s:
        parts.append(f"about {duration(status.eta_s)} left")
    return ", ".join(parts)


def duration(seconds: float) -> str:
    """Seconds in words that a person takes in at a glance."""
    if seconds < 90:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 5400 else f"{seconds / 3600:.1f} h"


def _rows(status: JobStatus) -> list[tuple[str, Count]]:
    ended = status.documents - sum(status.active.values())
    return [
        ("documents", Count(done=ended, total=status.documents)),
        ("pages", status.stages.pages),
        ("chunks embedded", status.stages.chunks_embedded),
        ("points", status.stages.points),
    ]


class _Lines:
    def __init__(self) -> None:
        self._last, self._at = "", 0.0

    def __call__(self, status: JobStatus) -> None:
        line = sentence(status)
        if line != self._last and (status.ended or time.monotonic() - self._at >= LINE_EVERY_S):
            note(line)
            self._last, self._at = line, time.monotonic()


class _Bars:
    def __init__(self) -> None:
        columns = (
            TextColumn("{task.description:>16}"),
            BarColumn(),
            MofNCompleteColumn(),
            TextColumn("{task.fields[told]}"),
        )
        self._progress = Progress(*columns, console=err, transient=True)
        self._bars: dict[str, TaskID] = {}

    def __enter__(self) -> _Bars:
        self._progress.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._progress.stop()

    def __call__(self, status: JobStatus) -> None:
        for name, count in _rows(status):
            told = self._told(status) if name == "documents" else ""
            if name not in self._bars:
                self._bars[name] = self._progress.add_task(name, total=None, told="")
            self._progress.update(
                self._bars[name], completed=count.done, total=count.total or None, told=told, refresh=True
            )

    def _told(self, status: JobStatus) -> str:
        parts = [f"{status.fraction:.0%}"]
        if status.eta_s:
            parts.append(f"{duration(status.eta_s)} left")
        if status.failed:
            parts.append(f"{status.failed} failed")
        return "  ".join(parts)
