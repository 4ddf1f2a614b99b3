"""Which deaths are not held against a task: those of a whole worker, whose other processes may be the cause."""

from __future__ import annotations

from collections.abc import Container

__all__ = ["SPARED", "is_spared"]

SPARED = 15
"""Deaths of its whole worker that a task is spared. Later ones count: it may be the one that ends its workers.

Deaths that have nothing to do with the task were up to 6 in the seeded attacks of `bench/chaos`, of 12 killed workers.
"""

ONE_PROCESS = ("embed", "upsert", "finalize")
"""Stages whose worker is one process that does one task: there is no other task that may be the cause."""


def is_spared(stage: str, runner: str | None, alive: Container[str], spared: int, most: int) -> bool:
    """Whether a task is spared the death of the process `runner` (`WORKER/PROCESS`) that did it.

    Args:
        stage: the stage of the task.
        runner: the process.
        alive: the workers and processes that live.
        spared: how many deaths the task has been spared so far.
        most: how many it may be spared.
    """
    worker = (runner or "").rpartition("/")[0]
    return bool(worker) and worker not in alive and stage not in ONE_PROCESS and spared < most
