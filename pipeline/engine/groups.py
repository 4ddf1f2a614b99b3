"""The worker groups: which queues each serves, and what a worker on these queues can do."""

from __future__ import annotations

from collections.abc import Sequence

from pipeline.composition.plugins import stages
from pipeline.engine.celery_app import all_queues
from pipeline.names import MAINTENANCE, MAINTENANCE_TASKS, QUEUES

__all__ = ["GROUPS", "capabilities_of", "queues_of"]

GROUPS: dict[str, tuple[str, ...]] = {
    "extract": ("extract", "ocr", "chunk"),
    "embed": ("embed",),
    "store": ("upsert", "finalize", MAINTENANCE),
}
"""Worker groups and the queues that each serves; `extract` also serves those of declared stages."""


def queues_of(group: str) -> tuple[str, ...]:
    """Return the queues that a worker of the group serves by default."""
    declared = tuple(queue for queue in all_queues() if queue not in QUEUES)
    return (*GROUPS[group], *(declared if group == "extract" else ()))


def capabilities_of(queues: Sequence[str]) -> list[str]:
    """The capabilities of a worker on these queues: built-in stages, maintenance tasks, installed declared stages."""
    declared = [f"{stage.name}@{stage.queue}" for stage in stages() if stage.queue in queues]
    maintenance = [f"{name}@{MAINTENANCE}" for name in MAINTENANCE_TASKS if MAINTENANCE in queues]
    return [*(f"{queue}@{queue}" for queue in queues if queue in QUEUES), *maintenance, *declared]
