"""Custom: run a declared stage on each document alone, check what it returns, and store it."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from functools import partial

import structlog

from extractors.document import Document, Section, Table
from extractors.errors import ExtractError
from pipeline import retries
from pipeline.catalog import Connection
from pipeline.catalog.work import attempt_counters, attempts, batch_documents, events
from pipeline.catalog.work.batch_documents import BatchedAttempt
from pipeline.catalog.work.failures import Failure
from pipeline.catalog.work.ledger import Claim
from pipeline.composition.decorator import Stage, find_stage
from pipeline.errors import PipelineError, StageFailed
from pipeline.errors.problem import problem_of
from pipeline.errors.trace import trace_of
from pipeline.plan import Step
from pipeline.services import Services
from pipeline.spool import write_json
from pipeline.stages.artifacts import Part, kept_document, load_part, part_before, part_key, text_key
from pipeline.stages.batch_texts import Texts, about
from pipeline.stages.done import Done
from pipeline.types import About, Chunk

__all__ = ["work"]

log = structlog.get_logger()


def work(services: Services, claim: Claim) -> Done:
    """Run the claim's step on the batch's documents, or on one chunk batch."""
    step, stage = step_of(claim)
    return _chunks(services, claim, step, stage) if stage.kind == "chunks" else _documents(services, claim, step, stage)


def step_of(claim: Claim) -> tuple[Step, Stage]:
    """Return the step of the claim, and its stage in this installation.

    Raises:
        StageFailed: this worker does not have the stage.
    """
    step = claim.plan.step(claim.stage)
    stage = find_stage(step.stage) if step is not None else None
    if step is None or stage is None:
        raise StageFailed(f"The stage {claim.stage} is not installed where its worker runs.", "Install it there.")
    return step, stage


def run_document_stage(stage: Stage, step: Step, document: Document, facts: About) -> Document:
    """Run a document stage on a document.

    Raises:
        StageFailed: it returns no document, or one whose sections or tables lie outside its text.
        Exception: the function raised it.
    """
    result = stage.run(document, facts, step.options)
    if not isinstance(result, Document) or not result.pages:
        raise StageFailed(f"The stage {step.key} gave {type(result).__name__} instead of a document with pages.")
    length = len(result.text.encode("utf-8", "strict").decode())
    spans: tuple[Section | Table, ...] = (*result.sections, *result.tables)
    if any(not 0 <= span.char_start <= span.char_end <= length for span in spans):
        raise StageFailed(
            f"The stage {step.key} changed the text and left a section or a table outside of it.",
            "Change texts with Document.rewritten, which moves sections and tables too.",
        )
    return result


def run_chunk_stage(stage: Stage, step: Step, chunks: list[Chunk], facts: About) -> list[Chunk]:
    """Run a chunk stage on the chunks of one document. It may set their metadata and leave some out.

    Raises:
        StageFailed: it returns anything else.
        Exception: the function raised it.
    """
    result = stage.run(list(chunks), facts, step.options)
    known = {chunk.order: chunk for chunk in chunks}
    if not isinstance(result, list) or not all(isinstance(chunk, Chunk) for chunk in result):
        raise StageFailed(f"The stage {step.key} gave {type(result).__name__} instead of a list of chunks.")
    if len({chunk.order for chunk in result}) < len(result) or any(
        chunk.order not in known or replace(chunk, metadata=known[chunk.order].metadata) != known[chunk.order]
        for chunk in result
    ):
        raise StageFailed(
            f"The stage {step.key} changed the text or the place of a chunk.",
            "A chunk stage may set metadata and leave chunks out; change texts in a stage on documents.",
        )
    json.dumps([chunk.metadata for chunk in result], allow_nan=False)
    return result


def _documents(services: Services, claim: Claim, step: Step, stage: Stage) -> Done:
    with services.catalog.connect() as connection:
        current = batch_documents.running(connection, claim.batch_id)
    texts, failed = Texts(services, claim), dict[str, Failure]()

    def run_one(attempt: BatchedAttempt) -> None:
        key = text_key(claim.batch_id, attempt.attempt_id, step.key)
        if kept_document(services.spool, key) is None:
            document = texts.load(attempt)
            made = run_document_stage(stage, step, document, about(attempt, document))
            write_json(services.spool, key, made.to_json())
            texts.keep(attempt)

    for attempt in current:
        _call_alone(claim, attempt.attempt_id, partial(run_one, attempt), failed)

    def record(connection: Connection) -> None:
        attempts.fail(connection, failed)
        _record_event(connection, claim, [attempt for attempt in current if attempt.attempt_id not in failed])

    facts = {"documents": len(current) - len(failed), "failed": len(failed)}
    return Done(record, facts=facts)


def _chunks(services: Services, claim: Claim, step: Step, stage: Stage) -> Done:
    with services.catalog.connect() as connection:
        current = batch_documents.running(connection, claim.batch_id)
    wanted = [attempt for attempt in current if attempt.attempt_id in claim.detail["attempts"]]
    if not wanted:
        return Done(lambda _connection: None)
    part = load_part(services.spool, part_before(claim.plan, claim.batch_id, claim.part, step.key))
    made, failed = dict[str, list[Chunk]](), dict[str, Failure]()

    def run_one(name: str) -> None:
        chunks = [chunk for attempt_id, chunk in part.chunks if attempt_id == name]
        made[name] = run_chunk_stage(stage, step, chunks, part.documents[name])

    for attempt in wanted:
        _call_alone(claim, attempt.attempt_id, partial(run_one, attempt.attempt_id), failed)
    kept = tuple(_in_order(part, made))
    Part(kept, part.documents).save(services.spool, part_key(claim.batch_id, claim.part, step.key))
    before = {name: sum(owner == name for owner, _ in part.chunks) for name in made}
    dropped = {name: before[name] - len(chunks) for name, chunks in made.items()}

    def record(connection: Connection) -> None:
        attempts.fail(connection, failed)
        attempt_counters.subtract_chunks(connection, dropped, claim.batch_id)
        if claim.part == 0:
            _record_event(connection, claim, [attempt for attempt in wanted if attempt.attempt_id not in failed])

    return Done(record, facts={"chunks": len(kept), "failed": len(failed)})


def _in_order(part: Part, made: dict[str, list[Chunk]]) -> Iterator[tuple[str, Chunk]]:
    """Yield the chunks in the order of the part, which is by length."""
    by_order = {(name, chunk.order): chunk for name, chunks in made.items() for chunk in chunks}
    for name, chunk in part.chunks:
        if (name, chunk.order) in by_order:
            yield name, by_order[name, chunk.order]


def _call_alone(claim: Claim, attempt_id: str, call: Callable[[], None], failed: dict[str, Failure]) -> None:
    """Call a function for one document. An error fails that document, unless a retry is left that may cure it."""
    try:
        call()
    except (Exception, SystemExit) as error:  # an entry point: a plug-in may raise anything
        transient = isinstance(error, Exception) and retries.is_service_error(error)
        if transient and not claim.last_try:
            raise
        failed[attempt_id] = _failure(claim, error, transient)


def _failure(claim: Claim, error: BaseException, transient: bool) -> Failure:
    if isinstance(error, (ExtractError, PipelineError)):
        return Failure(claim.stage, problem_of(error))
    trace = trace_of(error)
    log.warning("document.stage_failed", stage=claim.stage, error=type(error).__name__, trace=trace.id, exc_info=error)
    message = f"The stage {claim.stage} failed: {type(error).__name__}: {error}"
    return Failure(claim.stage, replace(problem_of(StageFailed(message)), transient=transient), trace=trace)


def _record_event(connection: Connection, claim: Claim, done: Sequence[BatchedAttempt]) -> None:
    """Add an event of the step to the timelines of these documents."""
    events.add(connection, f"document.{claim.stage}", ((attempt.job_id, attempt.document_id) for attempt in done))
