"""Deletes, submits again, cancels and re-indexes while documents are under way, and says what must come of it."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from flow_tools import eventually
from stand import Stand

from pipeline.ingest.delete import delete
from pipeline.reindex import control
from pipeline.reindex.request import ReindexRequest
from pipeline.task_manager import TaskManager

__all__ = ["Races"]

NUMBER = 6
PATIENCE_S = 60.0
SOAKS = ("soaking", "done", "completed", "finished")


@dataclass
class Races:
    """The races of a seed: files that they wrote (`good` must be live at the end, `gone` need not be), their jobs."""

    stand: Stand
    folder: Path
    collection: str
    jobs: list[str] = field(default_factory=list)
    good: list[Path] = field(default_factory=list)
    gone: set[Path] = field(default_factory=set)
    deleted: set[Path] = field(default_factory=set)
    reindexed: str = ""

    @property
    def hooks(self) -> dict[str, Callable[[], bool]]:
        """Each race by the name of its fault."""
        return {"race delete": self._delete, "race submit": self._submit_again, "race cancel": self._cancel,
                "race reindex": self._reindex}  # fmt: skip

    def settle(self) -> list[str]:
        """What did not come as it must."""
        trouble = []
        if self.reindexed:
            try:
                status = self._do(lambda: control.status(self.stand.rig.services, self.reindexed))
                ended = eventually(lambda: self._reindex_state() in SOAKS, 120, 0.5)
                if not ended:
                    trouble.append(f"re-index: {self._reindex_state()}, {status}")
            except Exception as error:
                trouble.append(f"re-index: {error}")
        return trouble

    def _reindex_state(self) -> str:
        return str(control.status(self.stand.rig.services, self.reindexed).state)

    def _delete(self) -> bool:
        paths = self._write("delete")
        self._submit(paths)
        victims = paths[: NUMBER // 2]
        self._do(lambda: delete(self.stand.rig.services, self.collection, [str(path) for path in victims]))
        self.gone |= set(victims)
        self.deleted |= set(victims)
        self.good += paths[NUMBER // 2 :]
        return True

    def _submit_again(self) -> bool:
        paths = self._write("again")
        self._submit(paths)
        for path in paths:
            path.write_text(path.read_text("utf-8") + f"\n\nA second letter followed {path.name}.\n", "utf-8")
        self._submit(paths)
        self.good += paths
        return True

    def _cancel(self) -> bool:
        paths = self._write("cancel")
        job = self._submit(paths)
        self._do(lambda: TaskManager(self.stand.rig.services).cancel(job))
        self.gone |= set(paths)
        return True

    def _reindex(self) -> bool:
        paths = self._write("reindex")
        other = f"{self.collection}-other"
        self._submit(paths, other)
        request = ReindexRequest(collection=other, chunk_tokens=48, allow_failed=True)
        self._do(lambda: control.start(self.stand.rig.services, request))
        self.reindexed = other
        return True

    def _write(self, race: str) -> list[Path]:
        folder = self.folder / f"race-{race}"
        folder.mkdir(parents=True, exist_ok=True)
        paths = [folder / f"{race}-{number}.txt" for number in range(NUMBER)]
        for path in paths:
            path.write_text(f"Race {path.name} of {self.collection}. " + "ebb and flood " * 60, "utf-8")
        return paths

    def _submit(self, paths: list[Path], collection: str = "") -> str:
        job: str = self._do(lambda: self.stand.rig.submit(*paths, collection=collection or self.collection))
        self.jobs.append(job)
        return job

    def _do(self, act: Callable[[], Any]) -> Any:
        """Do it as a user would who tries again after an error."""
        deadline = time.monotonic() + PATIENCE_S
        while True:
            try:
                return act()
            except Exception:
                if time.monotonic() > deadline:
                    raise
                time.sleep(0.5)
