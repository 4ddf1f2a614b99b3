"""What a worker with a model answers at once: remote calls of searches, which do not queue behind a batch."""

from __future__ import annotations

from functools import partial

from pipeline.catalog.index import indexes
from pipeline.rpc import Methods
from pipeline.services import Services

__all__ = ["SUBJECT", "methods_of"]

SUBJECT = "embed"


def methods_of(services: Services) -> Methods:
    """Return the remote methods of a worker that embeds."""
    return {"embed_query": partial(_embed_query, services)}


def _embed_query(services: Services, text: str, index: str) -> list[float]:
    """Embed a question with the model of an index."""
    with services.catalog.connect() as connection:
        row = indexes.get(connection, index)
    embedder = services.models.embedder(row.spec, row.fingerprint)
    return [float(value) for value in embedder.embed_query(text)]
