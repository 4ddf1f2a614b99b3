"""Rig of the re-index tests: waiting for a state, and reading the indexes."""

from __future__ import annotations

import os
import time
from dataclasses import asdict, replace

import sqlalchemy as sa
from flow_rig import FlowRig
from flow_tools import eventually

from pipeline import reindex
from pipeline.catalog.database.connection import writing
from pipeline.catalog.database.schema import shadows
from pipeline.catalog.index import indexes
from pipeline.catalog.reindex import reindexes
from pipeline.reindex import ReindexRequest

NUMBER = int(os.environ.get("DOCRELAY_TEST_REINDEX_DOCUMENTS", "40"))
"""The documents of the model change; 1,000 for the full run."""


def reached(rig: FlowRig, collection: str, *states: str, seconds: float = 120.0) -> str:
    """Wait until the re-index is in one of these states, and return which."""

    def state() -> str:
        return reindex.status(rig.services, collection).state

    patience_s = max(seconds, NUMBER / 2)
    assert eventually(lambda: state() in states, patience_s, 0.1), reindex.status(rig.services, collection)
    return state()


def live(rig: FlowRig, collection: str) -> indexes.Index:
    """The index that readers of a collection see."""
    with rig.services.catalog.connect() as connection:
        index = indexes.live(connection, collection)
    assert index is not None
    return index


def held(rig: FlowRig, index: str) -> set[str]:
    """Versions in the new index, which is not live yet."""
    query = sa.select(shadows.c.live_version_id).where(
        shadows.c.index_name == index, shadows.c.live_version_id.is_not(None)
    )
    return {row.live_version_id for row in rig.rows(query)}


def half_built(rig: FlowRig, request: ReindexRequest, number: int) -> set[str]:
    """Start a re-index and pause it after this many documents. Returns their versions in the new index."""
    begun = reindex.start(rig.services, request.model_copy(update={"per_minute": number}))
    with writing(rig.services.catalog) as connection:
        newest = reindexes.newest(connection, begun.collection)
        assert newest is not None
        # As if it had begun a minute ago: so many may be begun at once, and then it takes long until the next one.
        reindexes.update(connection, newest.id, options=asdict(replace(newest.options, fed_at=time.time() - 60)))

    def all_begun() -> bool:
        # The first step may still have had the time of `start`, and begin fewer.
        missing = reindex.status(rig.services, begun.collection).lacks
        return len(held(rig, begun.to_index)) + missing["active"] + missing["failed"] >= number

    assert eventually(all_begun, pause=0.01)
    paused = reindex.pause(rig.services, begun.collection)
    assert eventually(lambda: not reindex.status(rig.services, begun.collection).lacks["active"])
    assert paused.state == "building", paused
    return held(rig, begun.to_index)
