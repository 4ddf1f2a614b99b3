"""Follow a job on the terminal: progress bars on a terminal, plain lines elsewhere, nothing for a program."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Protocol

from rich.progress import BarColumn, MofNCompleteColumn, Progress, TaskID, TextColumn

from pipeline.cli.output import err, note, quantity

if TYPE_CHECKING:
    from pipeline.results import JobStatus
    from pipeline.settings import Settings

__all__ = ["DiskNotes", "Display", "JobManager", "display", "duration", "follow", "on_intake", "progress_line"]

LINE_INTERVAL_S = 2.0
"""Shortest time between two plain lines."""

UPDATE_INTERVAL_S = 0.5
"""Shortest time between two updates while files are taken in."""

FEW_SECONDS = 5.0
"""A shorter time left is not shown as a number: the last documents end together, not one by one."""

PAUSE_FACTOR = 5
"""Time between two updates while files are taken in, in times of what the last update took."""


class Display(Protocol):
    """Shows how far a job is."""

    def __call__(self, status: JobStatus) -> None:
        """Show this status."""


class JobManager(Protocol):
    """What following a job needs: a `TaskManager` has it, and a `RemoteManager`."""

    def job(self, job_id: str, /) -> JobStatus:
        """Status of a job now."""

    def wait(self, job_id: str, /) -> JobStatus:
        """Wait for the end of a job; its last status."""

    def subscribe(self, job_id: str, /) -> Iterator[JobStatus]:
        """Status of a job at each change, until it ends."""

    def failed_in(self, job_id: str, /) -> list[dict[str, Any]]:
        """Documents of a job that failed, with `source`, `code`, `message` and `hint`."""


def follow(manager: JobManager, job_id: str, show: Display, also: Callable[[], None] | None = None) -> JobStatus:
    """Show a job until it ends; where nothing is shown, its progress is not measured. `also` is called now and then.

    Returns:
        Its last status.
    """
    if show is show_nothing:
        return manager.wait(job_id)
    last = manager.job(job_id)
    for last in manager.subscribe(job_id):
        show(last)
        if also is not None:
            also()
    return last


class DiskNotes:
    """Says when the disk is full, and when there is room again; to be called again and again."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._was_full = False

    def __call__(self) -> None:
        """Look at the disk, and say what has changed."""
        from pipeline.settings.room import full_disk

        state = full_disk(self._settings)
        if state is not None and not self._was_full:
            note(state.message)
        elif state is None and self._was_full:
            note("There is room on the disk again: work goes on.")
        self._was_full = state is not None


@contextmanager
def display(*, quiet: bool = False) -> Iterator[Display]:
    """The display that fits stderr: bars on a terminal, else lines; none if `quiet`."""
    if quiet:
        yield show_nothing
    elif err.is_terminal:
        with _Bars() as bars:
            yield bars
    else:
        yield _Lines()


def show_nothing(status: JobStatus) -> None:
    """The display of a command whose output a program reads."""


def on_intake(manager: JobManager, job_id: str, show: Display) -> Callable[[int], None] | None:
    """Callback that shows the job while files are taken in; None where nothing is shown.

    It updates at most twice a second, and less often where reading the job's progress takes long.
    """
    if show is show_nothing:
        return None
    next_update = 0.0

    def update(_files: int) -> None:
        nonlocal next_update
        began = time.monotonic()
        if began >= next_update:
            show(manager.job(job_id))
            ended = time.monotonic()
            next_update = ended + max(UPDATE_INTERVAL_S, PAUSE_FACTOR * (ended - began))

    return update


def progress_line(status: JobStatus) -> str:
    """A job's progress in one line."""
    done = status.completed + status.unchanged + status.failed + status.deleted
    parts = [f"{_shown_fraction(status):4.0%}", f"{done} of {quantity(status.documents, 'document')}"]
    for name, done, total in _counts(status)[1:]:
        if total:
            parts.append(f"{name} {done}/{total}")
    if status.failed:
        parts.append(f"{status.failed} failed")
    if status.cancelled:
        parts.append(f"{status.cancelled} cancelled")
    if left := _time_left(status):
        parts.append(left)
    return ", ".join(parts)


def duration(seconds: float) -> str:
    """Seconds, minutes or hours, in the unit that suits the length."""
    if seconds < 90:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 5400 else f"{seconds / 3600:.1f} h"


def _shown_fraction(status: JobStatus) -> float:
    """The fraction to print: never 100 % by rounding while the job runs."""
    return status.fraction if status.ended else min(status.fraction, 0.99)


def _time_left(status: JobStatus) -> str | None:
    """The time left in words; None if it is unknown or over."""
    if status.ended or status.eta_s is None:
        return None
    return "a few seconds left" if status.eta_s < FEW_SECONDS else f"about {duration(status.eta_s)} left"


def _counts(status: JobStatus) -> list[tuple[str, int, int]]:
    """What is counted, how many are done, and how many there are; documents first."""
    stages, ended = status.stages, status.documents - sum(status.active.values())
    return [
        ("documents", ended, status.documents),
        ("pages", stages.pages.done, stages.pages.total),
        ("chunks embedded", stages.chunks_embedded.done, stages.chunks_embedded.total),
        ("points", stages.points.done, stages.points.total),
    ]


class _Lines:
    """A plain line at each change, at most one every `LINE_INTERVAL_S`."""

    def __init__(self) -> None:
        self._last_line, self._printed_at = "", 0.0

    def __call__(self, status: JobStatus) -> None:
        line, now = progress_line(status), time.monotonic()
        if line != self._last_line and (status.ended or now - self._printed_at >= LINE_INTERVAL_S):
            note(line)
            self._last_line, self._printed_at = line, time.monotonic()


class _Bars:
    """One bar for each count."""

    def __init__(self) -> None:
        columns = (
            TextColumn("{task.description:>16}"),
            BarColumn(),
            MofNCompleteColumn(),
            TextColumn("{task.fields[remark]}"),
        )
        self._progress = Progress(*columns, console=err, transient=True)
        self._bars: dict[str, TaskID] = {}

    def __enter__(self) -> _Bars:
        self._progress.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._progress.stop()

    def __call__(self, status: JobStatus) -> None:
        for name, done, total in _counts(status):
            if name not in self._bars:
                self._bars[name] = self._progress.add_task(name, total=None, remark="")
            remark = self._remark(status) if name == "documents" else ""
            self._progress.update(self._bars[name], completed=done, total=total or None, remark=remark, refresh=True)

    def _remark(self, status: JobStatus) -> str:
        parts = [f"{_shown_fraction(status):.0%}"]
        if left := _time_left(status):
            parts.append(left)
        if status.failed:
            parts.append(f"{status.failed} failed")
        return "  ".join(parts)
