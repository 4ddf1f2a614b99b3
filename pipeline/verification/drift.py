"""`Drift`: one thing that is not as the catalog says, and the kinds of it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace

__all__ = ["KINDS", "Damaged", "Drift", "Findings"]

KINDS = {
    "store_damaged": "collections whose vectors cannot be read",
    "missing_points": "points that are gone",
    "surplus_points": "points of no document",
    "stale_points": "points of versions that are replaced, deleted, failed or cancelled",
    "wrong_space": "points of another vector space, or without a vector",
    "payload": "points whose payload says something else than the catalog",
    "text": "points whose text is not the one that they were made of",
    "sparse": "points whose words are missing or of another text",
    "vector": "points whose vector is not the one in the cache",
    "alias": "names by which other programs read a collection, and that are missing or of another index",
    "kept_text_missing": "documents without their kept text",
    "kept_text_damaged": "kept texts that cannot be read, or say something else than the points",
    "original_missing": "documents that need a copy of their file, which is gone",
    "cached_vector": "vectors in the cache that cannot be ones",
    "spool_file": "files of the spool that no document needs",
}
"""Kinds of drift, in the order in which they are shown. The names are stored and sent."""

EXAMPLES = 100
"""A report lists so many drifts at most."""

LIMIT = 20_000
"""A round of mending takes so many documents, versions or points at most; the next round takes the rest."""


@dataclass(frozen=True, slots=True)
class Drift:
    """One drift, or `number` of the same kind in one document."""

    kind: str
    number: int = 1
    collection: str = ""
    document_id: str = ""
    source: str = ""
    detail: str = ""


@dataclass(frozen=True, slots=True)
class Damaged:
    """A document that is to be made anew.

    `bad_points` are ids of points whose vectors are not used again, `bad_hashes` hashes of texts whose cached vectors
    are not; `bad_text`: its kept text is not used either.
    """

    document_id: str
    version_id: str
    index: str
    bad_points: frozenset[str] = frozenset()
    bad_hashes: frozenset[str] = frozenset()
    bad_text: bool = False

    def joined(self, other: Damaged) -> Damaged:
        """The same document with what another look at it has found."""
        return replace(
            self,
            bad_points=self.bad_points | other.bad_points,
            bad_hashes=self.bad_hashes | other.bad_hashes,
            bad_text=self.bad_text or other.bad_text,
        )


@dataclass
class Findings:
    """What one look at everything has found: how much of each kind, and what there is to mend."""

    found: Counter[str] = field(default_factory=Counter)
    checked: Counter[str] = field(default_factory=Counter)
    examples: list[Drift] = field(default_factory=list)
    documents: dict[str, Damaged] = field(default_factory=dict)
    versions: dict[str, set[str]] = field(default_factory=dict)
    points: dict[str, set[str]] = field(default_factory=dict)
    stores: set[str] = field(default_factory=set)
    unknown_indexes: set[str] = field(default_factory=set)
    aliases: dict[str, str] = field(default_factory=dict)
    cached: set[tuple[str, str]] = field(default_factory=set)
    notes: list[str] = field(default_factory=list)
    unfinished: int = 0
    """Documents that lack points and are being made anew by a job."""
    uploads: list[Drift] = field(default_factory=list)
    """Documents whose file only the spool had, and has no more."""

    @property
    def is_clean(self) -> bool:
        """Whether nothing was found."""
        return not self.found.total()

    def add(self, drift: Drift) -> None:
        """Count a drift."""
        self.found[drift.kind] += drift.number
        if len(self.examples) < EXAMPLES:
            self.examples.append(drift)

    def add_damaged(self, damaged: Damaged, drifts: Iterable[Drift]) -> None:
        """Count drifts of a document that is to be made anew."""
        for drift in drifts:
            self.add(drift)
        before = self.documents.get(damaged.document_id)
        if before is not None:
            self.documents[damaged.document_id] = before.joined(damaged)
        elif len(self.documents) < LIMIT:
            self.documents[damaged.document_id] = damaged

    def add_surplus(self, index: str, version_ids: Iterable[str] = (), point_ids: Iterable[str] = ()) -> None:
        """Note versions and points that are to be removed from an index."""
        _extend(self.versions.setdefault(index, set()), version_ids)
        _extend(self.points.setdefault(index, set()), point_ids)

    def counts(self) -> Mapping[str, int]:
        """How much was found of each kind, in the order of the kinds."""
        return {kind: self.found[kind] for kind in KINDS if self.found[kind]}


def _extend(known: set[str], more: Iterable[str]) -> None:
    for name in more:
        if len(known) >= LIMIT:
            return
        known.add(name)
