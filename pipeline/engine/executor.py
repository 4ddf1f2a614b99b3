"""Run one task: guard → work → commit → publish what follows.

Celery's messages only move the work; the catalog decides what is due. Everything here may run twice.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import replace

import structlog

from pipeline import retries
from pipeline.catalog import Connection
from pipeline.catalog.database.connection import writing
from pipeline.catalog.work import attempt_errors, attempts, batch_documents, batches, events, ledger
from pipeline.catalog.work.failures import Failure
from pipeline.catalog.work.ledger import Claim
from pipeline.engine import stage_traces, turns
from pipeline.engine.admission import admit_safely
from pipeline.engine.canvas import Batch, fan, line, scanned
from pipeline.engine.claims import InOtherHands, hand_back, hold, problem_of_endings, take
from pipeline.engine.liveness import node_of, sign_on
from pipeline.engine.metrics import count, count_chunks
from pipeline.engine.publisher import batch_of, publish
from pipeline.engine.room import with_room
from pipeline.errors import PipelineError
from pipeline.errors.problem import problem_of
from pipeline.errors.trace import trace_of
from pipeline.gates_for_tests import COMMITTED, DROPPED, LOST, RETRIED, WORKED, pass_gate
from pipeline.services import Services
from pipeline.settings.room import LATER, check_room
from pipeline.stages.done import Done, FanOut, OcrFanOut, Work

__all__ = ["InOtherHands", "Transient", "follow", "give_up", "pass_over", "run"]

log = structlog.get_logger()

RECONCILER = "reconciler"
"""The runner in the claim of a task that the reconciler claims in order to fail it."""


class Transient(Exception):
    """The task must be retried; `__cause__` is the error."""


def run(services: Services, runner: str, work: Work, task_id: str, tries: int) -> None:
    """Do one task, unless it is done or its batch has ended.

    Args:
        services: those of this process.
        runner: this process, which holds the claim.
        work: the stage's function.
        task_id: id in the ledger, which is Celery's id too.
        tries: how often Celery has retried the task so far.

    Raises:
        Transient: it failed with an error that a retry can cure; the caller retries it later.
        InOtherHands: a living process does it; what follows the task is published by that one.
    """
    with hold(services, task_id):
        claim = with_room(services, lambda: take(services, runner, task_id))
        if claim is None:
            log.info("task.dropped", task=task_id)
            pass_gate(DROPPED, task_id, node_of(runner))
        else:
            _perform(services, work, replace(claim, last_try=tries >= services.settings.max_retries), runner)


def _perform(services: Services, work: Work, claim: Claim, runner: str) -> None:
    began = time.monotonic()
    trace = stage_traces.begin(services, claim)
    with structlog.contextvars.bound_contextvars(
        request=claim.request_id,
        job=claim.job_id,
        batch=claim.batch_id,
        stage=claim.stage,
        part=claim.part,
        **stage_traces.log_fields(trace),
    ):
        _pass_gate(claim, runner)
        try:
            done = with_room(services, lambda: _work(services, work, claim, runner), stage=claim.stage)
        except Transient:
            count(services.redis, claim.stage, "retried", time.monotonic() - began)
            stage_traces.end(services, claim, runner, trace, "retried")
            _pass_gate(claim, runner, RETRIED)
            raise
        committed = _settle(services, claim, runner, done)
        seconds, outcome = time.monotonic() - began, done.outcome if committed else "lost"
        count(services.redis, claim.stage, outcome, seconds)
        stage_traces.end(services, claim, runner, trace, outcome)
        if committed:
            count_chunks(services.redis, done.facts or {})
            log.info("stage.done", ms=round(seconds * 1000), **(done.facts or {}))


def _settle(services: Services, claim: Claim, runner: str, done: Done) -> bool:
    """Commit what a task has done, publish what follows it, and clean up; whether it was committed."""
    _pass_gate(claim, runner, WORKED)
    committed = _commit_or_hand_back(services, claim, runner, done)
    _pass_gate(claim, runner, COMMITTED if committed else LOST)
    if committed:
        _publish_next(services, claim, done)
    _clean_up(done.tidy if committed else done.lost, claim)
    return committed


def give_up(services: Services, task_id: str, cause: Failure) -> None:
    """Fail the documents of a task whose stage no worker has; the other documents of its batch continue."""
    claim = _claim_for_reconciler(services, task_id)
    if claim is not None and _commit(services, claim, RECONCILER, _failed(claim, cause)):
        count(services.redis, claim.stage, "failed")
        services.announce(claim.job_id)
        batch = batch_of(services, claim)
        publish(services, line(batch, claim.plan.rest(claim.stage), claim.part), batch)


def pass_over(services: Services, task_id: str) -> None:
    """Make what follows a task due whose documents were cancelled; the reconciler finds and publishes that."""
    claim = _claim_for_reconciler(services, task_id)
    if claim is not None and _commit(services, claim, RECONCILER, Done(lambda _: None)):
        count(services.redis, claim.stage, "revoked")
        services.announce(claim.job_id)


def _claim_for_reconciler(services: Services, task_id: str) -> Claim | None:
    alive = sign_on(services.redis, RECONCILER)
    with writing(services.catalog) as connection:
        return ledger.claim(connection, task_id, RECONCILER, alive)


def follow(connection: Connection, claim: Claim) -> None:
    """Make the tasks after this one due, now that it is done."""
    batch_id, key, fan_keys = claim.batch_id, claim.stage, claim.plan.fan
    following = claim.plan.rest(key)
    if key in ("extract", "ocr"):
        if not ledger.count_unfinished(connection, batch_id, ("extract", "ocr")):
            ledger.add_due(connection, [(batch_id, following[0], 0, None)])
    elif key == "finalize":
        attempts.end_batch(connection, batch_id)
        batches.finish(connection, batch_id)
    elif key in fan_keys[:-1]:
        ledger.add_due(connection, [(batch_id, following[0], claim.part, claim.detail)])
    elif key not in ("chunk", fan_keys[-1]):
        ledger.add_due(connection, [(batch_id, following[0], 0, None)])
    elif not ledger.count_unfinished(connection, batch_id, fan_keys):
        ledger.add_due(connection, [(batch_id, "finalize", 0, None)])


def _pass_gate(claim: Claim, runner: str, point: str = "") -> None:
    """A point of this task at which a test can hold the process or end it."""
    pass_gate(claim.stage + point, claim.task_id, node_of(runner), claim.job_id)


def _work(services: Services, work: Work, claim: Claim, runner: str) -> Done:
    if claim.counted_starts > services.settings.max_starts:
        return _failed(claim, Failure(claim.stage, problem_of_endings(services, claim)), apart=True)
    try:
        # The engine of the vectors maps files: a write that finds no room there kills its process.
        check_room(services.settings, LATER)
        return work(services, claim)
    except Exception as error:  # an entry point: an unexpected error fails its documents
        if retries.needs_room(services.settings, error):
            raise
        if retries.is_service_error(error):
            return _retry(services, claim, runner, error)
        unexpected, trace = not isinstance(error, PipelineError), trace_of(error)
        if unexpected:
            log.exception("stage.failed", trace=trace.id)
        return _failed(claim, Failure(claim.stage, problem_of(error), trace=trace), apart=unexpected)


def _retry(services: Services, claim: Claim, runner: str, error: Exception) -> Done:
    """Give the claim back and raise `Transient`; after the last try fail the documents."""
    trace = trace_of(error)
    cause = Failure(claim.stage, retries.service_problem(error), trace=trace)
    if claim.last_try or not retries.is_worth_retrying(error):
        log.warning("stage.gave_up", error=cause.problem.message, trace=trace.id)
        return _failed(claim, cause)
    log.warning("stage.retry", error=f"{type(error).__name__}: {error}", trace=trace.id)
    with writing(services.catalog) as connection:
        attempt_errors.record_retry(connection, claim, runner, cause)
        ledger.release(connection, claim.task_id, runner)
        events.add(connection, "task.retrying", [(claim.job_id, None)], {"stage": claim.stage, "error": str(error)})
    raise Transient from error


def _failed(claim: Claim, cause: Failure, *, apart: bool = False) -> Done:
    """Fail the documents of the task. With `apart`, several documents start again alone: only the faulty one fails."""

    def record(connection: Connection) -> None:
        current = [attempt.attempt_id for attempt in batch_documents.running(connection, claim.batch_id)]
        ids = [attempt_id for attempt_id in current if attempt_id in claim.detail.get("attempts", current)]
        if apart and len(ids) > 1:
            log.warning("batch.split", documents=len(ids), cause=cause.problem.message)
            batches.create_for_each(connection, claim.job_id, claim.priority, ids, claim.plan)
        else:
            attempts.fail(connection, dict.fromkeys(ids, cause))

    return Done(record, FanOut(0) if claim.stage == "chunk" else None, admit=True, outcome="failed")


def _commit_or_hand_back(services: Services, claim: Claim, runner: str, done: Done) -> bool:
    try:
        return with_room(services, lambda: _commit(services, claim, runner, done), stage=claim.stage)
    except Exception as error:  # an entry point: whatever refuses the result, the task is not left as running
        hand_back(services, claim, runner, error)
        count(services.redis, claim.stage, "retried")
        _pass_gate(claim, runner, RETRIED)
        raise Transient from error


def _commit(services: Services, claim: Claim, runner: str, done: Done) -> bool:
    """Record the result and the tasks due next, if this process still holds the claim. Returns whether it did."""
    # A power cut may undo a stage: it runs again from its artifacts. The end of a document must be durable.
    with writing(services.catalog, durable=claim.stage == "finalize") as connection:
        is_held = ledger.finish(connection, claim.task_id, runner)
        if is_held:
            done.record(connection)
            follow(connection, claim)
    if not is_held:
        log.warning("task.lost", task=claim.task_id)
    return is_held


def _publish_next(services: Services, claim: Claim, done: Done) -> None:
    """Publish what the task's chain does not hold, notify followers, and admit batches where there is room."""
    batch = batch_of(services, claim)
    if isinstance(done.then, FanOut):
        _publish_fan(services, batch, done.then)
    elif isinstance(done.then, OcrFanOut):
        for batch_id, groups in done.then.groups.items():
            _publish_groups(services, replace(batch, id=batch_id), groups)
    elif _is_chord_body(services, claim):
        publish(services, line(batch, claim.plan.rest(claim.stage)), batch)
    turns.pass_on(services, claim)
    services.announce(claim.job_id)
    if done.admit or claim.stage in ("embed", "finalize"):
        admit_safely(services)


def _publish_fan(services: Services, batch: Batch, parts: FanOut) -> None:
    if parts.in_turn is not None:
        turns.begin(services, batch, batch.plan.fan[0], parts.in_turn)
    else:
        publish(services, fan(batch, range(parts.parts)), batch)


def _publish_groups(services: Services, batch: Batch, groups: FanOut) -> None:
    if groups.in_turn is not None:
        turns.begin(services, batch, "ocr", groups.in_turn)
    else:
        publish(services, scanned(batch, range(groups.parts)), batch)


def _clean_up(action: Callable[[], None] | None, claim: Claim) -> None:
    """Run what a stage asks for after its commit; an error is logged, because the task is done in the catalog."""
    if action is None:
        return
    try:
        action()
    except Exception as error:  # an entry point: whatever it is, a task that is committed does not fail
        log.warning("clean_up.failed", task=claim.task_id, error=f"{type(error).__name__}: {error}", exc_info=True)


def _is_chord_body(services: Services, claim: Claim) -> bool:
    """Whether the task is the body of the chord that read scanned pages: then no chain holds the next step."""
    if claim.stage == "chunk" or claim.stage != claim.plan.texts[0]:
        return False
    with services.catalog.connect() as connection:
        return ledger.has_stage(connection, claim.batch_id, "ocr")
