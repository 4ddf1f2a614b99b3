"""Results about documents: status with receipt and timeline, and what a deletion removed."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from pipeline.results.base import Result

__all__ = ["Activity", "Deleted", "DocumentList", "DocumentStatus", "DocumentSummary", "Step"]

Activity = Literal["waiting", "queued", "working", "retrying", "recovering", "ended"]


class Step(Result):
    """A state that a document reached, and when."""

    state: str
    at: str | None


class DocumentStatus(Result):
    """A document: its state, what is being done about it, its receipt and its way through the stages.

    Receipt: pages = pages_text + pages_ocr + pages_empty + pages_failed, chunks = points of the live version.
    `searchable` tells whether readers see a version of it, be it an older one. `warnings` are about the file,
    `page_warnings` say how pages were read, and `missing` names the parts of the file that are not in the text: a
    completed document with such parts is `incomplete`. An `outdated` one was read by an earlier version of Docrelay.
    """

    id: str
    collection: str
    source: str
    tags: list[str]
    state: str
    activity: Activity
    searchable: bool
    attempt: int
    job_id: str | None
    version_id: str | None
    content_sha256: str | None
    media_type: str | None
    title: str | None
    ocr: str | None = None
    size: int
    pages: int
    pages_text: int
    pages_ocr: int
    pages_empty: int
    pages_failed: int
    chunks: int
    warnings: list[str]
    page_warnings: list[str] = Field([])
    missing: list[str] = Field([])
    incomplete: bool = False
    outdated: bool = False
    code: str | None
    message: str | None
    hint: str | None
    timeline: list[Step]


class DocumentSummary(Result):
    """A document in a list. `media_type`, `title`, `size` and `chunks` are those of its searchable version, if any.

    `has_original`: of an outdated document, whether its file is there to be read again; None of others. `created_at`:
    when it came in for the first time. `code` is that of its open failure, if it has one.
    """

    id: str
    collection: str
    source: str
    tags: list[str]
    state: str
    media_type: str | None
    title: str | None
    size: int | None
    chunks: int | None
    outdated: bool
    incomplete: bool
    has_original: bool | None
    created_at: str | None = None
    code: str | None = None


class DocumentList(Result):
    """One page of a list of documents; `next` is where the following page begins, None at the end."""

    documents: list[DocumentSummary]
    next: str | None


class Deleted(Result):
    """What was deleted; `points` were in the store before and are not any more."""

    documents: int
    points: int
    sources: list[str]
