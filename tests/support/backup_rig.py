"""A deployment without workers for the tests of backups: documents are made searchable, replaced and deleted at once.

It uses the catalog's own functions, the real store and the real spool, in the order in which the stages use them.
"""

from __future__ import annotations

import time
import uuid
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import Any

import numpy as np
import sqlalchemy as sa

from pipeline.catalog.database.connection import writing
from pipeline.catalog.database.schema import documents, versions
from pipeline.catalog.documents import live_versions, records
from pipeline.catalog.documents.versions import FileRecord, Placement, describe_versions
from pipeline.catalog.index import collections
from pipeline.catalog.index.indexes import first_name
from pipeline.catalog.work import attempts, batches, jobs
from pipeline.catalog.work.jobs import Job
from pipeline.ingest import delete as deletion
from pipeline.points.visibility import remove_unseen
from pipeline.services import Services
from pipeline.settings import Settings
from pipeline.spool import original_key, write_json
from pipeline.stages.artifacts import text_key
from pipeline.stages.chunking import chunk_id
from pipeline.stages.kept_texts import text_key_of
from pipeline.types import About, Chunk
from pipeline.vectorstore import Filter, Point
from pipeline.vectorstore.payload import payload
from pipeline.vectorstore.sparse import encode_passages

EXTRACTION = "test-1"
DAY = 1_700_000_000.0


@dataclass(frozen=True)
class Seen:
    """A document as a reader sees it: the texts of its chunks, its source as its points have it, its kept text."""

    chunks: tuple[str, ...]
    sources: frozenset[str]
    text: bytes


class Deployment:
    """Catalog, store and spool of one place."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self.services = Services(settings, owner=True)

    def close(self) -> None:
        if "store" in self.services.__dict__:
            self.services.store.close()
        if "catalog" in self.services.__dict__:
            self.services.catalog.dispose()

    def put(self, source: str, *texts: str, collection: str = "documents") -> str:
        """Make a document searchable whose chunks have these texts; an older version is replaced. Returns its id."""
        content = sha256("\n".join(texts).encode()).hexdigest()
        placement = self._placement(collection)
        file = FileRecord(source, content, 10, DAY)
        with writing(self.services.catalog) as connection:
            job = jobs.create(connection, Job(collection, "ingest", 5), uuid.uuid4().hex[:8], 10, closed=True)
            recorded = records.record(connection, job.id, "recipe", file, placement)
            assert recorded.attempt_id is not None
            batches.create(connection, job.id, 5, [recorded.attempt_id], active=True)
            version_id = connection.scalar(
                sa.select(versions.c.id)
                .where(versions.c.document_id == recorded.document_id)
                .order_by(versions.c.sequence.desc())
                .limit(1)
            )
            describe_versions(connection, {version_id: {"chunks": len(texts), "title": source}})
        write_json(self.services.spool, text_key_of(content, source, EXTRACTION), {"text": "\n".join(texts)})
        about = About(recorded.document_id, version_id, source, source, "text/plain", None, content, DAY)
        self.services.store.upsert(placement.index, self._points(about, texts))
        self.services.store.set_payload(placement.index, {"live": True}, Filter(version_ids=(version_id,)))
        with writing(self.services.catalog) as connection:
            live_versions.switch(connection, {recorded.document_id: version_id})
            attempts.complete(connection, [recorded.attempt_id])
        with writing(self.services.catalog) as connection:
            self._end_batches(connection, job.id)
        remove_unseen(self.services, [recorded.document_id])
        return recorded.document_id

    def begin(self, source: str, collection: str = "documents") -> str:
        """Record a document that a worker is extracting, with its original and an artifact. Returns its batch."""
        content = sha256(source.encode()).hexdigest()
        self.services.spool.write(original_key(content, source), source.encode())
        placement = self._placement(collection)
        with writing(self.services.catalog) as connection:
            job = jobs.create(connection, Job(collection, "ingest", 5), uuid.uuid4().hex[:8], 10, closed=True)
            file = FileRecord(source, content, 10, DAY)
            recorded = records.record(connection, job.id, "recipe", file, placement)
            assert recorded.attempt_id is not None
            batch_id = batches.create(connection, job.id, 5, [recorded.attempt_id], active=True)
        write_json(self.services.spool, text_key(batch_id, recorded.attempt_id), {"text": "half"})
        return batch_id

    def delete(self, source: str, collection: str = "documents") -> None:
        deletion.delete(self.services, collection, [source])

    def seen(self, collection: str = "documents") -> dict[str, Seen]:
        """What readers see of each document, by its source in the catalog; points, rows and texts must agree."""
        query = sa.select(documents, versions.c.content_sha256, versions.c.chunks, versions.c.index_name)
        query = query.join(versions, versions.c.id == documents.c.live_version_id)
        with self.services.catalog.connect() as connection:
            rows = connection.execute(query.where(documents.c.collection == collection)).all()
        found: dict[str, Seen] = {}
        for row in rows:
            where = Filter(version_ids=(row.live_version_id,), live=True)
            points, _ = self.services.store.scroll(row.index_name, where, 10_000)
            payloads = sorted((point.payload for point in points), key=lambda data: data["order"])
            assert len(payloads) == row.chunks, row.source
            text = self.services.spool.read(text_key_of(row.content_sha256, row.source, EXTRACTION))
            chunks = tuple(data["text"] for data in payloads)
            found[row.source] = Seen(chunks, frozenset(data["source"] for data in payloads), text)
        return found

    def points(self, index: str = "documents~1") -> list[Point]:
        """All points of an index, in the order of their ids."""
        points, after = self.services.store.scroll(index, Filter(), 10_000)
        assert after is None
        return points

    def rows(self, query: sa.Select[Any]) -> list[Any]:
        with self.services.catalog.connect() as connection:
            return list(connection.execute(query))

    def _placement(self, collection: str) -> Placement:
        services = self.services
        with writing(services.catalog) as connection:
            index = collections.register(connection, collection, services.fingerprint, services.spec)
        services.store.ensure(index.name, index.fingerprint)
        if collection not in services.store.aliases():
            services.store.set_alias(collection, index.name)
        return Placement(first_name(collection), extraction=EXTRACTION, collection=collection)

    def _points(self, about: About, texts: tuple[str, ...]) -> list[Point]:
        dim = self.services.fingerprint.dim
        found = []
        for order, (text, terms) in enumerate(zip(texts, encode_passages(list(texts)), strict=True)):
            seed = int.from_bytes(sha256(text.encode()).digest()[:4])
            vector = np.random.default_rng(seed).standard_normal(dim).astype(np.float32)
            dense = (vector / np.linalg.norm(vector)).tolist()
            chunk = Chunk(order, text, 0, len(text), None, None, (), (), 5)
            data = payload(about, chunk, self.services.fingerprint.id)
            found.append(Point(chunk_id(about.version_id, order, text), dense, terms, data))
        return found

    def _end_batches(self, connection: Any, job_id: str) -> None:
        from pipeline.catalog.database.schema import batches as table

        ended = {"state": "done", "finished_at": time.time()}
        connection.execute(table.update().where(table.c.job_id == job_id).values(ended))


def embedded(folder: Path, **more: Any) -> Deployment:
    """A deployment in a data folder."""
    return Deployment(Settings(data_dir=folder, embedding_model="hashing", **more))
