"""What a server adds: it may be away, refuse, hold what others made, and be shared."""

from __future__ import annotations

import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from threading import Barrier
from uuid import uuid4

import pytest
import stores
from stores import DIM, SPACE, STAND_IN, Placement, fill

from pipeline.errors import SpaceMismatch, StackUnavailable
from pipeline.vectorstore import Filter, VectorStore, open_store

stand_in = stores.stand_in


def test_a_server_that_is_not_there_is_unavailable() -> None:
    store = open_store(url="http://127.0.0.1:9", timeout_s=2)

    for call in (lambda: store.ensure("a", SPACE), lambda: store.count("a", Filter()), store.collections):
        with pytest.raises(StackUnavailable, match="does not answer"):
            call()


def test_many_make_the_same_collection_at_once(stand_in: str) -> None:
    name = f"race-{uuid4().hex[:12]}"
    stores = [open_store(url=stand_in) for _ in range(8)]
    start = Barrier(len(stores))

    def ensure(store: VectorStore) -> None:
        start.wait(timeout=30)
        store.ensure(name, SPACE)

    with ThreadPoolExecutor(len(stores)) as threads:
        list(threads.map(ensure, stores))

    assert stores[0].collections()[name] == SPACE
    stores[0].drop(name)
    for store in stores:
        store.close()


SHARE = """
import sys
from pipeline.vectorstore import Filter, open_store
store = open_store(url=sys.argv[1])
store.set_payload(sys.argv[2], {"live": True}, Filter(document_ids=("d1",)))
print(store.count(sys.argv[2], Filter()))
"""


def test_what_is_filtered_on_has_an_index(stand_in: str) -> None:
    from qdrant_client import QdrantClient

    placement = Placement(open_store(url=stand_in), f"indexed-{uuid4().hex[:12]}")
    placement.store.ensure(placement.name, SPACE)
    client = QdrantClient(url=stand_in, check_compatibility=False)

    schema = client.get_collection(placement.name).payload_schema
    assert {field: str(index.data_type.value) for field, index in schema.items()} == stores.INDEXES

    client.close()
    placement.store.drop(placement.name)
    placement.store.close()


def test_processes_share_a_server(stand_in: str) -> None:
    placement = Placement(open_store(url=stand_in), f"shared-{uuid4().hex[:12]}")
    fill(placement, [{"document_id": f"d{number % 2}", "live": False} for number in range(10)])

    command = [sys.executable, "-c", SHARE, stand_in, placement.name]
    other = subprocess.run(command, capture_output=True, text=True, check=True)

    assert other.stdout.strip() == "10"
    assert placement.store.count(placement.name, Filter(live=True)) == 5
    placement.store.drop(placement.name)
    placement.store.close()


def test_a_foreign_collection_is_left_alone(stand_in: str) -> None:
    from qdrant_client import QdrantClient, models

    name = f"foreign-{uuid4().hex[:12]}"
    client = QdrantClient(url=stand_in, check_compatibility=False)
    client.create_collection(name, vectors_config=models.VectorParams(size=DIM, distance=models.Distance.COSINE))
    store = open_store(url=stand_in)

    assert name not in store.collections()
    with pytest.raises(SpaceMismatch, match="not made by Docrelay"):
        store.ensure(name, SPACE)
    client.delete_collection(name)
    client.close()


def test_a_wrong_key_is_reported() -> None:
    command = [sys.executable, str(STAND_IN), "--port", "0", "--until-eof", "--api-key", "secret"]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        url = process.stdout.readline().strip()
        with pytest.raises(StackUnavailable, match="refuses the API key"):
            open_store(url=url).collections()
        process.communicate(timeout=60)
