"""Results of a verification: how much drift there is of each kind, and what was mended."""

from __future__ import annotations

from pydantic import Field

from pipeline.results.base import Result

__all__ = ["CollectionDrift", "DriftExample", "DriftStatus", "NeededSource", "VerifyReport"]


class DriftExample(Result):
    """One drift; `number` counts those of the same kind in one document."""

    kind: str
    number: int
    collection: str
    document_id: str
    source: str
    detail: str


class NeededSource(Result):
    """A document that could not be made anew because neither its text nor its file is there."""

    document_id: str
    collection: str
    source: str
    hint: str


class VerifyReport(Result):
    """What a verification has found and mended, by kind of drift.

    `left` is what is still there at its end; `unfinished` counts the documents that lack points and are being made anew
    by a job: with one of them the index is not `clean`. `embedded` counts the chunks that were embedded, cached ones
    left out; `sampled` is the share of the documents whose vectors and kept texts were compared too.
    """

    clean: bool
    repaired: bool
    checked: dict[str, int]
    found: dict[str, int]
    mended: dict[str, int]
    left: dict[str, int]
    unfinished: int = 0
    embedded: int
    sampled: float
    source_needed: list[NeededSource]
    examples: list[DriftExample]
    notes: list[str]
    jobs: list[str]
    seconds: float


class CollectionDrift(Result):
    """A collection whose live points in the store are not as many as the catalog says."""

    collection: str
    expected: int
    points: int
    message: str = ""


class DriftStatus(Result):
    """What is known of drift: collections with wrong counts, and the last whole verification.

    `counted_at` is when the counts were compared last; `left` is what the last verification found and did not mend,
    `unfinished` how many documents lacked points then and were being made anew.
    """

    counted_at: str | None = None
    collections: list[CollectionDrift] = Field([])
    verified_at: str | None = None
    left: dict[str, int] = Field({})
    unfinished: int = 0

    @property
    def is_clean(self) -> bool:
        """Whether no drift is known."""
        return not self.collections and not self.left
