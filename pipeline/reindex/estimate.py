"""Estimate what a re-index would do: documents, chunks, stages, time and disk. Nothing is changed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from pipeline.catalog.documents import live_versions
from pipeline.catalog.reindex import missing_documents
from pipeline.catalog.reindex.missing_documents import MissingDocument
from pipeline.catalog.work import throughput
from pipeline.catalog.work.throughput import Throughput
from pipeline.ingest.walk import path_of
from pipeline.reindex.request import ReindexRequest, resolve
from pipeline.results import ReindexPlan
from pipeline.services import Services
from pipeline.spool import original_key
from pipeline.stack.process_plan import cores
from pipeline.stages.kept_texts import text_key_of

__all__ = ["chunk_number", "plan", "seconds_needed", "stage_rates"]

MEASURED = 50
"""The last batches, from which the rates of the stages are taken."""

PAYLOAD_BYTES = 2_500
"""Bytes of a point beside its vectors, roughly: a payload with a text of 256 tokens, and its share of the indexes."""

BYTES_PER_TOKEN = 4


def plan(services: Services, request: ReindexRequest) -> ReindexPlan:
    """What `start` with the same request would do.

    Raises:
        UnknownId: there is no such collection, or no such model.
        Conflict: nothing would change, or parts of the request exclude each other.
    """
    with services.catalog.connect() as connection:
        resolved = resolve(services, connection, request)
        collection = resolved.live.collection
        chosen = missing_documents.list_selected(connection, collection, resolved.options)
        totals = (
            live_versions.count_documents(connection, collection),
            live_versions.count_chunks(connection, collection),
        )
        recent = throughput.of_last_batches(connection, MEASURED)
    tokens = services.models.chunk_tokens(resolved.live.spec), services.models.chunk_tokens(resolved.spec)
    chunks = chunk_number(len(chosen), totals, tokens)
    kept, unreadable = _sources(services, chosen, re_extract=resolved.options.re_extract)
    amounts = _amounts(len(chosen), len(chosen) - kept, chunks)
    return ReindexPlan(
        collection=collection,
        in_place=resolved.in_place,
        from_model=resolved.live.fingerprint.model,
        to_model=resolved.space.model,
        dimensions=resolved.space.dim,
        chunk_tokens=tokens[1],
        documents=len(chosen),
        texts_kept=kept,
        unreadable=unreadable,
        files_gone=kept if resolved.options.re_extract else 0,
        chunks=chunks,
        stages=list(amounts),
        seconds=seconds_needed(amounts, stage_rates(recent, _processes(services))),
        disk_bytes=chunks * (4 * resolved.space.dim + PAYLOAD_BYTES) + chunks * tokens[1] * BYTES_PER_TOKEN,
    )


def _amounts(documents: int, extracted: int, chunks: int) -> dict[str, int]:
    """What each stage has to do: documents, for `embed` and `upsert` chunks; without `extract` if no file is read."""
    amounts = {"chunk": documents, "embed": chunks, "upsert": chunks, "finalize": documents}
    return {"extract": extracted, **amounts} if extracted > 0 else amounts


def chunk_number(chosen: int, totals: tuple[int, int], tokens: tuple[int, int]) -> int:
    """Estimated number of chunks.

    Args:
        chosen: documents that are processed.
        totals: documents and chunks of the whole collection now.
        tokens: tokens of a chunk at most, now and then.
    """
    documents, chunks = totals
    share = chosen / documents if documents else 0.0
    return max(round(chunks * share * tokens[0] / tokens[1]), chosen)


def stage_rates(recent: Throughput, processes: Mapping[str, int]) -> dict[str, float]:
    """Seconds of each stage per document or, for embed and upsert, per chunk, with all processes of the stage."""
    amounts = {
        "extract": recent.documents,
        "chunk": recent.documents,
        "embed": recent.chunks - recent.cached,
        "upsert": recent.chunks,
        "finalize": recent.documents,
    }
    return {
        stage: seconds / amounts[stage] / processes.get(stage, 1)
        for stage, seconds in recent.seconds.items()
        if amounts.get(stage)
    }


def seconds_needed(amounts: Mapping[str, int], rates: Mapping[str, float]) -> float | None:
    """Seconds of all stages together; None without a rate of embed, which takes most of the time."""
    if "embed" not in rates:
        return None
    return round(sum(amount * rates[stage] for stage, amount in amounts.items() if stage in rates), 1)


def _processes(services: Services) -> dict[str, int]:
    extract = services.settings.extract_processes or cores()
    return {"extract": extract, "chunk": extract, "embed": services.settings.embed_processes or cores()}


def _sources(services: Services, chosen: Sequence[MissingDocument], *, re_extract: bool) -> tuple[int, int]:
    """How many documents are processed from their kept text, and how many have neither a text nor a file."""
    kept = unreadable = 0
    for document in chosen:
        if _has_text(services, document):
            kept += not (re_extract and _has_file(services, document))
        else:
            unreadable += not _has_file(services, document)
    return kept, unreadable


def _has_text(services: Services, document: MissingDocument) -> bool:
    key = text_key_of(document.file.content_sha256, document.file.source, document.extraction)
    return services.spool.exists(key)


def _has_file(services: Services, document: MissingDocument) -> bool:
    source = document.file.source
    in_spool = services.spool.exists(original_key(document.file.content_sha256, source))
    return in_spool or (source.startswith("/") and path_of(source).is_file())
