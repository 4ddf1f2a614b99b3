"""Chunk: cut the texts of a batch into chunks, and fill chunk batches across its documents."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import structlog

from extractors.document import Document
from extractors.errors import Empty, ExtractError
from pipeline import retries
from pipeline.catalog import Connection
from pipeline.catalog.documents.versions import describe_versions
from pipeline.catalog.index import indexes
from pipeline.catalog.work import attempt_counters, attempts, batch_documents, batches, turns
from pipeline.catalog.work.batch_documents import BatchedAttempt
from pipeline.catalog.work.failures import Failure
from pipeline.catalog.work.ledger import Claim
from pipeline.composition.plugins import find_chunker
from pipeline.plan import CHUNKER_VERSION, IndexSpec, Plan
from pipeline.services import Services
from pipeline.spool import Spool
from pipeline.stages.artifacts import Part, part_key
from pipeline.stages.batch_texts import Texts, about
from pipeline.stages.chunking import cut, with_lines
from pipeline.stages.done import Done, FanOut
from pipeline.stages.extract import describe, failure_of
from pipeline.stages.shares import share
from pipeline.types import About, Chunk

__all__ = ["cut_as_planned", "fill", "work"]

log = structlog.get_logger()

CHARS_AT_ONCE = 20_000_000
"""Characters that one task cuts; the other documents of the batch start again, each in a batch of its own."""


@dataclass
class Cuts:
    """Results of cutting a batch: chunks and payload facts by attempt, catalog facts by version."""

    chunks: dict[str, list[Chunk]] = field(default_factory=dict)
    about: dict[str, About] = field(default_factory=dict)
    facts: dict[str, dict[str, object]] = field(default_factory=dict)
    failed: dict[str, Failure] = field(default_factory=dict)
    apart: list[str] = field(default_factory=list)
    chars: int = 0


def work(services: Services, claim: Claim) -> Done:
    """Cut every document of the batch, and write the chunk batches for `embed`."""
    with services.catalog.connect() as connection:
        current = batch_documents.running(connection, claim.batch_id)
        spec = indexes.get(connection, current[0].index).spec if current else None
    cuts = Cuts()
    if spec is None:
        return _done(services, claim, cuts, [])
    services.models.tokenizer(spec)  # if it cannot be loaded, that is no fault of a document
    texts = Texts(services, claim)
    for attempt in current:
        if cuts.chars > CHARS_AT_ONCE:
            cuts.apart.append(attempt.attempt_id)
            continue
        try:
            _cut(services, (spec, claim.plan), attempt, texts.load(attempt), cuts)
            texts.keep(attempt)  # only now: a damaged text would have raised an error
        except ExtractError as error:
            cuts.failed[attempt.attempt_id] = failure_of(services, "chunk", error, attempt.ocr)
        except Exception as error:  # its text is damaged, or the chunker fails on it: the other documents continue
            if len(current) == 1 or retries.is_service_error(error):
                raise
            log.exception("document.set_apart", document=attempt.document_id)
            cuts.apart.append(attempt.attempt_id)
    parts = fill(cuts.chunks, services.settings.chunk_batch_size)
    for number, part in enumerate(parts):
        _save(services.spool, part_key(claim.batch_id, number), part, cuts.about)
    return _done(services, claim, cuts, parts)


def fill(chunks: dict[str, list[Chunk]], size: int) -> list[list[tuple[str, Chunk]]]:
    """Fill chunk batches of at most `size` across documents, chunks of similar length together.

    Sorting the whole batch avoids padding: .99 of the tokens that the model reads are useful, against .80 when
    each call sorts its own texts.
    """
    pairs = [(attempt_id, chunk) for attempt_id, cuts in chunks.items() for chunk in cuts]
    pairs.sort(key=lambda pair: pair[1].tokens, reverse=True)
    return [pairs[start : start + size] for start in range(0, len(pairs), size)]


def cut_as_planned(services: Services, how: tuple[IndexSpec, Plan], document: Document) -> list[Chunk]:
    """Cut a document by the settings of its index and of the plan.

    Raises:
        Empty: it has no chunk.
    """
    spec, plan = how
    chunker = plan.cutting.get("chunker")
    tokenizer, cutting = services.models.tokenizer(spec), services.cutting(spec, plan)
    chunks = (find_chunker(chunker) if chunker else cut)(document, tokenizer, *cutting)
    if not chunks:
        raise Empty
    return with_lines(document, chunks) if chunker else chunks


def _cut(
    services: Services, how: tuple[IndexSpec, Plan], attempt: BatchedAttempt, document: Document, cuts: Cuts
) -> None:
    chunks = cut_as_planned(services, how, document)
    cuts.chunks[attempt.attempt_id] = chunks
    cuts.chars += sum(len(chunk.text) for chunk in chunks)
    cuts.about[attempt.attempt_id] = about(attempt, document)
    cuts.facts[attempt.version_id] = {
        **describe(document, attempt.source),
        "chunks": len(chunks),
        "chunker": CHUNKER_VERSION,
    }


def _save(spool: Spool, key: str, part: Sequence[tuple[str, Chunk]], about: dict[str, About]) -> None:
    needed = {attempt_id: about[attempt_id] for attempt_id, _ in part}
    Part(tuple(part), needed).save(spool, key)


def _done(services: Services, claim: Claim, cuts: Cuts, parts: list[list[tuple[str, Chunk]]]) -> Done:
    at_once = share(services.settings, services.settings.embed_processes)

    def record(connection: Connection) -> None:
        attempts.fail(connection, cuts.failed)
        batches.create_for_each(connection, claim.job_id, claim.priority, cuts.apart, claim.plan)
        describe_versions(connection, cuts.facts)
        attempt_counters.set_chunks(connection, {attempt_id: len(chunks) for attempt_id, chunks in cuts.chunks.items()})
        attempts.advance(connection, list(cuts.chunks), "embedding")
        turns.add(connection, claim.batch_id, claim.plan.fan[0], list(map(_detail, parts)), at_once)

    facts = {"documents": len(cuts.chunks), "chunks": sum(map(len, parts)), "parts": len(parts)}
    return Done(record, FanOut(len(parts), at_once), admit=bool(cuts.apart), facts=facts)


def _detail(part: Sequence[tuple[str, Chunk]]) -> dict[str, object]:
    return {"attempts": sorted({attempt_id for attempt_id, _ in part})}
