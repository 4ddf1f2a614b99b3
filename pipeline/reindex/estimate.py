"""What a re-index would do: documents, chunks, stages, time and disk. Nothing is changed."""

from __future__ import annotations

from pipeline.catalog import Connection
from pipeline.catalog.documents import live_versions
from pipeline.catalog.index import missing
from pipeline.catalog.index.missing import MissingDocument
from pipeline.catalog.work import throughput
from pipeline.ingest.walk import path_of
from pipeline.reindex.request import ReindexRequest, Target, target_of
from pipeline.results import ReindexPlan
from pipeline.services import Services
from pipeline.spool import original_key
from pipeline.stack.process_plan import cores
from pipeline.stages.kept_texts import text_key_of

__all__ = ["plan"]

MEASURED = 50
"""Batches, the last ones, from which the rates of the stages are taken."""

PAYLOAD_BYTES = 2_500
"""What a point takes beside its vectors, roughly: a payload with a text of 256 tokens, and its share of the indexes."""


def plan(services: Services, wish: ReindexRequest) -> ReindexPlan:
    """What `start` with the same wish would do.

    Raises:
        UnknownId: there is no such collection.
        BadRequest: it asks for nothing, or for what does not go together.
        ModelUnavailable: there is no such model.
    """
    with services.catalog.connect() as connection:
        target = target_of(services, connection, wish)
        meant = missing.wanted(connection, target.live.collection, target.options)
        chunks, characters = _chunks(services, connection, target, meant)
        rates = _rates(connection, services)
    kept = sum(_has_text(services, one, target) for one in meant)
    unreadable = sum(not _is_kept(services, one) and not _has_file(services, one) for one in meant)
    stages = [*(["extract"] if kept < len(meant) else []), "chunk", "embed", "upsert", "finalize"]
    amounts = {"extract": len(meant) - kept, "chunk": len(meant), "embed": chunks, "upsert": chunks,
               "finalize": len(meant)}  # fmt: skip
    known = [amounts[stage] * rates[stage] for stage in stages if stage in rates]
    return ReindexPlan(
        collection=target.live.collection,
        in_place=target.in_place,
        from_model=target.live.fingerprint.model,
        to_model=target.space.model,
        dimensions=target.space.dim,
        chunk_tokens=services.models.chunk_tokens(target.spec),
        documents=len(meant),
        texts_kept=kept,
        unreadable=unreadable,
        chunks=chunks,
        stages=stages,
        seconds=round(sum(known), 1) if "embed" in rates else None,
        disk_bytes=chunks * (4 * target.space.dim + PAYLOAD_BYTES) + characters,
    )


def _chunks(
    services: Services, connection: Connection, target: Target, meant: list[MissingDocument]
) -> tuple[int, int]:
    """Chunks there would be, and bytes of their text: as many as now, or in proportion to their new size."""
    chunks_now = live_versions.count_chunks(connection, target.live.collection)
    total = live_versions.count_documents(connection, target.live.collection)
    part = len(meant) / total if total else 0.0
    models = services.models
    before, after = models.chunk_tokens(target.live.spec), models.chunk_tokens(target.spec)
    number = round(chunks_now * part * before / after)
    number = max(number, len(meant))
    return number, number * after * 4


def _rates(connection: Connection, services: Services) -> dict[str, float]:
    """Seconds per document or, for embed and upsert, per chunk, by all workers of a stage, in the last batches."""
    measured = throughput.of_last_batches(connection, MEASURED)
    amounts = {
        "extract": measured.documents,
        "chunk": measured.documents,
        "embed": measured.chunks - measured.cached,
        "upsert": measured.chunks,
        "finalize": measured.documents,
    }
    workers = {
        "extract": services.settings.extract_processes or cores(),
        "chunk": services.settings.extract_processes or cores(),
        "embed": services.settings.embed_processes or cores(),
    }
    return {
        stage: seconds / amounts[stage] / workers.get(stage, 1)
        for stage, seconds in measured.seconds.items()
        if amounts.get(stage)
    }


def _has_text(services: Services, one: MissingDocument, target: Target) -> bool:
    """Whether the text that was kept is taken."""
    if target.options.re_extract and _has_file(services, one):
        return False
    return _is_kept(services, one)


def _is_kept(services: Services, one: MissingDocument) -> bool:
    return services.spool.exists(text_key_of(one.found.content_sha256, one.found.source, one.extraction))


def _has_file(services: Services, one: MissingDocument) -> bool:
    kept = services.spool.exists(original_key(one.found.content_sha256, one.found.source))
    return kept or (one.found.source.startswith("/") and path_of(one.found.source).is_file())
