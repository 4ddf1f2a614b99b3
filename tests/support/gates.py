"""Closes the pipeline's gates for a test: "in the middle of a stage" is then a state that lasts, not a moment."""

from __future__ import annotations

import itertools
import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from flow_tools import eventually, lives

from pipeline.gates_for_tests import ANY_JOB, FOLDER

__all__ = ["FOLDER", "Gates", "Visitor"]


@dataclass(frozen=True)
class Visitor:
    """A process that waits at a gate: for which task (or job, or process), with which pid, and on which worker."""

    visitor: str
    pid: int
    node: str

    @property
    def part(self) -> str:
        """The worker's name."""
        return self.node.partition("@")[0]


class Gates:
    """The gates of one stack: all are open until a test closes them.

    A gate is named like a stage (a task of it is claimed, and nothing is done yet), or like a stage with
    `pipeline.gates_for_tests.WORKED` behind it (its work is done and not committed), or by another
    constant of `pipeline.gates_for_tests`.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._passes = itertools.count()
        folder.mkdir(parents=True, exist_ok=True)

    def close(self, *names: str) -> None:
        """Close gates: a process that comes to one waits from now on."""
        for name in names:
            (self.folder / f"{name}.closed").touch()

    def open(self, *names: str) -> None:
        """Open gates, all where none is named; returns when all processes that waited there have gone on."""
        for name in names or ("*",):
            for end in ("closed", "*.pass"):
                for path in self.folder.glob(f"{name}.{end}"):
                    path.unlink(missing_ok=True)
        assert eventually(lambda: not any(self.waiting(name) for name in names or ("*",)), pause=0.01)

    def let(self, name: str, number: int = 1) -> None:
        """Let this many visitors of a closed gate through."""
        for _ in range(number):
            (self.folder / f"{name}.{next(self._passes)}.pass").touch()

    def kill(self, name: str, who: str = "process", job: str = ANY_JOB) -> Path:
        """Let the next visitor that works for the job die there: its process alone, or its whole `worker`.

        Returns:
            A file that is gone when that has happened.
        """
        order = self.folder / f"{name}.{job}.{next(self._passes)}.kill"
        draft = order.with_suffix(".draft")
        draft.write_text(who)
        return draft.replace(order)

    def waiting(self, name: str) -> list[Visitor]:
        """Living processes that wait at a gate."""
        visitors = [_read(path) for path in self.folder.glob(f"{name}.*.waits")]
        return [visitor for visitor in visitors if visitor is not None and lives(visitor.pid)]

    def arrived(self, name: str, number: int = 1, *, part: str | None = None, within: float = 120.0) -> list[Visitor]:
        """Wait until so many visitors wait at a gate, on one worker if `part` is given. Returns them.

        Args:
            name: the gate.
            number: how many at least.
            part: only visitors on the worker of this name count.
            within: seconds that only a hang reaches.
        """
        visitors: list[Visitor] = []

        def are_there() -> bool:
            visitors[:] = [visitor for visitor in self.waiting(name) if part in (None, visitor.part)]
            return len(visitors) >= number

        assert eventually(are_there, within, 0.01), (
            f"at the gate {name} wait {visitors}, not {number} of {part or 'any'}"
        )
        return visitors

    @contextmanager
    def closed(self, *names: str) -> Iterator[None]:
        """Gates that are closed for a block."""
        self.close(*names)
        try:
            yield
        finally:
            self.open(*names)


def gates_of(data_dir: Path) -> Path:
    """The folder of the gates of the stack on a data folder."""
    return data_dir.with_name(f"{data_dir.name}.gates")


def _read(path: Path) -> Visitor | None:
    try:
        return Visitor(**json.loads(path.read_text()))
    except FileNotFoundError:  # it has gone on
        return None
