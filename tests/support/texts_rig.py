"""Rig of the tests of text records: a stack whose embeddings are counted where they are made, and what it must hold."""

from __future__ import annotations

import hashlib
import random
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import sqlalchemy as sa
from api_rig import Api, api_on
from counting_endpoint import DIM, CountingEndpoint, counting_endpoint
from flow_tools import eventually

from pipeline.stages.chunking import chunk_id
from pipeline.vectorstore.base import Filter

__all__ = ["Record", "TextsRig", "made_up", "texts_rig"]

Record = dict[str, Any]

LIVE = sa.text(
    "SELECT d.source, d.id, d.live_version_id, d.tags, v.content_sha256, v.metadata FROM documents d"
    " JOIN versions v ON v.id = d.live_version_id WHERE d.collection = :collection AND d.deleted_at IS NULL"
)


class TextsRig:
    """A stack with its API, and the endpoint that embeds for it."""

    def __init__(self, api: Api, endpoint: CountingEndpoint) -> None:
        self.api = api
        self.endpoint = endpoint

    def put(self, records: list[Record] | Iterator[Record], **options: Any) -> Any:
        """Send records and wait for their job; the report of the submission."""
        report = self.api.client.put_texts(records, **options)
        assert self.api.client.wait(report.job_id).ended
        return report

    def find(self, collection: str, record: Record, **metadata: Any) -> list[str]:
        """Ids of records that a search for this one finds, by their metadata too."""
        found = self.api.client.search(record["text"], collection, 100, "sparse", {"metadata": metadata})
        return sorted(str(hit.text_id) for hit in found.hits)

    def live_rows(self, collection: str) -> dict[str, Any]:
        """What the catalog says that readers see, by source, read without our code."""
        return {row.source: row for row in self.api.cli.rows(LIVE.bindparams(collection=collection))}

    def assert_holds(self, collection: str, expected: Mapping[str, Record]) -> None:
        """The catalog and the store hold exactly these records: {id: record}, each of one chunk.

        What a point must be follows from the record, and from the id of its version.
        """
        rows = self.live_rows(collection)
        assert rows.keys() == {f"text://{text_id}" for text_id in expected}
        wanted = {}
        for text_id, record in expected.items():
            row = rows[f"text://{text_id}"]
            assert row.content_sha256 == hashlib.sha256(record["text"].encode()).hexdigest()
            point = {
                "text": record["text"],
                "document_id": row.id,
                "version_id": row.live_version_id,
                "source": f"text://{text_id}",
                "media_type": "text/plain",
                "content_sha256": row.content_sha256,
                "char_start": 0,
                "char_end": len(record["text"]),
                "live": True,
                "tags": sorted(record.get("tags") or []),
            }
            wanted[chunk_id(row.live_version_id, 0, record["text"])] = point
        assert eventually(lambda: self.api.cli.count(collection=collection) == len(wanted))
        with self.api.cli.services() as services:
            stored = services.store.read(collection, Filter(), len(wanted) + 10)
        names = next(iter(wanted.values()), {}).keys()
        assert {point["id"]: {name: point[name] for name in names} for point in stored} == wanted


def made_up(number: int, seed: int = 1, words: int = 40) -> list[Record]:
    """Records of invented words, each different from all others, of one chunk each."""
    chance = random.Random(seed)
    known = ["".join(chance.choices("abcdefghijklmnopqrstuvwxyz", k=chance.randint(3, 9))) for _ in range(2000)]
    return [
        {
            "id": f"item-{seed}-{place}",
            "text": f"Item {place} of series {seed}: {' '.join(chance.choices(known, k=words))}.",
            "metadata": {"place": place, "shelf": chance.choice("ABC")},
        }
        for place in range(number)
    ]


@contextmanager
def texts_rig(folder: Path, **settings: Any) -> Iterator[TextsRig]:
    """A stack with its API on its own data folder."""
    with counting_endpoint() as endpoint:
        model = {"embedding_model": "served", "embedding_url": endpoint.url, "embedding_dim": DIM}
        with api_on(folder, **model, batch_documents=64, chunk_batch_size=64, **settings) as api:
            yield TextsRig(api, endpoint)
