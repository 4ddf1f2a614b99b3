"""Validate a second index before the cutover: is it complete, and does search find in it what it should.

Nothing is changed here. `measure_search` and `count_points` read both indexes; `judge_search` and `_judge_failures`
decide over the figures.
"""

from __future__ import annotations

import random
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

from pipeline import rpc
from pipeline.catalog import Connection
from pipeline.catalog.database.id_lists import split_list
from pipeline.catalog.documents import live_versions
from pipeline.catalog.index import indexes
from pipeline.catalog.index.indexes import Index
from pipeline.catalog.reindex import missing_documents
from pipeline.catalog.reindex.missing_documents import IndexedVersion
from pipeline.catalog.reindex.reindexes import Reindex
from pipeline.services import Services
from pipeline.settings import Settings
from pipeline.vectorstore.base import Filter, Hit, Query

__all__ = ["SOURCES_LISTED", "ValidationResult", "count_points", "judge_search", "list_sources", "measure_search"]

QUESTIONS = 24
HITS = 10
MAX_HITS = 640
"""Hits requested at most to get `HITS` documents: many hits may be of one document."""

QUESTION_WORDS = 12
"""A question is the first so many words of a passage."""

EMBED_TIMEOUT_S = 120.0

VERSIONS_PER_COUNT = 500
"""Versions whose points one request to the store counts."""

SOURCES_LISTED = 5
"""Failed documents that a message lists by source; the status of a re-index lists more."""

MAX_INCOMPLETE = 1000
"""From so many incomplete documents on, a group with a wrong count is not searched for the ones that are wrong."""

RESTART = "start the workers anew and resume"
RECALL_HINT = f"A server may still be indexing: resume later, or set `reindex_recall` lower, {RESTART}."
OVERLAP_HINT = f"If it is meant to find other documents, set `reindex_overlap` lower, {RESTART}; else cancel."
COMPARISONS = {
    "overlap": "of the first ten documents of the old index",
    "refound": "of the documents that the old index finds by their own passages",
}


class Reason(NamedTuple):
    """Why the cutover is refused: `kind` for programs, the message, and what the user can do about it."""

    kind: str
    message: str
    hint: str


UNREADABLE = Reason("unread", "no passage of it could be read", "Resume; if that does not help, cancel and begin anew.")


@dataclass(frozen=True, slots=True)
class ValidationResult:
    """Figures for the report, and why the cutover is refused; without reasons the index has passed.

    `incomplete` are ids of versions in the second index whose number of points differs from their number of chunks.
    """

    report: dict[str, Any]
    reasons: tuple[Reason, ...]
    incomplete: tuple[str, ...] = ()

    @property
    def refusal(self) -> str:
        """The message for the user: all reasons, then all hints."""
        messages = "; ".join(reason.message for reason in self.reasons)
        hints = " ".join(reason.hint for reason in self.reasons)
        return f"The gate refuses: {messages}. {hints}"


class Answers(NamedTuple):
    """What both indexes answered to one question.

    document_id      the document that the question was taken from
    approximate      ids of the new index's first hits
    exact            the same by exact search
    new, old         ids of the first documents, best first, of each index
    """

    document_id: str
    approximate: set[str]
    exact: set[str]
    new: list[str]
    old: list[str]


def measure_search(services: Services, reindex: Reindex) -> ValidationResult:
    """Ask both indexes the same questions, which are beginnings of passages of the collection itself.

    The report has recall@10 of the new index against exact search, and what it has in common with the old one.
    """
    with services.catalog.connect() as connection:
        old, new = indexes.get(connection, reindex.from_index), indexes.get(connection, reindex.to_index)
        sample = _sample(connection, reindex)
    answers = [
        _ask_both(services, (old, new), version.document_id, question)
        for version, question in _questions(services, new, sample)
    ]
    report = _figures(answers)
    if not answers:
        return ValidationResult(report, (UNREADABLE,) if sample else ())
    same_chunks = services.cutting(old.spec) == services.cutting(new.spec)
    comparison = ("overlap" if same_chunks else "refound") if old.fingerprint == new.fingerprint else None
    return ValidationResult(report, judge_search(report, services.settings, comparison))


def judge_search(report: Mapping[str, Any], settings: Settings, comparison: str | None) -> tuple[Reason, ...]:
    """Why these figures forbid the cutover.

    Args:
        report: recall, overlap and refound, each from 0 to 1.
        settings: the bounds.
        comparison: which figure compares the two indexes. None for another model: the two need not agree then. Where
            only the chunks differ it is `refound`: other chunks of the same texts rank other documents behind the
            first one, so only the documents that the questions were taken from must be found again.
    """
    reasons, bound = list[Reason](), settings.reindex_recall
    if report["recall"] < bound:
        message = f"recall@10 is {report['recall']:.3f}, `reindex_recall` asks for {bound}"
        reasons.append(Reason("recall", message, RECALL_HINT))
    bound = settings.reindex_overlap
    if comparison is not None and report[comparison] < bound:
        message = f"{COMPARISONS[comparison]} it finds {report[comparison]:.3f}, `reindex_overlap` asks for {bound}"
        reasons.append(Reason("overlap", message, OVERLAP_HINT))
    return tuple(reasons)


def count_points(services: Services, reindex: Reindex) -> ValidationResult:
    """Check that each document is in the new index and each chunk has a point. New work in the collection is frozen.

    Only points of versions in the new index are counted: points of deleted or replaced documents are removed later.
    """
    with services.catalog.connect() as connection:
        failed = missing_documents.count_missing(connection, reindex.collection, reindex.to_index)["failed"]
        versions = missing_documents.indexed_versions(connection, reindex.to_index)
        standing = live_versions.count_documents(connection, reindex.collection)
        failures = missing_documents.failures_in_index(connection, reindex, reindex.to_index, SOURCES_LISTED)
    chunks, points, incomplete = sum(version.chunks for version in versions), 0, list[str]()
    for group in split_list(versions, VERSIONS_PER_COUNT):
        number = _count(services, reindex, group)
        points += number
        if number != sum(version.chunks for version in group):
            too_many = len(incomplete) >= MAX_INCOMPLETE
            all_ids = [version.version_id for version in group]
            incomplete += all_ids if too_many else _bisect_incomplete(services, reindex, group)
    report = {"documents": len(versions), "failed": failed, "chunks": chunks, "points": points}
    reasons = _judge_failures(report, standing, reindex.options.allow_failed, services.settings, failures)
    if incomplete:
        hint = f"Resume: the documents that are not whole, {len(incomplete)}, are made anew."
        reasons.append(Reason("points", f"there are {chunks} chunks and {points} points", hint))
    return ValidationResult(report, tuple(reasons), tuple(incomplete))


def _judge_failures(
    report: Mapping[str, Any],
    standing: int,
    allow_failed: bool,
    settings: Settings,
    failures: Sequence[Mapping[str, str]],
) -> list[Reason]:
    """Why documents that failed in the new index forbid the cutover.

    Args:
        report: `documents` in the new index, and how many `failed` there.
        standing: documents that readers see now.
        allow_failed: the user accepts that failed documents are not searchable afterwards.
        settings: the share that may fail even then.
        failures: the first ones, for the message.
    """
    failed, limit = report["failed"], settings.reindex_failed
    if standing and not report["documents"]:
        message = f"the new index holds no document, the old one {standing}"
        return [Reason("empty", message, "Remove the cause of the failures and resume.")]
    message, share = f"{failed} documents failed in the new index", failed / standing if standing else 0.0
    if failed and not allow_failed:
        hint = "Remove the cause and resume, or resume with --allow-failed, without them."
        return [Reason("failed", f"{message}: {list_sources(failures, failed)}", hint)]
    if share > limit:
        message = f"{message}, {share:.0%} of all; `reindex_failed` allows {limit:.0%}"
        return [
            Reason(
                "too_many_failed", message, f"Remove the cause and resume, or set `reindex_failed` higher, {RESTART}."
            )
        ]
    return []


def list_sources(failures: Sequence[Mapping[str, str]], number: int) -> str:
    """The first sources of failures for a message, and how many more of `number` there are."""
    sources = ", ".join(failure["source"] for failure in failures[:SOURCES_LISTED])
    return f"{sources} and {number - SOURCES_LISTED} more" if number > SOURCES_LISTED else sources


def _sample(connection: Connection, reindex: Reindex) -> list[IndexedVersion]:
    """Versions of the new index, chosen at random, the same ones at each attempt."""
    versions = missing_documents.indexed_versions(connection, reindex.to_index)
    return random.Random(reindex.id).sample(versions, min(QUESTIONS, len(versions)))  # noqa: S311 - no secret


def _questions(
    services: Services, index: Index, sample: Sequence[IndexedVersion]
) -> Iterator[tuple[IndexedVersion, str]]:
    any_vector = [1.0] + [0.0] * (index.fingerprint.dim - 1)
    for version in sample:
        query = Query("dense", 1, any_vector, where=Filter(version_ids=(version.version_id,)))
        hits = services.store.search(index.name, query)
        words = str(hits[0].payload.get("text", "")).split()[:QUESTION_WORDS] if hits else []
        if words:
            yield version, " ".join(words)


def _ask_both(services: Services, pair: tuple[Index, Index], document_id: str, question: str) -> Answers:
    old, new = pair
    new_vector, old_vector = (_embed(services, index, question) for index in (new, old))
    approximate = {hit.id for hit in _hits(services, new, new_vector, HITS)}
    exact = {hit.id for hit in _hits(services, new, new_vector, HITS, exact=True)}
    documents = (_documents(services, new, new_vector), _documents(services, old, old_vector))
    return Answers(document_id, approximate, exact, *documents)


def _embed(services: Services, index: Index, question: str) -> list[float]:
    request = {"text": question, "index": index.name}
    vector = rpc.call(services.redis, "embed", "embed_query", request, EMBED_TIMEOUT_S)
    return [float(value) for value in vector]


def _hits(services: Services, index: Index, vector: list[float], limit: int, *, exact: bool = False) -> list[Hit]:
    query = Query("dense", limit, vector, where=Filter(live=True), exact=exact)
    return services.store.search(index.name, query)


def _documents(services: Services, index: Index, vector: list[float]) -> list[str]:
    """Ids of the first documents, each once, best first. The smaller the chunks, the more hits are of one document."""
    limit, documents = HITS, list[str]()
    while limit <= MAX_HITS:
        hits = _hits(services, index, vector, limit)
        documents = list(dict.fromkeys(str(hit.payload["document_id"]) for hit in hits))[:HITS]
        if len(documents) == HITS or len(hits) < limit:
            break
        limit *= 4
    return documents


def _figures(answers: Sequence[Answers]) -> dict[str, Any]:
    return {
        "questions": len(answers),
        "recall": _mean([_share(answer.approximate, answer.exact) for answer in answers]),
        "overlap": _mean([_overlap(answer.new, answer.old) for answer in answers]),
        "refound": _mean(
            [float(answer.document_id in answer.new) for answer in answers if answer.document_id in answer.old]
        ),
    }


def _overlap(new: list[str], old: list[str]) -> float:
    """Share of common documents at the beginnings of two rankings, as far as both are known."""
    length = min(len(new), len(old)) or len(old)
    return _share(set(new[:length]), set(old[:length]))


def _count(services: Services, reindex: Reindex, versions: Sequence[IndexedVersion]) -> int:
    ids = tuple(version.version_id for version in versions)
    return services.store.count(reindex.to_index, Filter(live=True, version_ids=ids))


def _bisect_incomplete(services: Services, reindex: Reindex, versions: Sequence[IndexedVersion]) -> list[str]:
    """Ids of the versions whose points differ in number from their chunks, found by halving."""
    if _count(services, reindex, versions) == sum(version.chunks for version in versions):
        return []
    if len(versions) == 1:
        return [versions[0].version_id]
    half = len(versions) // 2
    left, right = versions[:half], versions[half:]
    return _bisect_incomplete(services, reindex, left) + _bisect_incomplete(services, reindex, right)


def _share(present: set[str], wanted: set[str]) -> float:
    return len(present & wanted) / len(wanted) if wanted else 1.0


def _mean(values: Sequence[float]) -> float:
    return round(sum(values) / len(values), 4) if values else 1.0
