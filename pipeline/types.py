"""Plain data that many rooms share: chunks, facts of a document, tags, the paths of a job, files seen before."""

from __future__ import annotations

import unicodedata
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal, TypeAlias, overload

from pipeline.errors import BadRequest

__all__ = [
    "MAX_TAGS",
    "MAX_TAG_LENGTH",
    "About",
    "Chunk",
    "Mode",
    "NamedPaths",
    "Tags",
    "canonical",
    "in_place_of",
]

Mode = Literal["dense", "sparse", "hybrid"]
"""How a search ranks: by vectors, by words, or by both."""


@dataclass(frozen=True, slots=True)
class Chunk:
    """A chunk of a document's text: `text == document.text[char_start:char_end]`.

    `page_start` and `page_end` are the pages of its first and last character, None in formats without
    pages. `page_breaks` holds (offset in `text`, number of the page that begins there) for each page
    that begins inside. `section` is the path of titles. `tokens` counts special tokens too. `metadata` is
    what stages of a workflow have added. `line_start` and `line_end` are the lines of its first and last
    character, counted from 1, in text, Markdown and CSV; `paragraph_start` and `paragraph_end` its paragraphs in other
    formats without pages, where a paragraph is a line that is not blank; None elsewhere. `prefix` is the header row of
    the table that the chunk continues, "" elsewhere: it is not part of `text`, but embedded and searched with it.
    """

    order: int
    text: str
    char_start: int
    char_end: int
    page_start: int | None
    page_end: int | None
    page_breaks: tuple[tuple[int, int], ...]
    section: tuple[str, ...]
    tokens: int
    metadata: Mapping[str, Any] = field(default_factory=dict)
    line_start: int | None = None
    line_end: int | None = None
    paragraph_start: int | None = None
    paragraph_end: int | None = None
    prefix: str = ""

    @property
    def searched_text(self) -> str:
        """The text that is embedded and whose words are searched: the prefix on a line of its own, and the text."""
        return f"{self.prefix}\n{self.text}" if self.prefix else self.text


@dataclass(frozen=True, slots=True)
class About:
    """The facts of one version of a document.

    `source` says where it came from; `modified_at` is in seconds since 1970; `confidence` is OCR's mean word
    confidence, None where nothing was recognised. `metadata` came with the file; `tags` are those that the
    document had when it was cut.
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


@dataclass(frozen=True, slots=True)
class NamedPaths:
    """Paths that a job was asked to ingest: sources of files and folders, and whether only `api_roots` may be read.

    `paths` is None for jobs that did not record them: then every source counts as named itself.
    """

    paths: tuple[str, ...] | None = None
    confined: bool = False


Tags: TypeAlias = tuple[str, ...]
"""Tags as they are stored: sorted, without duplicates."""

MAX_TAGS = 16
MAX_TAG_LENGTH = 64
MARKS = frozenset("_-.:/")


@overload
def canonical(tags: Iterable[str]) -> Tags: ...
@overload
def canonical(tags: None) -> None: ...
def canonical(tags: Iterable[str] | None) -> Tags | None:
    """Return tags as they are stored, in NFC. None stays None: no tags were given.

    Raises:
        BadRequest: one is empty, too long or holds other characters, or there are too many.
    """
    if tags is None:
        return None
    ordered = sorted({unicodedata.normalize("NFC", tag) for tag in tags})
    wrong = next((tag for tag in ordered if not 1 <= len(tag) <= MAX_TAG_LENGTH or not all(map(_fits, tag))), None)
    if wrong is not None:
        raise BadRequest(
            f"{wrong[:80]!r} is no tag.",
            f"A tag is made of 1 to {MAX_TAG_LENGTH} letters, digits, _ - . : and /.",
        )
    if len(ordered) > MAX_TAGS:
        raise BadRequest(f"These are {len(ordered)} tags.", f"A document has {MAX_TAGS} at most.")
    return tuple(ordered)


def in_place_of(given: Tags | None, before: Tags | None) -> Tags | None:
    """Return the tags that a rule sets now. If it set tags before and sets none any more, the tags are removed."""
    return () if given is None and before else given


def _fits(char: str) -> bool:
    # Marks belong to the letters of many scripts, and have no composed form there.
    return char.isalnum() or char in MARKS or unicodedata.category(char) in ("Mn", "Mc")
