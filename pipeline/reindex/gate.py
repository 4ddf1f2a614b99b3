"""The gate: whether a new index is whole, and finds what it should. Nothing is changed here."""

from __future__ import annotations

import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy.engine import Connection

from pipeline.asking import ask
from pipeline.catalog import indexes, lacks
from pipeline.catalog.indexes import Index
from pipeline.catalog.reindexes import Reindex
from pipeline.catalog.slices import slices
from pipeline.services import Services
from pipeline.vectorstore.base import Filter, Hit, Query

__all__ = ["NAMED", "Findings", "counts", "measure", "named"]

QUESTIONS = 24
HITS = 10
WORDS = 12
"""Words of a passage that make a question."""

ANSWER_S = 120.0

COUNTED = 500
"""Versions whose points are counted by one question to the store."""

NAMED = 5
"""Documents that a refusal names; the status lists more."""


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
    if sampled and not recalls:
        reasons.append("no passage of it could be read")
    if recalls and report["recall"] < settings.reindex_recall:
        reasons.append(f"recall@10 is {report['recall']:.3f}, below {settings.reindex_recall}")
    if recalls and old.fingerprint == new.fingerprint and report["overlap"] < settings.reindex_overlap:
        reasons.append(f"it shares {report['overlap']:.3f} of the hits of the old index, below it is not the same")
    return Findings(report, tuple(reasons))


def counts(services: Services, one: Reindex) -> Findings:
    """Whether every document is there and every chunk is a point; while nothing moves in the collection.

    Points are counted by the versions that the new index holds: those of deleted or replaced ones, which are removed
    later, say nothing of it.
    """
    with services.catalog.connect() as connection:
        lack = lacks.lacking(connection, one.collection, one.to_index)
        held = lacks.held(connection, one.to_index)
        standing = lacks.standing(connection, one.collection)
        failures = lacks.failed_in(connection, one, one.to_index, NAMED)
    chunks, points = sum(each.chunks for each in held), 0
    for piece in slices((each.version_id for each in held), COUNTED):
        points += services.store.count(one.to_index, Filter(live=True, version_ids=tuple(piece)))
    report = {"documents": len(held), "failed": lack["failed"], "chunks": chunks, "points": points}
    reasons = _of_failures(services, one, (lack["failed"], len(held), standing), failures)
    if points != chunks:
        reasons.append(f"there are {chunks} chunks and {points} points")
    return Findings(report, tuple(reasons))


def named(failures: Sequence[Mapping[str, str]], number: int) -> str:
    """The first sources of failures, and how many more there are."""
    sources = ", ".join(one["source"] for one in failures[:NAMED])
    return f"{sources} and {number - NAMED} more" if number > NAMED else sources


def _of_failures(
    services: Services, one: Reindex, numbers: tuple[int, int, int], failures: Sequence[Mapping[str, str]]
) -> list[str]:
    """Why what failed forbids the switch. `numbers`: documents that failed, that the index holds, that readers see."""
    (failed, held, standing), most = numbers, services.settings.reindex_failed
    if standing and not held:
        return [f"the new index holds no document, the old one {standing}"]
    if failed and not one.options.allow_failed:
        return [f"{failed} documents failed in the new index: {named(failures, failed)}"]
    share = failed / standing if standing else 0.0
    if share > most:
        return [f"{failed} documents failed in the new index, {share:.0%} of all; `reindex_failed` allows {most:.0%}"]
    return []


def _sample(connection: Connection, one: Reindex) -> list[str]:
    """Versions in the new index, chosen by chance, the same at every try."""
    every = [each.version_id for each in lacks.held(connection, one.to_index)]
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
