"""Look at every live document of an index: has it all its points and its text, and are its vectors its own."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from pipeline.catalog.database.id_lists import split_list
from pipeline.catalog.documents.live_points import LiveVersion, list_live, live_by_id
from pipeline.catalog.index.indexes import Index
from pipeline.services import Services
from pipeline.vectorstore.base import Filter, Point
from pipeline.verification.drift import Damaged, Drift, Findings
from pipeline.verification.pace import Pace, Scope
from pipeline.verification.points import count_by_version
from pipeline.verification.texts import KeptTexts
from pipeline.verification.vectors import check_vectors

__all__ = ["check_documents", "points_of"]

PAGE = 200
POINTS = 500
"""Points that are read with their vectors at once."""

TOGETHER = 20
"""Documents whose points are read at once."""


@dataclass
class _Look:
    """What one look at a document has found: numbers by kind, and what must not be used again."""

    kinds: dict[str, int] = field(default_factory=dict)
    bad_points: set[str] = field(default_factory=set)
    bad_hashes: set[str] = field(default_factory=set)

    def count(self, kind: str, number: int = 1) -> None:
        self.kinds[kind] = self.kinds.get(kind, 0) + number


def check_documents(
    services: Services, index: Index, scope: Scope, findings: Findings, pace: Pace, numbers: Mapping[str, int]
) -> None:
    """Look at every live document of an index; the vectors and texts of those in the sample are read.

    `numbers`: how many points of each version there were a moment ago.

    Raises:
        StoreDamaged: the points cannot be read.
    """
    after = ""
    while True:
        with services.catalog.connect() as connection:
            page = list_live(connection, index.name, after, PAGE)
        if not page:
            return
        after = page[-1].document_id
        idle = [version for version in page if not version.is_busy]
        suspects = [version for version in idle if numbers.get(version.version_id, 0) != version.chunks]
        looks = _look(services, index, scope, idle, suspects)
        _add(services, index, {version.version_id: version for version in idle}, looks, findings)
        findings.unfinished += _count_unfinished(services, index, page, numbers)
        findings.checked["documents"] += len(page)
        pace.spend("documents", len(page))


def _count_unfinished(services: Services, index: Index, page: Sequence[LiveVersion], numbers: Mapping[str, int]) -> int:
    """How many documents lack points of their live version while a job works on them: they are being made anew."""
    busy = [version for version in page if version.is_busy and numbers.get(version.version_id, 0) < version.chunks]
    lacking = {version.version_id: version for version, number in _incomplete(services, index, busy)}
    with services.catalog.connect() as connection:
        now = live_by_id(connection, lacking)
    return sum(now.get(version_id) == version for version_id, version in lacking.items())


def _look(
    services: Services, index: Index, scope: Scope, page: Sequence[LiveVersion], suspects: Sequence[LiveVersion]
) -> dict[str, _Look]:
    looks: dict[str, _Look] = defaultdict(_Look)
    for version, number in _incomplete(services, index, suspects):
        kind = "missing_points" if number < version.chunks else "surplus_points"
        looks[version.version_id].count(kind, abs(version.chunks - number))
    for group in split_list(page, TOGETHER):
        texts = KeptTexts(services)
        for version in group:
            if state := texts.state(version, read=scope.has(version.version_id)):
                looks[version.version_id].count(state)
        if sample := [version for version in group if scope.has(version.version_id)]:
            _look_at_vectors(services, index, sample, texts, looks)
    return looks


def _look_at_vectors(
    services: Services, index: Index, group: Sequence[LiveVersion], texts: KeptTexts, looks: dict[str, _Look]
) -> None:
    by_id = {version.version_id: version for version in group}
    for points in points_of(services, index.name, list(by_id)):
        for found in check_vectors(services, index, points):
            look = looks[str(found.point.payload["version_id"])]
            look.count(found.kind)
            look.bad_points |= {found.point.id} if found.kind != "sparse" else set()
            look.bad_hashes |= {found.text_hash} if found.kind == "vector" else set()
        for version_id in texts.contradicted(by_id, points):
            if "kept_text_damaged" not in looks[version_id].kinds:
                looks[version_id].count("kept_text_damaged")


def points_of(services: Services, index: str, version_ids: Sequence[str]) -> Iterator[list[Point]]:
    """The points of these versions with their vectors, page by page."""
    after: str | None = None
    while True:
        page, after = services.store.scroll(index, Filter(version_ids=tuple(version_ids)), POINTS, after)
        yield page
        if after is None:
            return


def _incomplete(services: Services, index: Index, versions: Sequence[LiveVersion]) -> Iterator[tuple[LiveVersion, int]]:
    """Those of these versions whose number of points is not that of their chunks, and that number."""
    if not versions:
        return
    ids = tuple(version.version_id for version in versions)
    is_any_there = services.store.count(index.name, Filter(version_ids=ids)) > 0
    numbers = count_by_version(services, index.name, ids) if is_any_there else dict.fromkeys(ids, 0)
    yield from (
        (version, numbers[version.version_id]) for version in versions if numbers[version.version_id] != version.chunks
    )


def _add(
    services: Services, index: Index, versions: Mapping[str, LiveVersion], looks: dict[str, _Look], findings: Findings
) -> None:
    wrong = [version_id for version_id, look in looks.items() if look.kinds]
    if not wrong:
        return
    with services.catalog.connect() as connection:
        again = live_by_id(connection, wrong)
    for version_id in wrong:
        version, look = versions[version_id], looks[version_id]
        if again.get(version_id) != version:
            continue  # it has just changed, and so have its points
        drifts = [
            Drift(kind, number, index.collection, version.document_id, version.source)
            for kind, number in look.kinds.items()
        ]
        damaged = Damaged(
            version.document_id,
            version_id,
            index.name,
            frozenset(look.bad_points),
            frozenset(look.bad_hashes),
            "kept_text_damaged" in look.kinds,
        )
        findings.add_damaged(damaged, drifts)
