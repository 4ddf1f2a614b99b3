"""Metrics of room: bytes of catalog, cache, vectors and spool, memory of Redis, free room on the disk."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import redis
from prometheus_client.core import Metric

from pipeline.catalog.database.size import database_bytes
from pipeline.catalog.index.vector_cache import cache_bytes
from pipeline.disk.usage import used_bytes
from pipeline.metrics.families import number
from pipeline.results import DiskStatus
from pipeline.services import Services

__all__ = ["Sizes", "disk", "measure_sizes", "redis_memory", "sizes"]


@dataclass(frozen=True, slots=True)
class Sizes:
    """Bytes; None for what is not on this machine."""

    catalog: int
    cache: int | None
    store: int | None
    spool: int | None


def measure_sizes(services: Services) -> Sizes:
    """Measure what this machine can see; it reads every folder of the spool."""
    settings = services.settings
    spool = settings.spool_url or str(settings.data_dir / "spool")
    is_local = "://" not in spool.removeprefix("file://")
    return Sizes(
        catalog=database_bytes(services.catalog),
        # Not by opening it, which makes the file: that fails on a full disk.
        cache=cache_bytes(services.catalog, settings.data_dir),
        store=used_bytes(settings.data_dir / "vectors") if settings.qdrant_url is None else None,
        spool=used_bytes(Path(spool.removeprefix("file://"))) if is_local else None,
    )


def sizes(found: Sizes) -> Iterator[Metric]:
    """A gauge for each size that is known."""
    rows = (
        ("docrelay_catalog_bytes", "Bytes of the catalog.", found.catalog),
        ("docrelay_cache_bytes", "Bytes of the vector cache.", found.cache),
        ("docrelay_store_bytes", "Bytes of the vector store in the data folder.", found.store),
        ("docrelay_spool_bytes", "Bytes of the spool.", found.spool),
    )
    yield from (number(name, about, size) for name, about, size in rows if size is not None)


def redis_memory(connection: redis.Redis) -> Metric:
    """Bytes of memory that Redis uses. Raises redis.RedisError."""
    return number("docrelay_redis_memory_bytes", "Memory that Redis uses.", connection.info("memory")["used_memory"])


def disk(found: DiskStatus | None) -> Iterator[Metric]:
    """Free room on the disk, and how much work needs; nothing where the system cannot say."""
    if found is not None:
        yield number("docrelay_disk_full", "1 while work waits for room on the disk.", int(found.full))
        yield number("docrelay_disk_free_bytes", "Bytes that are free on the disk.", found.free_bytes)
        yield number("docrelay_disk_needed_bytes", "Free bytes below which work waits.", found.needed_bytes)
