"""The payload: every field documented, and read by other libraries' own readers."""

from __future__ import annotations

import importlib
import json
import os
import re
import subprocess
import sys
import warnings
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
from qdrant_client import QdrantClient, models

from embeddings.base import Fingerprint
from pipeline.stages.artifacts import About
from pipeline.types import Chunk
from pipeline.vectorstore import Filter, Point, Query, open_store
from pipeline.vectorstore.conditions import INDEXED
from pipeline.vectorstore.payload import CITATION, payload
from pipeline.vectorstore.qdrant import QdrantStore
from pipeline.vectorstore.sparse import encode_passages, encode_query

ROOT = Path(__file__).parents[2]
DOCUMENTED = ROOT / "docs" / "payload.md"
SPACE = Fingerprint("test/letters", "1", "float", "mean", True, "", "", 26)
ABOUT = About(
    document_id="d1",
    version_id="v1",
    source="file:///srv/yard/harbour%20rules.pdf",
    title="Harbour rules",
    media_type="application/pdf",
    language="en",
    content_sha256="ab" * 32,
    modified_at=1_790_000_000.25,
    confidence=0.93,
    metadata={"shelf": 12, "colours": ["red", "green"]},
    tags=("harbour", "rules"),
)
TEXTS = ("The harbour master checks every boat.", "Planks of larch and oak.", "Wages are paid on Friday.")
ADDED = {"department": "harbour", "tags": ["night", "boats"]}
CHUNKS = [
    Chunk(
        order,
        text,
        100 * order,
        100 * order + len(text),
        2,
        3,
        ((4, 3),),
        ("Rules", "At night"),
        9,
        ADDED,
        line_start=5,
        line_end=7,
        paragraph_start=8,
        paragraph_end=9,
        prefix="Rule | Since",
    )
    for order, text in enumerate(TEXTS)
]

LLAMAINDEX = Path(sys.prefix) / "llamaindex"
"""LlamaIndex's packages, apart from ours: they bring a top-level package `workflows` too."""

LIVE = models.Filter(must=[models.FieldCondition(key="live", match=models.MatchValue(value=True))])


def letters(text: str) -> list[float]:
    """A tiny deterministic embedding: how often each letter occurs, normalised."""
    counts = [float(text.lower().count(chr(97 + letter))) for letter in range(26)]
    length = sum(value * value for value in counts) ** 0.5 or 1.0
    return [value / length for value in counts]


def written(live: bool = True) -> list[dict[str, Any]]:
    return [
        payload(ABOUT, chunk, SPACE.id, live=live, ingested_at=datetime(2026, 5, 1, tzinfo=UTC)) for chunk in CHUNKS
    ]


@pytest.fixture
def client() -> Iterator[QdrantClient]:
    client = QdrantClient(":memory:")
    fill(client)
    yield client
    client.close()


def fill(client: QdrantClient) -> None:
    """Write the three chunks, and an older version of the second chunk that is not live."""
    store = QdrantStore(client)
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="Payload indexes have no effect in the local Qdrant")
        store.ensure("docs", SPACE)
    replaced = {**written(live=False)[1], "text": "planks of larch", "version_id": "v0"}
    rows = [*written(), replaced]
    points = zip(rows, encode_passages([row["text"] for row in rows]), strict=True)
    store.upsert(
        "docs",
        [
            Point(f"00000000-0000-0000-0000-00000000000{number}", letters(fields["text"]), words, fields)
            for number, (fields, words) in enumerate(points)
        ],
    )


def imported(name: str) -> ModuleType:
    """Another library's module; only CI has to have it. What it warns of while it loads is its own affair."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        if os.environ.get("CI"):
            return importlib.import_module(name)
        module: ModuleType = pytest.importorskip(name)
        return module


def test_the_fields_of_a_chunk() -> None:
    assert written()[1] == {
        "text": "Planks of larch and oak.",
        "order": 1,
        "page_start": 2,
        "page_end": 3,
        "page_breaks": [[4, 3]],
        "line_start": 5,
        "line_end": 7,
        "paragraph_start": 8,
        "paragraph_end": 9,
        "char_start": 100,
        "char_end": 124,
        "section": ["Rules", "At night"],
        "prefix": "Rule | Since",
        "added": {"department": "harbour", "tags": ["night", "boats"]},
        "document_id": "d1",
        "version_id": "v1",
        "source": "file:///srv/yard/harbour%20rules.pdf",
        "title": "Harbour rules",
        "media_type": "application/pdf",
        "language": "en",
        "confidence": 0.93,
        "content_sha256": "ab" * 32,
        "modified_at": "2026-09-21T14:13:20.250000Z",
        "tags": ["harbour", "rules"],
        "metadata_values": ["shelf=12", 'colours="red"', 'colours="green"'],
        "ingested_at": "2026-05-01T00:00:00Z",
        "fingerprint": SPACE.id,
        "live": True,
        "metadata": {name: written()[1][name] for name in CITATION},
    }


def test_it_is_json_and_not_live_unless_said() -> None:
    fields = payload(ABOUT, CHUNKS[0], SPACE.id)

    assert json.loads(json.dumps(fields)) == fields
    assert fields["live"] is False
    assert abs((datetime.now(UTC) - datetime.fromisoformat(fields["ingested_at"])).total_seconds()) < 3600


def test_every_field_is_documented_and_nothing_else() -> None:
    text = DOCUMENTED.read_text("utf-8")
    table = text[text.index("## Fields") : text.index("## Filters")]
    fields = {name: bool(star) for star, name in re.findall(r"^\| (\*?)`(\w+)`", table, flags=re.M)}
    nested = re.search(r"`metadata` repeats (.*?)\. None of them", text, flags=re.S)

    assert fields.keys() == written()[0].keys()
    assert {name for name, indexed in fields.items() if indexed} == INDEXED.keys()
    assert nested is not None
    assert tuple(re.findall(r"`(\w+)`", nested[1])) == CITATION


def test_the_same_payload_comes_back_from_the_embedded_store(tmp_path: Path) -> None:
    store = open_store(tmp_path)
    store.ensure("docs", SPACE)
    words = encode_passages(TEXTS[:1])[0]
    store.upsert("docs", [Point("00000000-0000-0000-0000-000000000001", letters(TEXTS[0]), words, written()[0])])
    everything = Filter(
        document_ids=("d1",),
        version_ids=("v1",),
        sources=("harbour rules.pdf",),
        media_types=("application/pdf",),
        page=3,
        modified_after="2026-09-21T14:13:20Z",
        modified_before="2026-09-22",
        live=True,
        tags=("rules", "other"),
        metadata={"shelf": [11, 12.0], "colours": "red"},
    )

    [hit] = store.search("docs", Query("hybrid", 3, letters("boat"), encode_query("boats"), everything))
    assert hit.payload == written()[0]
    store.close()


@pytest.mark.parametrize("mode", ["DENSE", "SPARSE", "HYBRID"])
def test_langchain_reads_it(client: QdrantClient, mode: str) -> None:
    langchain = imported("langchain_qdrant")
    embeddings = imported("langchain_core.embeddings")

    class Letters(embeddings.Embeddings):  # type: ignore[name-defined, misc]
        def embed_documents(self, texts: list[str]) -> list[list[float]]:
            return [letters(text) for text in texts]

        def embed_query(self, text: str) -> list[float]:
            return letters(text)

    class Words(langchain.SparseEmbeddings):  # type: ignore[name-defined, misc]
        def embed_documents(self, texts: list[str]) -> list[Any]:
            return [self.vector(words) for words in encode_passages(texts)]

        def embed_query(self, text: str) -> Any:
            return self.vector(encode_query(text))

        def vector(self, words: Any) -> Any:
            return langchain.SparseVector(indices=words.indices, values=words.values)

    store = langchain.QdrantVectorStore(
        client=client,
        collection_name="docs",
        embedding=Letters(),
        sparse_embedding=Words(),
        retrieval_mode=getattr(langchain.RetrievalMode, mode),
        vector_name="dense",
        sparse_vector_name="sparse",
        content_payload_key="text",
        metadata_payload_key="metadata",
    )

    [document] = store.similarity_search("planks of larch", k=1, filter=LIVE)

    assert document.page_content == TEXTS[1]
    citation = {name: document.metadata[name] for name in CITATION}
    assert citation == written()[1]["metadata"]


def test_llamaindex_reads_it(tmp_path: Path) -> None:
    if not LLAMAINDEX.is_dir():
        if os.environ.get("CI"):
            pytest.fail("LlamaIndex is not installed: make test installs it")
        pytest.skip("LlamaIndex is not installed: make test installs it")
    local = QdrantClient(path=str(tmp_path / "qdrant"))
    fill(local)
    local.close()
    asked = {"path": str(tmp_path / "qdrant"), "collection": "docs", "vector": letters("planks of larch")}
    reader = [sys.executable, str(ROOT / "tests/support/llamaindex_reader.py")]
    environment = {**os.environ, "PYTHONPATH": str(LLAMAINDEX)}

    done = subprocess.run(
        reader, input=json.dumps(asked), capture_output=True, text=True, cwd=tmp_path, env=environment, check=False
    )

    assert done.returncode == 0, done.stderr
    node = json.loads(done.stdout)
    assert node["text"] == TEXTS[1]
    assert node["metadata"]["source"] == ABOUT.source
    assert node["metadata"]["page_start"] == 2
    assert node["metadata"]["metadata"] == written()[1]["metadata"]
