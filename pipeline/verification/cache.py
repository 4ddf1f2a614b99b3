"""Look at the vector cache: can its rows be vectors of their space."""

from __future__ import annotations

from pipeline.catalog.database.connection import writing
from pipeline.catalog.index import vector_cache
from pipeline.catalog.index.indexes import Index
from pipeline.services import Services
from pipeline.verification.drift import Drift, Findings
from pipeline.verification.pace import Pace

__all__ = ["check_cache", "forget"]

PAGE = 2000


def check_cache(services: Services, index: Index, findings: Findings, pace: Pace) -> None:
    """Look at every cached vector of the space of an index."""
    space, after = index.fingerprint, ""
    with vector_cache.ignore_if_unusable():
        while True:
            with services.cache.connect() as connection:
                rows = vector_cache.page(connection, space.id, after, PAGE)
            if not rows:
                return
            after = rows[-1][0]
            for name, vector in rows:
                if not vector_cache.is_usable(vector, space.dim):
                    findings.add(Drift("cached_vector", detail=f"text {name}"))
                    findings.cached.add((space.id, name))
            findings.checked["cached_vectors"] += len(rows)
            pace.spend("cached vectors", len(rows))


def forget(services: Services, rows: set[tuple[str, str]]) -> None:
    """Delete rows of the cache, given as (fingerprint, hash of the text): their texts are embedded again if needed."""
    with vector_cache.ignore_if_unusable(), writing(services.cache, durable=False) as connection:
        for space in sorted({space for space, _ in rows}):
            vector_cache.delete(connection, space, [name for of, name in rows if of == space])
