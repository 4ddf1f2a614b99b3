"""Backup and restore of a data folder of many small documents: seconds, size, and how long writers wait.

    python bench/backup.py --documents 20000 --chunks 5

The documents are rows and points that this program makes itself, in the space of all-MiniLM-L6-v2 (384 numbers), with
a kept text each; the store is Qdrant Edge in this process.
"""

from __future__ import annotations

import argparse
import json
import random
import sys
import tempfile
import time
import uuid
from hashlib import sha256
from pathlib import Path

import numpy as np

from pipeline.backup import back_up, restore
from pipeline.catalog.database.connection import writing
from pipeline.catalog.documents import live_versions, records
from pipeline.catalog.documents.versions import FileRecord, Placement, describe_versions
from pipeline.catalog.index import collections
from pipeline.catalog.work import attempts, jobs
from pipeline.catalog.work.jobs import Job
from pipeline.services import Services
from pipeline.settings import Settings
from pipeline.spool import write_json
from pipeline.stages.chunking import chunk_id
from pipeline.stages.kept_texts import text_key_of
from pipeline.types import About, Chunk
from pipeline.vectorstore import Point
from pipeline.vectorstore.payload import payload
from pipeline.vectorstore.sparse import encode_passages

GROUP = 500
WORDS = ["".join(random.Random(n).choices("abcdefghijklmnopqrstuvwxyz", k=3 + n % 7)) for n in range(3000)]


def fill(services: Services, documents: int, chunks: int) -> None:
    """Make documents searchable, `GROUP` at a time."""
    chance, random_numbers = random.Random(1), np.random.default_rng(1)
    with writing(services.catalog) as connection:
        index = collections.register(connection, "documents", services.fingerprint, services.spec)
        job = jobs.create(connection, Job("documents", "ingest", 5), "bench", documents, closed=True)
    services.store.ensure(index.name, index.fingerprint)
    placement = Placement(index.name, extraction="bench", collection="documents")
    for first in range(0, documents, GROUP):
        points, live, ends, facts = [], {}, [], {}
        with writing(services.catalog) as connection:
            for number in range(first, min(first + GROUP, documents)):
                source = f"/bench/{number % 100}/{number}.txt"
                file = FileRecord(source, sha256(source.encode()).hexdigest(), 1000, 1.7e9)
                recorded = records.record(connection, job.id, "recipe", file, placement, is_new=True)
                version = str(uuid.uuid4())
                live[recorded.document_id] = version
                ends.append(recorded.attempt_id or "")
                texts = [" ".join(chance.choices(WORDS, k=120)) for _ in range(chunks)]
                about = About(
                    recorded.document_id, version, source, source, "text/plain", "en", file.content_sha256, 1.7e9
                )
                numbers = random_numbers.standard_normal((chunks, services.fingerprint.dim)).astype(np.float32)
                numbers /= np.linalg.norm(numbers, axis=1, keepdims=True)
                for order, (text, terms) in enumerate(zip(texts, encode_passages(texts), strict=True)):
                    chunk = Chunk(order, text, 0, len(text), None, None, (), (), 150)
                    data = payload(about, chunk, services.fingerprint.id, live=True)
                    points.append(Point(chunk_id(version, order, text), numbers[order].tolist(), terms, data))
                write_json(
                    services.spool, text_key_of(file.content_sha256, source, "bench"), {"text": "\n".join(texts)}
                )
            live = _real_versions(connection, live, points)
            facts = {version: {"chunks": chunks} for version in live.values()}
            describe_versions(connection, facts)
            live_versions.switch(connection, live)
            attempts.complete(connection, ends)
        services.store.upsert(index.name, points)
    services.store.maintain()


def _real_versions(connection: object, live: dict[str, str], points: list[Point]) -> dict[str, str]:
    """The versions that were recorded, in place of the ones that were made up; the points get them too."""
    import sqlalchemy as sa

    from pipeline.catalog.database.schema import versions

    rows = connection.execute(  # type: ignore[attr-defined]
        sa.select(versions.c.document_id, versions.c.id).where(versions.c.document_id.in_(live))
    )
    real = {row.document_id: row.id for row in rows}
    for point in points:
        point.payload["version_id"] = real[point.payload["document_id"]]
    return real


def main() -> None:
    """Fill a data folder, back it up, and restore it."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--documents", type=int, default=20_000)
    parser.add_argument("--chunks", type=int, default=5)
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        settings = Settings(data_dir=folder / "data", embedding_model="hashing")
        services = Services(settings, owner=True)
        began = time.monotonic()
        fill(services, asked.documents, asked.chunks)
        print(f"filled in {time.monotonic() - began:.0f} s", file=sys.stderr)
        taken = back_up(services, folder / "backup", lambda line: print(line, file=sys.stderr))
        services.store.close()
        restored = restore(Settings(data_dir=folder / "there", embedding_model="hashing"), folder / "backup")
        print(json.dumps({"backup": taken.model_dump(), "restore": restored.model_dump()}, indent=2))


if __name__ == "__main__":
    main()
