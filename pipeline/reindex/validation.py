"""The gate: whether a new index is whole, and finds what it should. Nothing is changed here."""

from __future__ import annotations

import random
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

from pipeline import rpc
from pipeline.catalog import Connection
from pipeline.catalog.database.id_lists import split_list
from pipeline.catalog.documents import live_versions
from pipeline.catalog.index import indexes, missing
from pipeline.catalog.index.indexes import Index
from pipeline.catalog.index.missing import Held
from pipeline.catalog.index.reindexes import Reindex
from pipeline.services import Services
from pipeline.settings import Settings
from pipeline.vectorstore.base import Filter, Hit, Query

__all__ = ["NAMED", "Findings", "Reason", "counts", "judged", "measure", "named"]

QUESTIONS = 24
HITS = 10
MOST_HITS = 640
"""Hits that are asked for at most to have `HITS` documents: many may be of one."""

WORDS = 12
"""Words of a passage that make a question."""

ANSWER_S = 120.0

COUNTED = 500
"""Versions whose points are counted by one question to the store."""

NAMED = 5
"""Documents that a refusal names; the status lists more."""

MOST_BROKEN = 1000
"""After so many documents whose points are wrong, their neighbours are not looked at one by one any more."""


ANEW = "start the workers anew and resume"
INDEXING = f"A server may still be indexing: resume later, or set `reindex_recall` lower, {ANEW}."
COMPARE = f"If it is meant to find other documents, set `reindex_overlap` lower, {ANEW}; else cancel."
COMPARED = {
    "overlap": "of the first ten documents of the old index",
    "refound": "of the documents that the old index finds by their own passages",
}


class Reason(NamedTuple):
    """Why not to switch: a word for programs, what is wrong, and what can be done about it."""

    kind: str
    told: str
    advice: str


UNREAD = Reason("unread", "no passage of it could be read", "Resume; if that does not help, cancel and begin anew.")


@dataclass(frozen=True, slots=True)
class Findings:
    """What the gate found: figures for the report, and why not to switch; no reasons are a pass.

    `broken` are versions in the new index whose points are not their chunks.
    """

    report: dict[str, Any]
    reasons: tuple[Reason, ...]
    broken: tuple[str, ...] = ()

    @property
    def refusal(self) -> str:
        """All reasons, then all advice."""
        told, advice = "; ".join(one.told for one in self.reasons), " ".join(one.advice for one in self.reasons)
        return f"The gate refuses: {told}. {advice}"


class Answers(NamedTuple):
    """What the two indexes answered to one question: hits of the new one, and first documents of both in their order.

    `own` is the document that the question was taken from.
    """

    own: str
    found: set[str]
    exact: set[str]
    new: list[str]
    old: list[str]


def measure(services: Services, one: Reindex) -> Findings:
    """Ask questions of both indexes: recall@10 of the new one against exact search, and what it shares with the old.

    The questions are beginnings of passages of the collection itself.
    """
    with services.catalog.connect() as connection:
        old, new = indexes.get(connection, one.from_index), indexes.get(connection, one.to_index)
        sampled = _sample(connection, one)
    answers = [
        _answers(services, (old, new), held.document_id, text) for held, text in _questions(services, new, sampled)
    ]
    report = {
        "questions": len(answers),
        "recall": _mean([_share(each.found, each.exact) for each in answers]),
        "overlap": _mean([_overlap(each.new, each.old) for each in answers]),
        "refound": _mean([float(each.own in each.new) for each in answers if each.own in each.old]),
    }
    if not answers:
        return Findings(report, (UNREAD,) if sampled else ())
    same_chunks = _cutting(services, old) == _cutting(services, new)
    compared = ("overlap" if same_chunks else "refound") if old.fingerprint == new.fingerprint else None
    return Findings(report, judged(report, services.settings, compared))


def judged(report: Mapping[str, Any], settings: Settings, compared: str | None) -> tuple[Reason, ...]:
    """Why these figures forbid the switch. `compared`: which of them tells what the two indexes have in common.

    With another model they need not agree (None). Other chunks of the same texts rank other documents behind the first
    one, the more so where all are alike: then only what the questions were taken from has to be found again.
    """
    reasons, least = list[Reason](), settings.reindex_recall
    if report["recall"] < least:
        told = f"recall@10 is {report['recall']:.3f}, `reindex_recall` asks for {least}"
        reasons.append(Reason("recall", told, INDEXING))
    least = settings.reindex_overlap
    if compared is not None and report[compared] < least:
        told = f"{COMPARED[compared]} it finds {report[compared]:.3f}, `reindex_overlap` asks for {least}"
        reasons.append(Reason("overlap", told, COMPARE))
    return tuple(reasons)


def counts(services: Services, one: Reindex) -> Findings:
    """Whether every document is there and every chunk is a point; while nothing moves in the collection.

    Points are counted by the versions that the new index holds: those of deleted or replaced ones, which are removed
    later, say nothing of it.
    """
    with services.catalog.connect() as connection:
        lack = missing.lacking(connection, one.collection, one.to_index)
        held = missing.held(connection, one.to_index)
        standing = live_versions.count_documents(connection, one.collection)
        failures = missing.failed_in(connection, one, one.to_index, NAMED)
    chunks, points, broken = sum(each.chunks for each in held), 0, list[str]()
    for piece in split_list(held, COUNTED):
        number = _points(services, one, piece)
        points += number
        if number != sum(each.chunks for each in piece):
            whole = len(broken) >= MOST_BROKEN
            broken += [each.version_id for each in piece] if whole else _broken(services, one, piece)
    report = {"documents": len(held), "failed": lack["failed"], "chunks": chunks, "points": points}
    reasons = _of_failures(services, one, (lack["failed"], len(held), standing), failures)
    if broken:
        told = f"there are {chunks} chunks and {points} points"
        reasons.append(
            Reason("points", told, f"Resume: the documents that are not whole, {len(broken)}, are made anew.")
        )
    return Findings(report, tuple(reasons), tuple(broken))


def named(failures: Sequence[Mapping[str, str]], number: int) -> str:
    """The first sources of failures, and how many more there are."""
    sources = ", ".join(one["source"] for one in failures[:NAMED])
    return f"{sources} and {number - NAMED} more" if number > NAMED else sources


def _of_failures(
    services: Services, one: Reindex, numbers: tuple[int, int, int], failures: Sequence[Mapping[str, str]]
) -> list[Reason]:
    """Why what failed forbids the switch. `numbers`: documents that failed, that the index holds, that readers see."""
    (failed, held, standing), most = numbers, services.settings.reindex_failed
    if standing and not held:
        told = f"the new index holds no document, the old one {standing}"
        return [Reason("empty", told, "Mend what failed and resume.")]
    told, share = f"{failed} documents failed in the new index", failed / standing if standing else 0.0
    if failed and not one.options.allow_failed:
        advice = "Mend them and resume, or resume with --allow-failed, without them."
        return [Reason("failed", f"{told}: {named(failures, failed)}", advice)]
    if share > most:
        told = f"{told}, {share:.0%} of all; `reindex_failed` allows {most:.0%}"
        return [Reason("too_many_failed", told, f"Mend them and resume, or set `reindex_failed` higher, {ANEW}.")]
    return []


def _sample(connection: Connection, one: Reindex) -> list[Held]:
    """Versions in the new index, chosen by chance, the same at every try."""
    every = missing.held(connection, one.to_index)
    return random.Random(one.id).sample(every, min(QUESTIONS, len(every)))  # noqa: S311 - no secret


def _questions(services: Services, index: Index, sampled: Sequence[Held]) -> Iterator[tuple[Held, str]]:
    anything = [1.0] + [0.0] * (index.fingerprint.dim - 1)
    for held in sampled:
        query = Query("dense", 1, anything, where=Filter(version_ids=(held.version_id,)))
        hits = services.store.search(index.name, query)
        words = str(hits[0].payload.get("text", "")).split()[:WORDS] if hits else []
        if words:
            yield held, " ".join(words)


def _answers(services: Services, pair: tuple[Index, Index], own: str, question: str) -> Answers:
    old, new = pair
    asked, before = (_vector(services, index, question) for index in (new, old))
    found, exact = (_hits(services, new, asked, HITS, exact=exact) for exact in (False, True))
    ids = [{hit.id for hit in hits} for hits in (found, exact)]
    return Answers(own, ids[0], ids[1], _documents(services, new, asked), _documents(services, old, before))


def _vector(services: Services, index: Index, question: str) -> list[float]:
    told = rpc.call(services.redis, "embed", "embed_query", {"text": question, "index": index.name}, ANSWER_S)
    return [float(value) for value in told]


def _hits(services: Services, index: Index, vector: list[float], limit: int, *, exact: bool = False) -> list[Hit]:
    query = Query("dense", limit, vector, where=Filter(live=True), exact=exact)
    return services.store.search(index.name, query)


def _documents(services: Services, index: Index, vector: list[float]) -> list[str]:
    """The first documents in their order, each once: the smaller the chunks, the more hits are of one document."""
    limit, found = HITS, list[str]()
    while limit <= MOST_HITS:
        hits = _hits(services, index, vector, limit)
        found = list(dict.fromkeys(str(hit.payload["document_id"]) for hit in hits))[:HITS]
        if len(found) == HITS or len(hits) < limit:
            break
        limit *= 4
    return found


def _overlap(new: list[str], old: list[str]) -> float:
    """What two orders share at their beginnings, as far as both are known."""
    length = min(len(new), len(old)) or len(old)
    return _share(set(new[:length]), set(old[:length]))


def _points(services: Services, one: Reindex, held: Sequence[Held]) -> int:
    ids = tuple(each.version_id for each in held)
    return services.store.count(one.to_index, Filter(live=True, version_ids=ids))


def _broken(services: Services, one: Reindex, held: Sequence[Held]) -> list[str]:
    """Those whose points are not their chunks, found by halves."""
    if _points(services, one, held) == sum(each.chunks for each in held):
        return []
    if len(held) == 1:
        return [held[0].version_id]
    middle = len(held) // 2
    return _broken(services, one, held[:middle]) + _broken(services, one, held[middle:])


def _cutting(services: Services, index: Index) -> tuple[int, int]:
    return services.models.chunk_tokens(index.spec), index.spec.overlap_tokens


def _share(found: set[str], wanted: set[str]) -> float:
    return len(found & wanted) / len(wanted) if wanted else 1.0


def _mean(values: Sequence[float]) -> float:
    return round(sum(values) / len(values), 4) if values else 1.0
