"""Reads the history that the processes of a stack append to a file, outside of Redis and of the catalog.

Every visit of a gate is a line (`pipeline.gates_for_tests`); what kills or freezes processes adds lines of its own.
"""

from __future__ import annotations

import json
from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from pipeline.gates_for_tests import COMMITTED, DROPPED, LOST, PUBLISHED, RETRIED, RETURNED, WORKED

POINTS = (WORKED, COMMITTED, PUBLISHED, RETURNED, RETRIED, LOST)
ENDS = (COMMITTED, LOST, RETRIED, RETURNED)
"""What ends an execution; one that returned without any of the others ended by an error, such as a lost database."""

Process = tuple[int, int]
"""A process: its id, and when it started."""


@dataclass(frozen=True, slots=True)
class Event:
    """A visit of a gate: at which point of which stage, for which task and job, by which process, when."""

    stage: str
    point: str
    task: str
    job: str
    process: Process
    node: str
    at: float


@dataclass(slots=True)
class Execution:
    """One start of a task by a process. `end` is the point at which it ended; empty if it never did."""

    task: str
    stage: str
    job: str
    process: Process
    began: float
    end: str = ""
    ended: float = float("inf")


class History:
    """The events of a history in the order of the file, and what follows from them."""

    def __init__(self, events: Sequence[Event]) -> None:
        self.events = events
        self.last_sign: dict[Process, float] = {event.process: event.at for event in events}
        self.executions = _executions(events)

    def wasted(self) -> list[Execution]:
        """Executions that started while another one of the same task lived, or after the task was committed.

        A process that gives a sign later, whatever it does then, was alive. What follows a proven death is no waste.
        """
        by_task = defaultdict[str, list[Execution]](list)
        for execution in self.executions:
            by_task[execution.task].append(execution)
        return [
            execution
            for group in by_task.values()
            for number, execution in enumerate(group)
            if any(self._made_needless(former, execution) for former in group[:number])
        ]

    def repeated(self) -> int:
        """Executions beyond the first of each task."""
        return len(self.executions) - len({execution.task for execution in self.executions})

    def tried_again(self) -> int:
        """Executions that ended by an error that a retry can cure."""
        return sum(execution.end in (RETRIED, RETURNED) for execution in self.executions)

    def committed_twice(self) -> list[str]:
        """Tasks that were committed more than once."""
        commits = Counter(execution.task for execution in self.executions if execution.end == COMMITTED)
        return [task for task, number in commits.items() if number > 1]

    def reached(self, stage: str, point: str) -> int:
        """How often a point was reached."""
        return sum((event.stage, event.point) == (stage, point) for event in self.events)

    def _made_needless(self, former: Execution, execution: Execution) -> bool:
        if former.end == COMMITTED and former.ended < execution.began:
            return True
        is_open = former.ended > execution.began
        return is_open and former.process != execution.process and self.last_sign[former.process] > execution.began


def read_history(path: Path, offset: int = 0) -> History:
    """The history in a file, from a byte on."""
    if not path.exists():
        return History([])
    with path.open("rb") as file:
        file.seek(offset)
        lines = file.read().decode("utf-8").splitlines()
    return History([event for line in lines if (event := _event(line)) is not None])


def _event(line: str) -> Event | None:
    try:
        values = json.loads(line)
    except ValueError:  # the disk was full, or the machine lost power, in the middle of it
        return None
    stage, point = _parts(values["at"])
    process = (values["pid"], values["started"])
    return Event(stage, point, values["visitor"], values["job"], process, values["node"], values["monotonic"])


def _parts(name: str) -> tuple[str, str]:
    point = next((point for point in POINTS if name.endswith(point)), "")
    return name.removesuffix(point), point


def _executions(events: Iterable[Event]) -> list[Execution]:
    made: list[Execution] = []
    current: dict[tuple[str, Process], Execution] = {}
    for event in events:
        key = (event.task, event.process)
        if event.point == "" and event.job and event.stage not in (DROPPED, "killed", "intake"):
            current[key] = Execution(event.task, event.stage, event.job, event.process, event.at)
            made.append(current[key])
        elif event.point in ENDS and key in current:
            ended = current.pop(key)
            ended.end, ended.ended = event.point, event.at
    return made
