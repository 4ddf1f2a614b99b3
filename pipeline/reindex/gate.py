"""The gate: whether a new index is whole, and finds what it should. Nothing is changed here."""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from pipeline.asking import ask
from pipeline.catalog import indexes, lacks
from pipeline.catalog.indexes import Index
from pipeline.catalog.reindexes import Reindex
from pipeline.catalog.schema import shadows, versions
from pipeline.services import Services
from pipeline.vectorstore.base import Filter, Hit, Query

__all__ = ["Findings", "counts", "measure"]

QUESTIONS = 24
HITS = 10
WORDS = 12
"""Words of a passage that make a question."""

ANSWER_S = 120.0


@dataclass(frozen=True, slots=True)
class Findings:
    """What the gate found: figures for the report, and why not to switch; no reasons are a pass."""

    report: dict[str, Any]
    reasons: tuple[str, ...]


def measure(services: Services, one: Reindex) -> Findings:
    """Ask questions of both indexes: recall@10 of the new one against exact search, and what it shares with the old.

    The questions are beginnings of passages of the collection itself. With another model the two indexes need not
    agree; their overlap is only told then.
    """
    with services.catalog.connect() as connection:
        old, new = indexes.get(connection, one.from_index), indexes.get(connection, one.to_index)
        sampled = _sample(connection, one)
    recalls, overlaps = [], []
    for question in _questions(services, new, sampled):
        found = _hits(services, new, question, exact=False)
        exact = _hits(services, new, question, exact=True)
        before = _hits(services, old, question, exact=False)
        recalls.append(_share({hit.id for hit in found}, {hit.id for hit in exact}))
        overlaps.append(_share(_documents(found), _documents(before)))
    settings = services.settings
    report = {"questions": len(recalls), "recall": _mean(recalls), "overlap": _mean(overlaps)}
    reasons = []
    if recalls and report["recall"] < settings.reindex_recall:
        reasons.append(f"recall@10 is {report['recall']:.3f}, below {settings.reindex_recall}")
    if recalls and old.fingerprint == new.fingerprint and report["overlap"] < settings.reindex_overlap:
        reasons.append(f"it shares {report['overlap']:.3f} of the hits of the old index, below it is not the same")
    return Findings(report, tuple(reasons))


def counts(services: Services, connection: Connection, one: Reindex) -> Findings:
    """Whether every document is there and every chunk is a point; while nothing moves in the collection."""
    lack = lacks.lacking(connection, one.collection, one.to_index)
    chunks = connection.scalar(
        sa.select(sa.func.sum(versions.c.chunks))
        .join(shadows, shadows.c.live_version_id == versions.c.id)
        .where(shadows.c.index_name == one.to_index)
    )
    points = services.store.count(one.to_index, Filter(live=True))
    report = {
        "documents": lacks.held(connection, one.to_index),
        "failed": lack["failed"],
        "chunks": int(chunks or 0),
        "points": points,
    }
    reasons = []
    if lack["failed"] and not one.options.allow_failed:
        reasons.append(f"{lack['failed']} documents failed in the new index")
    if points != report["chunks"]:
        reasons.append(f"there are {report['chunks']} chunks and {points} points")
    return Findings(report, tuple(reasons))


def _sample(connection: Connection, one: Reindex) -> list[str]:
    """Versions in the new index, chosen by chance, the same at every try."""
    query = sa.select(shadows.c.live_version_id).where(
        shadows.c.index_name == one.to_index, shadows.c.live_version_id.is_not(None)
    )
    every = sorted(connection.scalars(query.order_by(shadows.c.document_id)))
    return random.Random(one.id).sample(every, min(QUESTIONS, len(every)))  # noqa: S311 - no secret


def _questions(services: Services, index: Index, sampled: Sequence[str]) -> list[str]:
    anything = [1.0] + [0.0] * (index.fingerprint.dim - 1)
    found = []
    for version_id in sampled:
        query = Query("dense", 1, anything, where=Filter(version_ids=(version_id,)))
        hits = services.store.search(index.name, query)
        words = str(hits[0].payload.get("text", "")).split()[:WORDS] if hits else []
        found += [" ".join(words)] if words else []
    return found


def _hits(services: Services, index: Index, question: str, *, exact: bool) -> list[Hit]:
    vector = ask(services.redis, "embed", "embed_query", {"text": question, "index": index.name}, ANSWER_S)
    query = Query("dense", HITS, [float(value) for value in vector], where=Filter(live=True), exact=exact)
    return services.store.search(index.name, query)


def _documents(hits: Sequence[Hit]) -> set[str]:
    return {str(hit.payload["document_id"]) for hit in hits}


def _share(found: set[str], wanted: set[str]) -> float:
    return len(found & wanted) / len(wanted) if wanted else 1.0


def _mean(values: Sequence[float]) -> float:
    return round(sum(values) / len(values), 4) if values else 1.0
