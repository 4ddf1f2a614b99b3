"""The stores that the contract is tested on: Edge, the client's local engine, the same over HTTP, a real server."""

from __future__ import annotations

import os
import subprocess
import sys
import warnings
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import numpy as np
import pytest

from embeddings.base import Fingerprint
from embeddings.vectors import Vectors
from pipeline.vectorstore import Filter, Point, Query, SparseVector, VectorStore, open_store
from pipeline.vectorstore.sparse import encode_passages

DIM = 8
SPACE = Fingerprint("test/tiny", "1", "float", "mean", True, "", "", DIM)
EMPTY = SparseVector([], [])
STAND_IN = Path(__file__).with_name("qdrant_stand_in.py")
INDEXES = {
    **dict.fromkeys(("document_id", "version_id", "source", "media_type", "tags", "metadata_values"), "keyword"),
    **dict.fromkeys(("page_start", "page_end"), "integer"),
    "modified_at": "datetime",
    "live": "bool",
}
"""The payload indexes of a collection, as docs/payload.md has them."""

STORES = ("edge", "memory", "stand-in", "server")

LIBRARY: list[dict[str, Any]] = [
    {
        "document_id": "d0",
        "version_id": "v0",
        "source": "file:///srv/docs/reports/2026/boat%20yard.pdf",
        "media_type": "application/pdf",
        "page_start": 1,
        "page_end": 3,
        "modified_at": "2026-01-01T00:00:00Z",
        "tags": ["boats", "rules/2026"],
        "live": True,
    },
    {
        "document_id": "d0",
        "version_id": "v1",
        "source": "file:///srv/docs/reports/2026/boat%20yard.pdf",
        "media_type": "application/pdf",
        "page_start": 3,
        "page_end": 3,
        "modified_at": "2026-02-01T12:30:00.250000Z",
        "tags": ["boats"],
        "live": False,
    },
    {
        "document_id": "d1",
        "version_id": "v2",
        "source": "file:///srv/docs/letters/a[1].txt",
        "media_type": "text/plain",
        "page_start": None,
        "page_end": None,
        "modified_at": "2026-02-01T12:30:00.500000Z",
        "tags": [],
        "live": True,
    },
    {
        "document_id": "d2",
        "version_id": "v3",
        "source": "file:///srv/docs/letters/Re%20ports/x.PDF",
        "media_type": "application/pdf",
        "page_start": 7,
        "page_end": 12,
        "modified_at": "2026-03-01T00:00:00Z",
        "live": True,
    },
]


@dataclass
class Placement:
    """A store with a separate collection for one test."""

    store: VectorStore
    name: str


@pytest.fixture(scope="session")
def stand_in() -> Iterator[str]:
    command = [sys.executable, str(STAND_IN), "--port", "0", "--until-eof"]
    # It outlives the stack that runs at its start, so it must not carry the mark of that stack.
    environment = {name: value for name, value in os.environ.items() if not name.startswith("DOCRELAY_")}
    with subprocess.Popen(
        command, env=environment, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        yield process.stdout.readline().strip()
        process.communicate(timeout=60)


@pytest.fixture(params=STORES)
def placement(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Placement]:
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="Payload indexes have no effect in the local Qdrant")
        yield from placed(request, tmp_path)


@pytest.fixture(scope="module", params=STORES)
def library(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Placement]:
    """A collection that holds LIBRARY and is only read."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="Payload indexes have no effect in the local Qdrant")
        for placement in placed(request, tmp_path_factory.mktemp("library")):
            fill(placement, LIBRARY)
            yield placement


def placed(request: pytest.FixtureRequest, folder: Path) -> Iterator[Placement]:
    store = opened(request, folder)
    name = f"test-{uuid4().hex[:12]}"
    yield Placement(store, name)
    store.drop(name)
    store.close()


def opened(request: pytest.FixtureRequest, folder: Path) -> VectorStore:
    if request.param == "edge":
        return open_store(folder / "vectors")
    if request.param == "memory":
        from qdrant_client import QdrantClient

        from pipeline.vectorstore.qdrant import QdrantStore

        return QdrantStore(QdrantClient(":memory:"))
    if request.param == "stand-in":
        return open_store(url=request.getfixturevalue("stand_in"))
    url = os.environ.get("DOCRELAY_TEST_QDRANT_URL")
    if not url:
        pytest.skip("no Qdrant server: DOCRELAY_TEST_QDRANT_URL is not set")
    return open_store(url=url, api_key=os.environ.get("DOCRELAY_TEST_QDRANT_API_KEY"))


def vectors(count: int, seed: int = 7) -> Vectors:
    raw: Vectors = np.random.default_rng(seed).standard_normal((count, DIM)).astype(np.float32)
    unit: Vectors = raw / np.linalg.norm(raw, axis=1, keepdims=True)
    return unit


def point_id(number: int) -> str:
    return str(UUID(int=number + 1))


def points(payloads: list[dict[str, Any]], texts: list[str] | None = None) -> list[Point]:
    sparse = encode_passages(texts) if texts else [EMPTY] * len(payloads)
    rows = zip(vectors(len(payloads)), sparse, payloads, strict=True)
    return [
        Point(point_id(number), dense.tolist(), words, payload) for number, (dense, words, payload) in enumerate(rows)
    ]


def fill(placement: Placement, payloads: list[dict[str, Any]], texts: list[str] | None = None) -> None:
    placement.store.ensure(placement.name, SPACE)
    placement.store.upsert(placement.name, points(payloads, texts))


def matching(placement: Placement, where: Filter) -> list[int]:
    """Numbers of the matching points; `count` and a search have to agree with `ids`."""
    numbers = sorted(UUID(point).int - 1 for point in placement.store.ids(placement.name, where))
    hits = placement.store.search(placement.name, Query("dense", 1000, vectors(1)[0].tolist(), where=where))
    assert placement.store.count(placement.name, where) == len(numbers)
    assert sorted(UUID(hit.id).int - 1 for hit in hits) == numbers
    return numbers
