"""Whether the points of versions that the catalog takes for searchable are in the store."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass

import redis
import structlog

from pipeline.errors import StackUnavailable
from pipeline.services import Services
from pipeline.vectorstore.base import Filter, VectorStore

__all__ = ["Counted", "incomplete"]

log = structlog.get_logger()

PATIENCE_S = 5.0
"""Longest wait for the owner of the vectors: taking files in must not wait for it, and goes on without the answer."""


@dataclass(frozen=True, slots=True)
class Counted:
    """A version, the index that it is in, and how many points it should have there."""

    version_id: str
    index: str
    chunks: int


def incomplete(services: Services, versions: Collection[Counted]) -> frozenset[str]:
    """Ids of those of these versions that have too few or too many points; none if the store does not answer now."""
    found: set[str] = set()
    try:
        for index in sorted({version.index for version in versions}):
            of_index = [version for version in versions if version.index == index]
            found |= set(_incomplete(_store(services), index, of_index))
    except (StackUnavailable, redis.RedisError) as error:
        log.info("presence.unknown", error=str(error))
    return frozenset(found)


def _incomplete(store: VectorStore, index: str, versions: Sequence[Counted]) -> Iterator[str]:
    """Found by halving: one request is enough where nothing is missing."""
    number = store.count(index, Filter(version_ids=tuple(version.version_id for version in versions), live=True))
    if number == sum(version.chunks for version in versions):
        return
    if number == 0 or len(versions) == 1:
        yield from (version.version_id for version in versions if version.chunks != number)
        return
    half = len(versions) // 2
    yield from _incomplete(store, index, versions[:half])
    yield from _incomplete(store, index, versions[half:])


def _store(services: Services) -> VectorStore:
    if services.settings.qdrant_url is not None or services.owner:
        return services.store
    from pipeline.vectorstore.remote import RemoteStore

    return RemoteStore(services.redis, PATIENCE_S)
