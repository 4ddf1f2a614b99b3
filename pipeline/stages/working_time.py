"""How long the sandbox's processes could work: the time of the wall, less what they waited for a processor.

On a machine with fifteen times the work that it has processors for, a page of ten seconds takes two minutes, and it
does not hang. What sleeps, is stopped or waits for a lock does not wait for a processor: a hang ends by the wall. Many
threads that wait for each other buy no time either: what they compute counts as well.

Source: `/proc/PID/task/TID/schedstat` of Linux: nanoseconds on a processor, nanoseconds of waiting for one, and how
often it got one. Elsewhere the time of the wall counts.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from extractors.working_time import MOST

__all__ = ["WorkingTime"]

LOOK_S = 0.1
"""How often it looks at the processes at most."""

Task = tuple[int, int]
"""Ids of a process and of one of its threads."""


@dataclass(slots=True)
class _Record:
    """What is known of one thread: its counts at the beginning and now, and since when they have not changed."""

    first: tuple[int, int]
    now: tuple[int, int]
    since: float
    stuck_s: float = 0.0
    """How long it has been waiting for a processor that it has not got yet; the kernel counts that only then."""

    @property
    def ran_s(self) -> float:
        return (self.now[0] - self.first[0]) / 1e9

    @property
    def waited_s(self) -> float:
        return (self.now[1] - self.first[1]) / 1e9 + self.stuck_s


class WorkingTime:
    """A stopwatch over a process and its descendants, from now on.

    It looks at them when it is asked, and first then: most files are read before that.

    Args:
        pid: the process.
        clock: the time of the wall, in seconds.
        proc: where the kernel tells about processes.
    """

    def __init__(self, pid: int, clock: Callable[[], float] = time.monotonic, proc: Path = Path("/proc")) -> None:
        self._pid = pid
        self._clock = clock
        self._proc = proc
        self._records: dict[Task, _Record] = {}
        self._began = clock()
        self._looked: float | None = None

    @property
    def wall_s(self) -> float:
        """Seconds since the beginning by the wall."""
        return self._clock() - self._began

    def seconds(self) -> float:
        """Seconds since the beginning in which the processes worked, or could have."""
        wall_s = self.wall_s
        if self._looked is None or wall_s - self._looked >= LOOK_S:
            self._look(is_first=self._looked is None)
            self._looked = wall_s
        ran_s = sum(record.ran_s for record in self._records.values())
        return max(wall_s - self._waited_s(), min(ran_s, wall_s), wall_s / MOST)

    def _waited_s(self) -> float:
        """The waiting of all processes, of each that of the thread that waited longest: they work one after another."""
        longest: dict[int, float] = {}
        for (pid, _), record in self._records.items():
            longest[pid] = max(longest.get(pid, 0.0), record.waited_s)
        return sum(longest.values())

    def _look(self, is_first: bool) -> None:
        now = self._clock()
        for task, folder in self._tasks():
            with suppress(OSError, ValueError, IndexError):  # it has ended
                ran, waited = map(int, (folder / "schedstat").read_text().split()[:2])
                self._note(task, folder, (ran, waited), now, is_first)

    def _note(self, task: Task, folder: Path, counts: tuple[int, int], now: float, is_first: bool) -> None:
        record = self._records.get(task)
        if record is None:
            # What was there before began earlier; what is new has all its time from now on.
            self._records[task] = _Record(counts if is_first else (0, 0), counts, now)
        elif record.now != counts:
            record.now, record.since, record.stuck_s = counts, now, 0.0
        else:
            record.stuck_s = now - record.since if _is_runnable(folder) else 0.0

    def _tasks(self) -> Iterator[tuple[Task, Path]]:
        waiting, seen = [self._pid], set[int]()
        while waiting:
            pid = waiting.pop()
            if pid in seen:
                continue
            seen.add(pid)
            with suppress(OSError, ValueError):  # it has ended; or another system
                for folder in (self._proc / str(pid) / "task").iterdir():
                    yield (pid, int(folder.name)), folder
                    waiting += map(int, (folder / "children").read_text().split())


def _is_runnable(folder: Path) -> bool:
    """Whether the thread runs or waits for a processor; the name before its state may hold anything."""
    return (folder / "stat").read_text(errors="replace").rpartition(")")[2].split()[:1] == ["R"]
