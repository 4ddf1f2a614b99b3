"""Reads a Qdrant collection as LlamaIndex does: task as JSON on stdin, the first hit as JSON on stdout.

A program of its own, with LlamaIndex's packages first on its path: they bring a top-level package `workflows`
like ours.
"""

from __future__ import annotations

import json
import sys

from llama_index.core import VectorStoreIndex
from llama_index.core.embeddings import BaseEmbedding
from llama_index.vector_stores.qdrant import QdrantVectorStore
from qdrant_client import QdrantClient, models

TASK = json.load(sys.stdin)
LIVE = models.Filter(must=[models.FieldCondition(key="live", match=models.MatchValue(value=True))])


class Given(BaseEmbedding):
    """Every text has the vector of the task."""

    def _get_text_embedding(self, text: str) -> list[float]:
        return list(TASK["vector"])

    def _get_query_embedding(self, query: str) -> list[float]:
        return list(TASK["vector"])

    async def _aget_query_embedding(self, query: str) -> list[float]:
        return list(TASK["vector"])


client = QdrantClient(path=TASK["path"])
store = QdrantVectorStore(collection_name=TASK["collection"], client=client, text_key="text", dense_vector_name="dense")
index = VectorStoreIndex.from_vector_store(store, embed_model=Given())
[hit] = index.as_retriever(similarity_top_k=1, vector_store_kwargs={"qdrant_filters": LIVE}).retrieve("anything")
client.close()
print(json.dumps({"text": hit.node.get_content(), "metadata": hit.node.metadata}))
