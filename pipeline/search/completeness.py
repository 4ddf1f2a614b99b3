"""Warnings of a search in collections whose points are not all in the vector store."""

from __future__ import annotations

from collections.abc import Collection, Mapping

from pipeline.catalog.documents import live_versions
from pipeline.catalog.index import checks
from pipeline.catalog.index.indexes import Index
from pipeline.services import Services
from pipeline.vectorstore.base import Filter

__all__ = ["missing_points"]

HINT = "What is missing cannot be found. Mend it with: docrelay verify --repair"


def missing_points(services: Services, searched: Mapping[str, Index], found: Collection[object]) -> list[str]:
    """Say which of these collections lack points, by the last comparison of counts.

    Where nothing was found, the store itself is asked: it may have been emptied since.
    """
    with services.catalog.connect() as connection:
        known = [drift for drift in checks.counts(connection) if drift.points < drift.expected]
        numbers = {} if found else {name: live_versions.count_chunks(connection, name) for name in searched}
    lacking = {drift.collection: (drift.points, drift.expected) for drift in known if drift.collection in searched}
    for name, expected in numbers.items():
        if expected and services.store.count(searched[name].name, Filter(live=True)) == 0:
            lacking[name] = (0, expected)
    return [
        f"Only {points} of {expected} points of the collection {name} are in the vector store. {HINT}"
        for name, (points, expected) in lacking.items()
    ]
