"""Results of backup and restore."""

from __future__ import annotations

from pipeline.results.base import Result

__all__ = ["BackupReport", "RestoreReport"]


class BackupReport(Result):
    """A backup that was written. `moment` is when it was true; `paused_s` how long writers of the catalog waited.

    `missing_points` are points that the store itself lacked; `size` is in bytes.
    """

    folder: str
    moment: str
    collections: int
    documents: int
    points: int
    missing_points: int
    files: int
    unfinished_jobs: int
    size: int
    paused_s: float
    seconds: float


class RestoreReport(Result):
    """A backup that was restored. `other_settings` are those that had other values where it was taken."""

    folder: str
    moment: str
    collections: int
    documents: int
    points: int
    files: int
    unfinished_jobs: int
    other_settings: list[str]
    seconds: float
