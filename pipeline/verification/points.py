"""Look at every point of an index: is it of a version that may have points, and does its payload say what it must."""

from __future__ import annotations

import time
from collections import Counter, defaultdict
from collections.abc import Collection, Sequence

from pipeline.catalog.database.id_lists import split_list
from pipeline.catalog.documents.live_points import LiveVersion, known, live_by_id, may_have_points
from pipeline.catalog.index.indexes import Index
from pipeline.services import Services
from pipeline.vectorstore.base import Filter, Point
from pipeline.verification.drift import Damaged, Drift, Findings
from pipeline.verification.pace import Pace
from pipeline.verification.point_checks import payload_kind

__all__ = ["check_points", "count_by_version"]

PAGE = 1000
GROUP = 200
"""Versions that one request to the store names."""

SETTLE_S = 2.0
"""Points whose document is being deleted are gone by then: what looks like too much is looked at once more."""


def check_points(services: Services, index: Index, findings: Findings, pace: Pace) -> Counter[str]:
    """Look at every point of an index.

    Returns:
        The number of points of each version.

    Raises:
        StoreDamaged: the points cannot be read.
    """
    suspects: set[str] = set()
    numbers: Counter[str] = Counter()
    after: str | None = None
    while True:
        page, after = services.store.scroll(index.name, Filter(), PAGE, after, vectors=False)
        suspects |= _check_page(services, index, page, findings)
        numbers.update(str(point.payload.get("version_id")) for point in page)
        findings.checked["points"] += len(page)
        pace.spend("points", len(page))
        if after is None:
            break
    if suspects:
        time.sleep(SETTLE_S)
        _count_surplus(services, index, suspects, findings)
    return numbers


def _check_page(services: Services, index: Index, page: Sequence[Point], findings: Findings) -> set[str]:
    """Returns the versions of the page that should have no points."""
    by_version: dict[str, list[Point]] = defaultdict(list)
    for point in page:
        version_id = point.payload.get("version_id")
        by_version[version_id if isinstance(version_id, str) else ""].append(point)
    if nameless := by_version.pop("", []):
        _add_nameless(index, nameless, findings)
    # Read after the points were: a version is in the catalog before its first point is stored.
    with services.catalog.connect() as connection:
        allowed = may_have_points(connection, index.name, by_version)
        live = live_by_id(connection, by_version)
    _check_payloads(services, index, {name: by_version[name] for name in live}, findings)
    return by_version.keys() - allowed


def _add_nameless(index: Index, points: Sequence[Point], findings: Findings) -> None:
    """Points that say of no version that they belong to it."""
    findings.add(Drift("surplus_points", len(points), index.collection, detail=f"point {points[0].id}"))
    findings.add_surplus(index.name, point_ids=[point.id for point in points])


def _check_payloads(services: Services, index: Index, points: dict[str, list[Point]], findings: Findings) -> None:
    kinds = {version_id: dict[str, list[Point]]() for version_id in points}
    with services.catalog.connect() as connection:
        live = live_by_id(connection, points)
    for version_id, version in live.items():
        for point in points[version_id] if _can_be_judged(version, index) else ():
            if kind := payload_kind(point, version, index.fingerprint.id):
                kinds[version_id].setdefault(kind, []).append(point)
    wrong = [version_id for version_id, found in kinds.items() if found]
    if not wrong:
        return
    with services.catalog.connect() as connection:
        again = live_by_id(connection, wrong)
    for version_id in wrong:
        if again.get(version_id) == live[version_id]:  # else it has just changed, and so have its points
            _add_payloads(index, live[version_id], kinds[version_id], findings)


def _can_be_judged(version: LiveVersion, index: Index) -> bool:
    return not version.is_busy and version.index == index.name


def _add_payloads(index: Index, version: LiveVersion, kinds: dict[str, list[Point]], findings: Findings) -> None:
    drifts = [
        Drift(kind, len(points), index.collection, version.document_id, version.source, f"point {points[0].id}")
        for kind, points in kinds.items()
    ]
    unusable = {point.id for kind in ("wrong_space", "text") for point in kinds.get(kind, ())}
    findings.add_damaged(
        Damaged(version.document_id, version.version_id, index.name, bad_points=frozenset(unusable)), drifts
    )


def _count_surplus(services: Services, index: Index, suspects: Collection[str], findings: Findings) -> None:
    """Count the points of versions that should have none, and still have some."""
    numbers = {
        version_id: number
        for group in split_list(sorted(suspects), GROUP)
        for version_id, number in count_by_version(services, index.name, group).items()
        if number
    }
    with services.catalog.connect() as connection:
        allowed = may_have_points(connection, index.name, numbers)
        recorded = known(connection, index.name, numbers)
    for version_id, number in numbers.items():
        if version_id not in allowed:
            kind = "stale_points" if version_id in recorded else "surplus_points"
            findings.add(Drift(kind, number, index.collection, detail=f"version {version_id}"))
            findings.add_surplus(index.name, [version_id])


def count_by_version(services: Services, index: str, version_ids: Sequence[str]) -> dict[str, int]:
    """Count the points of each of these versions."""
    return {name: services.store.count(index, Filter(version_ids=(name,))) for name in version_ids}
