"""Names that are stored or sent, and so never change: stages, queues, Celery tasks, document states, Redis keys.

A module that needs only a name imports it from here, and neither Celery nor the catalog.
"""

from __future__ import annotations

__all__ = [
    "ACTIVE",
    "ANALYSER",
    "COLLECTION",
    "LARGE",
    "MAINTENANCE",
    "MAINTENANCE_TASKS",
    "PREFIX",
    "QUEUES",
    "STAGES",
    "STATES",
    "TERMINAL",
    "TEXT",
    "UPLOAD",
    "task_name",
]

PREFIX = "docrelay:"
"""Beginning of every Redis key of Docrelay."""

ANALYSER = 2
"""Number of the analyser, by which new indexes match words; an index keeps its own."""

STAGES = ("extract", "ocr", "chunk", "embed", "upsert", "finalize")
"""The built-in stages that workers run, in the order in which a document passes them."""

MAINTENANCE = "maintenance"
"""The queue of the maintenance tasks."""

MAINTENANCE_TASKS = ("reconcile", "recover", "reindex", "schedule", "sweep", "verify")
"""Tasks of the engine that belong to no stage."""

QUEUES = (*STAGES, MAINTENANCE)
"""The built-in queues: one for each stage, and maintenance. Stages of plug-ins add theirs."""

ACTIVE = ("queued", "extracting", "chunking", "embedding", "upserting")
"""States of an attempt that is under way, in order."""

TERMINAL = ("completed", "unchanged", "failed", "cancelled", "deleted")
"""States in which an attempt or document ends."""

STATES = ACTIVE + TERMINAL
"""Every state of a document."""

COLLECTION = r"^[A-Za-z0-9_-]{1,64}$"
"""Pattern of a collection's name."""

UPLOAD = "upload://"
"""Beginning of the source of a file that was uploaded without a source of its own."""

TEXT = "text://"
"""Beginning of the source of a text record; its id follows."""


def task_name(stage: str) -> str:
    """Name under which Celery knows the task of a stage or of a maintenance task."""
    return f"docrelay.{stage}"


LARGE = 8
"""A file with more than this part (an eighth) of a batch's bytes is large: of 8 MB, a file of more than 1 MB."""
