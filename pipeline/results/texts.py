"""Results about text records."""

from __future__ import annotations

from typing import Any

from pydantic import Field

from pipeline.results.base import Result

__all__ = ["RefusedText", "TextDetail", "TextsReport"]


class RefusedText(Result):
    """A line that was not taken; the lines before and after it were."""

    line: int = Field(description="counted from 1", examples=[7])
    id: str | None = Field(description="null where it cannot be read", examples=["product-4711"])
    code: str = Field(examples=["invalid_request"])
    message: str
    hint: str


class TextsReport(Result):
    """What became of the records of one request: records = queued + unchanged + failed.

    `queued` are new or changed and go on by themselves; `failed` are left alone as they failed before in the same
    form. `refused` counts the lines that are no record; `errors` lists them, a thousand at most.
    """

    job_id: str
    records: int
    queued: int
    unchanged: int
    failed: int
    refused: int
    errors: list[RefusedText]


class TextDetail(Result):
    """A text record. `text` and `metadata` are those that readers see, None and {} as long as there is no version.

    `state` is that of the newest version, which may still be on its way.
    """

    id: str
    collection: str
    document_id: str
    state: str
    searchable: bool
    text: str | None
    metadata: dict[str, Any]
    tags: list[str]
    chunks: int
    code: str | None
    message: str | None
