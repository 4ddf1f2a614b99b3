"""What somebody asks to be ingested, before anything is looked at."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

from pydantic import Field

__all__ = ["Line", "MediaType", "Request"]

Line = Annotated[str, Field(pattern=r"^[^\x00-\x1f\x7f]*$")]
"""What people write on one line."""

MediaType = Annotated[
    Line, Field(json_schema_extra={"pattern": "^[a-z]+/[a-z0-9.+-]+$"}, examples=["application/pdf"], min_length=1)
]
"""A media type; a suffix is taken too."""


@dataclass(frozen=True, slots=True)
class Request:
    """What is asked for; None takes the setting.

    `tags` are for all documents; None leaves those that they have. `confined`: files are read below `api_roots` only.
    """

    paths: Sequence[Path]
    collection: str | None = None
    workflow: str | None = None
    priority: int | None = None
    request_id: str | None = None
    tags: Sequence[str] | None = None
    confined: bool = False
