"""Rig of the tests of verify: documents in a store, and ways to damage them, each counted by the kind of the drift."""

from __future__ import annotations

import os
import random
import time
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import sqlalchemy as sa
from flow_rig import FlowRig

from pipeline.catalog.database.connection import writing
from pipeline.catalog.database.schema import documents, versions
from pipeline.catalog.documents.live_points import LiveVersion, list_live
from pipeline.catalog.index import indexes, vector_cache
from pipeline.catalog.index.indexes import Index
from pipeline.ingest.cleanup import GUARD_S
from pipeline.spool import LocalSpool
from pipeline.stages.chunking import text_hash
from pipeline.vectorstore.base import Filter, Point, SparseVector
from pipeline.verification.point_checks import searched_text
from pipeline.verification.texts import key_of

EMPTY = SparseVector([], [])


class Vandal:
    """Damages what a rig has ingested into one collection. `done` counts the drifts by kind."""

    def __init__(self, rig: FlowRig, collection: str, seed: int) -> None:
        self.rig, self.services = rig, rig.services
        self.collection = collection
        self.chance = random.Random(seed)
        self.done: Counter[str] = Counter()
        with self.services.catalog.connect() as connection:
            index = indexes.live(connection, collection)
        assert index is not None
        self.index: Index = index

    def live(self) -> list[LiveVersion]:
        """The live versions, in the order of their sources."""
        with self.services.catalog.connect() as connection:
            return sorted(list_live(connection, self.index.name, "", 10_000), key=lambda version: version.source)

    def points(self, group: Sequence[LiveVersion]) -> list[Point]:
        """The points of these versions, in a random order."""
        where = Filter(version_ids=tuple(version.version_id for version in group))
        page, after = self.services.store.scroll(self.index.name, where, 10_000)
        assert after is None
        return self.chance.sample(page, len(page))

    def upsert(self, points: Sequence[Point]) -> None:
        self.services.store.upsert(self.index.name, points)

    # Each takes documents of its own, and returns nothing.

    def remove_points(self, group: Sequence[LiveVersion], number: int) -> list[Point]:
        """Returns the removed points."""
        gone = self.points(group)[:number]
        self.services.store.delete(self.index.name, Filter(point_ids=tuple(point.id for point in gone)))
        self.done["missing_points"] += len(gone)
        return gone

    def add_strangers(self, group: Sequence[LiveVersion], number: int) -> None:
        """Points of versions that the catalog does not know, and points that name no version."""
        for position, point in enumerate(self.points(group)[:number]):
            version = {"version_id": str(uuid4())} if position % 2 else {"version_id": None}
            self.upsert([Point(str(uuid4()), point.dense, point.sparse, {**point.payload, **version})])
            self.done["surplus_points"] += 1

    def add_stale(self, group: Sequence[LiveVersion], number: int) -> None:
        """Points of a version of the document that is no longer live."""
        with self.services.catalog.connect() as connection:
            query = sa.select(versions.c.document_id, versions.c.id).join(
                documents, documents.c.id == versions.c.document_id
            )
            rows = connection.execute(query.where(versions.c.id != documents.c.live_version_id)).all()
        old = {row.document_id: row.id for row in rows}
        for point in self.points(group)[:number]:
            payload = {**point.payload, "version_id": old[point.payload["document_id"]]}
            self.upsert([Point(str(uuid4()), point.dense, point.sparse, payload)])
            self.done["stale_points"] += 1

    def write_payloads(self, group: Sequence[LiveVersion], number: int, kind: str, *changes: dict[str, Any]) -> None:
        """Change fields of payloads, each point in one of these ways."""
        for position, point in enumerate(self.points(group)[:number]):
            change, where = changes[position % len(changes)], Filter(point_ids=(point.id,))
            self.services.store.set_payload(self.index.name, change, where)
            self.done[kind] += 1

    def spoil_metadata(self, group: Sequence[LiveVersion], number: int) -> None:
        for point in self.points(group)[:number]:
            where = Filter(point_ids=(point.id,))
            self.services.store.set_payload(self.index.name, {"source": "/elsewhere"}, where, "metadata")
            self.done["payload"] += 1

    def strip_words(self, group: Sequence[LiveVersion], number: int) -> None:
        """Points without words, and points with those of another text."""
        for position, point in enumerate(self.points(group)[:number]):
            words = EMPTY if position % 2 else SparseVector([1, 2, 3], [1.0, 1.0, 1.0])
            self.upsert([Point(point.id, point.dense, words, point.payload)])
            self.done["sparse"] += 1

    def turn_vectors(self, group: Sequence[LiveVersion], number: int) -> None:
        for point in self.points(group)[:number]:
            self.upsert([Point(point.id, [-value for value in point.dense], point.sparse, point.payload)])
            self.done["vector"] += 1

    def remove_texts(self, group: Sequence[LiveVersion]) -> None:
        for version in group:
            self.services.spool.delete(key_of(version))
            self.done["kept_text_missing"] += 1

    def spoil_texts(self, group: Sequence[LiveVersion]) -> None:
        """Texts that cannot be read, and texts that say something else."""
        for position, version in enumerate(group):
            key = key_of(version)
            data = self.services.spool.read(key)
            if position % 2:
                self.services.spool.write(key, data[: len(data) // 2])
            else:
                self._rewrite(key)
            self.done["kept_text_damaged"] += 1

    def _rewrite(self, key: str) -> None:
        from extractors.document import Document
        from pipeline.spool import read_json, write_json

        data = read_json(self.services.spool, key)
        text = Document.from_json(data).text
        for page in data["pages"]:
            page["text"] = page["text"].replace(text[20:40], "x" * 20)
        assert Document.from_json(data).text != text
        write_json(self.services.spool, key, data)

    def spoil_cache(self, group: Sequence[LiveVersion], number: int) -> None:
        """Rows of the cache that are too short, or not a number."""
        space = self.index.fingerprint
        with writing(self.services.cache, durable=False) as connection:
            for position, point in enumerate(self.points(group)[:number]):
                name = text_hash(searched_text(point.payload))
                data = b"\xff" * 4 * space.dim if position % 2 else b"\0" * 8
                vector_cache.delete(connection, space.id, [name])
                row = {"fingerprint": space.id, "text_hash": name, "vector": data, "created_at": time.time()}
                vector_cache.store(connection, [row])
                self.done["cached_vector"] += 1

    def litter(self, number: int) -> None:
        """Files of the spool that no document needs."""
        spool = self.services.spool
        assert isinstance(spool, LocalSpool)
        for position in range(number):
            name = f"{UUID(int=self.chance.getrandbits(128)).hex * 2}.txt"
            folder = ("originals", "texts")[position % 2]
            key = f"{folder}/{name[:2]}/{name}"
            spool.write(key, b"nobody needs it")
            old = time.time() - 2 * GUARD_S
            os.utime(spool.root / key, (old, old))
            self.done["spool_file"] += 1

    def empty_cache(self) -> None:
        """As if cache.db had been deleted."""
        with writing(self.services.cache, durable=False) as connection:
            connection.execute(vector_cache.vectors.delete())


def rewrite(paths: Sequence[Path]) -> None:
    """Change files, so that their documents get a new version."""
    for path in paths:
        path.write_text(path.read_text("utf-8") + "\nOne line more.\n", "utf-8")
