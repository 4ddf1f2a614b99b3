"""Follows the history while it is written: how far the work is, and which process is at work on which task."""

from __future__ import annotations

import json
from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from flow_tools import lives
from history import ENDS, POINTS

__all__ = ["AtWork", "Tail"]


LATELY = 30


@dataclass(frozen=True)
class AtWork:
    """A process with a task in its hands."""

    pid: int
    started: int
    node: str
    task: str
    stage: str

    @property
    def part(self) -> str:
        """The worker's name."""
        return self.node.partition("@")[0]


class Tail:
    """Reads what was added since the last look. `claims` counts the executions so far, `lately` has their stages."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.offset = path.stat().st_size
        self.began = self.offset
        self.claims = 0
        self.lately: deque[str] = deque(maxlen=LATELY)
        self.at_work: dict[tuple[int, str], AtWork] = {}

    def look(self) -> int:
        """Read on. Returns `claims`."""
        for event in self._new():
            point = next((point for point in POINTS if event["at"].endswith(point)), "")
            key = (event["pid"], event["visitor"])
            if point in ENDS:
                self.at_work.pop(key, None)
            elif point == "" and event["node"].count("@") == 1 and event["at"] not in ("dropped", "killed"):
                self.claims += 1
                # A process does one task at a time.
                self.at_work = {other: work for other, work in self.at_work.items() if other[0] != event["pid"]}
                stage = event["at"]
                self.lately.append(stage)
                self.at_work[key] = AtWork(event["pid"], event["started"], event["node"], event["visitor"], stage)
        return self.claims

    def busy(self) -> list[AtWork]:
        """Living processes that have claimed a task and not ended it."""
        self.look()
        return [work for work in self.at_work.values() if lives(work.pid)]

    def _new(self) -> Iterator[dict[str, Any]]:
        with self.path.open("rb") as file:
            file.seek(self.offset)
            data = file.read()
        whole = data.rfind(b"\n") + 1
        self.offset += whole
        for line in data[:whole].splitlines():
            try:
                yield json.loads(line)
            except ValueError:  # a write that a full disk or a kill cut short
                continue
