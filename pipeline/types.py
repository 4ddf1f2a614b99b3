"""What every chunk of a document shares, and what a stage may ask about a document."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

__all__ = ["About"]


@dataclass(frozen=True, slots=True)
class About:
    """The facts of one version of a document.

    `source` says where it came from; `modified_at` is in seconds since 1970; `confidence` is OCR's mean word
    confidence, None where nothing was recognised. `metadata` is what was handed in with the file; `tags` are those
    that the document had when it was cut.
    """

    document_id: str
    version_id: str
    source: str
    title: str | None
    media_type: str | None
    language: str | None
    content_sha256: str
    modified_at: float
    confidence: float | None = None
    metadata: Mapping[str, Any] = field(default_factory=dict)
    tags: Sequence[str] = ()
