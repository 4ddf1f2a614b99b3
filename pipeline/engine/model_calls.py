"""What a worker with a model answers at once: remote calls of searches, which do not queue behind a batch."""

from __future__ import annotations

from functools import partial
from typing import Any

from embeddings import load_reranker
from embeddings.base import Device, Reranker
from embeddings.windows import windows
from pipeline.catalog.index import indexes
from pipeline.rpc import Methods
from pipeline.services import Services

__all__ = ["SUBJECT", "methods_of"]

SUBJECT = "embed"

MOST_WINDOWS = 8
"""Parts of a long question that are embedded and searched with, at most."""


def methods_of(services: Services) -> Methods:
    """Return the remote methods of a worker that embeds."""
    return {
        "embed_query": partial(_embed_query, services),  # for processes of an older release
        "embed_question": partial(_embed_question, services),
        "rerank": _Rerankers(services.settings.embedding_device).score,
    }


class _Rerankers:
    """The reranker of the last call that named one, loaded by the first."""

    def __init__(self, device: Device) -> None:
        self._device = device
        self._loaded: dict[str, Reranker] = {}

    def score(self, model: str, question: str, texts: list[str]) -> list[float]:
        """Say how well passages answer a question, from 0 to 1."""
        if model not in self._loaded:
            self._loaded.clear()
            self._loaded[model] = load_reranker(model, self._device)
        return [float(score) for score in self._loaded[model].score(question, texts)]


def _embed_query(services: Services, text: str, index: str) -> list[float]:
    """Embed a question with the model of an index."""
    with services.catalog.connect() as connection:
        row = indexes.get(connection, index)
    embedder = services.models.embedder(row.spec, row.fingerprint)
    return [float(value) for value in embedder.embed_query(text)]


def _embed_question(services: Services, text: str, index: str) -> list[dict[str, Any]]:
    """Embed a question with the model of an index, in windows that the model reads whole.

    Returns:
        `start` and `end` of each window in the text, and its `vector`.
    """
    with services.catalog.connect() as connection:
        row = indexes.get(connection, index)
    embedder, tokenizer = services.models.embedder(row.spec, row.fingerprint), services.models.tokenizer(row.spec)
    prefix = len(tokenizer.offsets(row.fingerprint.query_prefix))
    spans = windows(text, tokenizer, embedder.max_tokens - tokenizer.special_tokens - prefix, MOST_WINDOWS)
    return [
        {"start": start, "end": end, "vector": [float(value) for value in embedder.embed_query(text[start:end])]}
        for start, end in spans
    ]
