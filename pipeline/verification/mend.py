"""Mend what a look at everything has found: remove what is too much, make anew what is damaged."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import suppress

import structlog

from pipeline.catalog.database.connection import writing
from pipeline.catalog.database.id_lists import split_list
from pipeline.catalog.documents.live_points import may_have_points
from pipeline.catalog.index import indexes, vector_cache
from pipeline.catalog.index.indexes import Index
from pipeline.errors import UnknownId
from pipeline.ingest.cleanup import clean_up
from pipeline.services import Services
from pipeline.stages.chunking import text_hash
from pipeline.vectorstore.base import Filter
from pipeline.verification.cache import forget
from pipeline.verification.documents import points_of
from pipeline.verification.drift import Damaged, Findings
from pipeline.verification.point_checks import has_its_text, searched_text, vector_kind
from pipeline.verification.remake import Remade, remake

__all__ = ["mend"]

log = structlog.get_logger()

GROUP = 200
"""Versions or points that one request to the store removes."""

TOGETHER = 20
"""Documents whose good vectors are put into the cache at once."""

PRIORITY = 3


def mend(services: Services, findings: Findings, wait: Callable[[str], object]) -> Remade:
    """Mend everything that was found.

    Args:
        services: the engine's services.
        findings: what is to be mended.
        wait: waits for the end of a job.
    """
    for name in sorted(findings.stores):
        _make_anew(services, name, findings)
    _drop_unknown(services, findings)
    _set_aliases(services, findings)
    _remove_surplus(services, findings)
    damaged = list(findings.documents.values())
    _forget_bad_vectors(services, findings, damaged)
    _keep_good_vectors(services, damaged)
    remade = remake(services, damaged, PRIORITY, wait)
    if findings.found["spool_file"]:
        clean_up(services)
    return remade


def _make_anew(services: Services, name: str, findings: Findings) -> None:
    """Put an empty collection in the place of one that cannot be read, or that holds another space.

    One that can be read and has the right space stays: another process has made it anew meanwhile.
    """
    index = _index_of(services, name)
    if index is None or index.role == "dropping":
        return
    kept = services.store.set_aside(name)
    if kept is not None:
        log.warning("verify.set_aside", index=name, kept=kept)
        findings.notes.append(f"The damaged vectors of {name} are kept in {kept}; remove them when all is well.")
    elif services.store.collections().get(name, index.fingerprint) != index.fingerprint:
        services.store.drop(name)
    services.store.ensure(name, index.fingerprint)


def _drop_unknown(services: Services, findings: Findings) -> None:
    for name in sorted(findings.unknown_indexes):
        if _index_of(services, name) is None:  # else it was made meanwhile
            services.store.drop(name)


def _set_aliases(services: Services, findings: Findings) -> None:
    for alias, name in findings.aliases.items():
        index = _index_of(services, name)
        if index is not None and index.role == "live":  # else readers were switched to another index meanwhile
            services.store.set_alias(alias, name)


def _remove_surplus(services: Services, findings: Findings) -> None:
    for index, version_ids in findings.versions.items():
        for group in split_list(sorted(version_ids), GROUP):
            with services.catalog.connect() as connection:
                needed = may_have_points(connection, index, group)
            if surplus := tuple(name for name in group if name not in needed):
                services.store.delete(index, Filter(version_ids=surplus))
    for index, point_ids in findings.points.items():
        for group in split_list(sorted(point_ids), GROUP):
            services.store.delete(index, Filter(point_ids=tuple(group)))


def _forget_bad_vectors(services: Services, findings: Findings, damaged: Sequence[Damaged]) -> None:
    rows = set(findings.cached)
    for item in damaged:
        if index := _index_of(services, item.index):
            rows |= {(index.fingerprint.id, name) for name in item.bad_hashes}
    if rows:
        forget(services, rows)


def _keep_good_vectors(services: Services, damaged: Sequence[Damaged]) -> None:
    """Put the vectors of good points into the cache, from which their new versions take them."""
    for index_name in sorted({item.index for item in damaged}):
        of_index = [item for item in damaged if item.index == index_name]
        index = _index_of(services, index_name)
        if index is None:
            continue
        bad = {point_id for item in of_index for point_id in item.bad_points}
        bad_hashes = {name for item in of_index for name in item.bad_hashes}
        for group in split_list([item.version_id for item in of_index], TOGETHER):
            _keep(services, index, group, (bad, bad_hashes))


def _keep(services: Services, index: Index, version_ids: Sequence[str], bad: tuple[set[str], set[str]]) -> None:
    import numpy as np

    space = index.fingerprint
    for points in points_of(services, index.name, version_ids):
        good = [
            point
            for point in points
            if point.id not in bad[0]
            and point.payload.get("fingerprint") == space.id
            and has_its_text(point)
            and vector_kind(point, space) is None
        ]
        hashes = {text_hash(searched_text(point.payload)): np.asarray(point.dense, dtype=np.float32) for point in good}
        rows = vector_cache.to_rows(space.id, {name: row for name, row in hashes.items() if name not in bad[1]})
        if rows:
            with vector_cache.ignore_if_unusable(), writing(services.cache, durable=False) as connection:
                vector_cache.store(connection, rows)


def _index_of(services: Services, name: str) -> Index | None:
    """The index as the catalog has it now; None if it has none of this name, or has dropped it."""
    with suppress(UnknownId), services.catalog.connect() as connection:
        return indexes.get(connection, name)
    return None
