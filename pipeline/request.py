"""What somebody asks to be ingested, before anything is looked at."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

__all__ = ["Request"]


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
