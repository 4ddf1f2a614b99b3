"""Metrics of what is in the index: documents, chunks, open failures, watched folders, drift."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from prometheus_client.core import Metric

from pipeline.catalog.work.failure_list import FailureClass
from pipeline.counters import Labels
from pipeline.health.watcher import Folders
from pipeline.metrics.families import gauge, gauge_of_one, number
from pipeline.results import DocumentCounts, DriftStatus

__all__ = ["documents", "drift", "open_failures", "watched_folders"]


def documents(counts: DocumentCounts) -> Iterator[Metric]:
    """Documents by state, and what is searchable by collection."""
    yield gauge_of_one("docrelay_documents", "Documents by state.", "state", counts.states)
    yield gauge_of_one(
        "docrelay_outdated", "Documents that an earlier version of Docrelay read.", "collection", counts.outdated
    )
    yield gauge_of_one("docrelay_chunks", "Chunks that are searchable.", "collection", counts.chunks)
    yield number("docrelay_failures", "Documents that failed and are not cured.", counts.failures)


def open_failures(classes: Sequence[FailureClass]) -> Metric:
    """Open failures, the dead letters among documents, by code and stage."""
    values: dict[Labels, float] = {(found.code, found.stage): found.documents for found in classes}
    return gauge("docrelay_open_failures", "Documents that failed and are not cured.", ("code", "stage"), values)


def watched_folders(folders: Folders) -> Iterator[Metric]:
    """Files and held deletions of each watched folder, and whether it is not watched although it should be."""
    held = {root: folder.held_files for root, folder in folders.known.items()}
    files = {root: folder.files for root, folder in folders.known.items()}
    trouble = {**dict.fromkeys(folders.known, 0), **{root: int(not folders.is_watched(root)) for root in folders.roots}}
    yield gauge_of_one("docrelay_watch_files", "Files known of a watched folder.", "folder", files)
    yield gauge_of_one("docrelay_watch_held_deletions", "Deletions that wait to be confirmed.", "folder", held)
    yield gauge_of_one("docrelay_watch_trouble", "1 while a folder is not watched that should be.", "folder", trouble)


def drift(found: DriftStatus) -> Iterator[Metric]:
    """Differences between catalog and store, as the last checks have found them."""
    missing = {row.collection: max(row.expected - row.points, 0) for row in found.collections}
    surplus = {row.collection: max(row.points - row.expected, 0) for row in found.collections}
    label = "collection"
    yield gauge_of_one("docrelay_points_missing", "Points that the catalog has and the store has not.", label, missing)
    yield gauge_of_one("docrelay_points_surplus", "Points that the store has and the catalog has not.", label, surplus)
    yield gauge_of_one("docrelay_drift", "What the last verification found and did not mend.", "kind", found.left)
