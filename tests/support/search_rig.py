"""Collections that are searched without a stack: a catalog and a store in this process, and a Redis with its model."""

from __future__ import annotations

import socket
import subprocess
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from uuid import NAMESPACE_URL, uuid5

import redis
from flow_tools import eventually

from pipeline.catalog.database.connection import writing
from pipeline.catalog.documents import live_versions, records
from pipeline.catalog.documents.versions import FileRecord, describe_versions
from pipeline.catalog.index import collections, indexes
from pipeline.catalog.work import attempts, batch_documents, batches, jobs
from pipeline.catalog.work.jobs import Job
from pipeline.engine.model_calls import methods_of
from pipeline.rpc import serve
from pipeline.services import Services
from pipeline.settings import load_settings
from pipeline.stack.redis_server import find_server
from pipeline.types import About, Chunk
from pipeline.vectorstore.base import Point
from pipeline.vectorstore.payload import payload
from pipeline.vectorstore.sparse import encode_passages


@dataclass
class SearchRig:
    """Services whose collections are filled by `take`; the process that owns the vectors is this one."""

    services: Services

    def take(self, collection: str, source: str, passages: Sequence[str]) -> str:
        """Make a document of these passages searchable. Returns its id."""
        text = "\n\n".join(passages)
        services = self.services
        with writing(services.catalog) as connection:
            collections.register(connection, collection, services.fingerprint, services.spec)
            job = jobs.create(connection, Job(collection, "ingest", 5), "request", 0).id
            sha = uuid5(NAMESPACE_URL, text).hex * 2
            recorded = records.record(connection, job, "recipe", FileRecord(source, sha, len(text), 1.0))
            assert recorded.attempt_id is not None
            batch = batches.create(connection, "job", 5, [recorded.attempt_id], active=True)
            (attempt,) = batch_documents.running(connection, batch)
            describe_versions(connection, {attempt.version_id: {"title": source}})
            index = indexes.live(connection, collection)
            assert index is not None
        about = About(recorded.document_id, attempt.version_id, source, source, "text/plain", None, sha, 1.0)
        services.store.ensure(index.name, services.fingerprint)
        services.store.upsert(index.name, [*self._points(about, passages)])
        with writing(services.catalog) as connection:
            live_versions.switch(connection, {recorded.document_id: attempt.version_id})
            attempts.complete(connection, [attempt.attempt_id])
        return recorded.document_id

    def _points(self, about: About, passages: Sequence[str]) -> Iterator[Point]:
        services = self.services
        vectors = services.models.embedder(services.spec, services.fingerprint).embed(passages)
        start = 0
        for order, (text, dense, sparse) in enumerate(zip(passages, vectors, encode_passages(passages), strict=True)):
            chunk = Chunk(order, text, start, start + len(text), None, None, (), (), len(text.split()))
            fields = payload(about, chunk, services.fingerprint.id, live=True)
            yield Point(str(uuid5(NAMESPACE_URL, f"{about.version_id} {order}")), dense.tolist(), sparse, fields)
            start = chunk.char_end + 2


@contextmanager
def search_rig(folder: Path, **settings: Any) -> Iterator[SearchRig]:
    """A rig in a folder. Questions are embedded as a worker does it, over a Redis of its own."""
    with redis_server() as url:
        made: Mapping[str, Any] = {"embedding_model": "hashing", "redis_url": url, **settings, "data_dir": folder}
        services = Services(load_settings(dict(made)), owner=True)
        serve(redis.Redis.from_url(url), "embed", methods_of(services))
        yield SearchRig(services)
        services.store.close()
        services.redis.close()
        services.catalog.dispose()


@contextmanager
def redis_server() -> Iterator[str]:
    """The URL of a Redis that keeps nothing, as long as the block runs."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    command = [find_server(), "--port", str(port), "--save", "", "--appendonly", "no", "--bind", "127.0.0.1"]
    with subprocess.Popen(command, stdout=subprocess.DEVNULL) as process:
        try:
            with redis.Redis(port=port) as client:
                assert eventually(client.ping)
            yield f"redis://127.0.0.1:{port}/0"
        finally:
            process.terminate()
