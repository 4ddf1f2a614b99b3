"""Results about a re-index: the plan and the status."""

from __future__ import annotations

from typing import Any

from pipeline.results.base import Result

__all__ = ["ReindexPlan", "ReindexStatus"]


class ReindexPlan(Result):
    """What a re-index would do.

    `seconds` goes by the model that is used now, and is None where nothing was measured yet; `unreadable` documents
    have neither a kept text nor their file. Where files are to be read again, `files_gone` of the documents with a kept
    text have no file any more.
    """

    collection: str
    in_place: bool
    from_model: str
    to_model: str
    dimensions: int
    chunk_tokens: int
    documents: int
    texts_kept: int
    unreadable: int
    files_gone: int = 0
    chunks: int
    stages: list[str]
    seconds: float | None
    disk_bytes: int


class ReindexStatus(Result):
    """A re-index: `lacks` counts documents that the other index lacks, `report` is what the gate found."""

    id: str
    job_id: str
    collection: str
    state: str
    paused: bool
    from_index: str
    to_index: str
    from_model: str | None
    to_model: str | None
    documents: int
    lacks: dict[str, int]
    failures: list[dict[str, str]]
    report: dict[str, Any] | None
    message: str | None
    created_at: str | None
    soak_until: str | None
    finished_at: str | None
