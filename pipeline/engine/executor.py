"""How work moves: admit batches, launch canvases, and run one task as guard → work → commit → publish.

Celery's messages move the work; the catalog knows what is due. Everything here may run twice.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import redis
import structlog
from celery.result import denied_join_result
from kombu.exceptions import OperationalError as BrokerError

from embeddings.errors import EmbedError
from extractors.errors import Crashed
from pipeline.catalog import CATALOG_ERRORS, Connection
from pipeline.catalog.database.connection import writing
from pipeline.catalog.documents import attempts
from pipeline.catalog.documents.attempts import Failure
from pipeline.catalog.work import admission, events, ledger
from pipeline.catalog.work.ledger import Claim
from pipeline.engine.canvas import Batch, begin, guarded, line, task
from pipeline.engine.celery_app import broker_priority
from pipeline.engine.heartbeat import living_nodes, workers_at
from pipeline.engine.metrics import count
from pipeline.errors import PipelineError
from pipeline.gate import WORKED, pass_gate
from pipeline.retries import TRANSIENT
from pipeline.services import Services

if TYPE_CHECKING:
    from celery import Signature

__all__ = [
    "Done",
    "Stage",
    "Transient",
    "admit",
    "admit_safely",
    "batch_of",
    "follow",
    "give_up",
    "go_on",
    "launch",
    "may_pass",
    "run",
    "set_apart",
]

log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class Done:
    """What a stage has done: how to record it, and what to publish once that is committed.

    `lost` mends what the work changed outside, where another runner has done the task meanwhile. `outcome` is what
    metrics call it.
    """

    record: Callable[[Connection], None]
    publish: Callable[[], None] | None = None
    facts: Mapping[str, Any] | None = None
    lost: Callable[[], None] | None = None
    outcome: str = "done"


Stage = Callable[[Services, Claim], Done]
"""The body of a task: loads, calls pure functions, stores in the spool; the catalog waits for `record`."""


UNREACHED: tuple[type[Exception], ...] = (BrokerError, *TRANSIENT)
MAY_PASS: tuple[type[Exception], ...] = (EmbedError, *TRANSIENT)
UNADMITTED: tuple[type[Exception], ...] = (
    *UNREACHED,
    redis.RedisError,
    *CATALOG_ERRORS,
)


OPENING = {"extract": "extracting", "chunk": "chunking"}
"""The state in which a stage finds its documents, where that is not how the one before leaves them."""

NOBODY = "reconciler"
"""Who holds a task in order to give it up."""


class Transient(Exception):
    """The task is to be tried again; its cause is `__cause__`."""


def admit(services: Services) -> int:
    """Admit waiting batches, up to each job's window and as many as keep the workers busy, and launch them.

    Returns:
        How many were admitted.
    """
    with services.catalog.connect() as connection:
        if not admission.waits(connection):
            return 0
        limits = services.settings.window, admission.ahead(connection) * _embedders(services)
        if not admission.choose(connection, *limits):
            return 0  # nobody's turn to write is taken for nothing
    with writing(services.catalog, durable=False) as connection:
        admitted = admission.admit(connection, *limits, "extract")
    with services.catalog.connect() as connection:
        facts = {batch_id: ledger.batch_facts(connection, batch_id) for batch_id in admitted}
    for batch_id, (urgency, plan) in facts.items():
        batch = Batch(batch_id, broker_priority(urgency, services.settings), plan)
        launch(services, begin(batch), batch)
    return len(admitted)


def admit_safely(services: Services) -> None:
    """Admit what may run, after something that must not suffer where that fails: the reconciler admits, too."""
    try:
        admit(services)
    except UNADMITTED as error:
        log.warning("admission.failed", error=str(error))


def batch_of(services: Services, claim: Claim) -> Batch:
    """The claim's batch, as canvases are made of it."""
    return Batch(claim.batch_id, broker_priority(claim.priority, services.settings), claim.plan)


def launch(services: Services, canvas: Signature, batch: Batch) -> None:
    """Publish a canvas. A failure to publish is no loss: the ledger has it, the reconciler publishes again."""
    try:
        # Signatures find their application through the current one of the thread.
        services.app.set_current()
        # Else every publisher subscribes to the result of every task that it publishes.
        with denied_join_result():
            guarded(canvas, batch).apply_async(priority=batch.priority)
    except UNREACHED as error:
        log.warning("publish.failed", batch=batch.id, error=str(error))


def go_on(services: Services, claim: Claim) -> None:
    """Publish what follows a chord's body, which is a single task: the steps of a scanned document after its first."""
    if claim.stage != "chunk" and claim.stage == claim.plan.texts[0]:
        with services.catalog.connect() as connection:
            is_body = ledger.has(connection, claim.batch_id, "ocr")
        if is_body:
            batch = batch_of(services, claim)
            launch(services, line(batch, claim.plan.rest(claim.stage)), batch)


def give_up(services: Services, wanted: str, cause: Failure) -> None:
    """Fail the documents of a task that nobody can do; the rest of its batch goes on without them."""
    alive = living_nodes(services.redis)
    with writing(services.catalog) as connection:
        claim = ledger.claim(connection, wanted, NOBODY, alive)
    if claim is not None and _commit(services, claim, NOBODY, replace(_failed(services, claim, cause), publish=None)):
        count(services.redis, claim.stage, "failed", 0.0)
        batch = batch_of(services, claim)
        launch(services, line(batch, claim.plan.rest(claim.stage), claim.part), batch)


def run(services: Services, node: str, stage: Stage, wanted: str, retries: int) -> None:
    """Do one task, if it is still to be done and nobody who lives does it.

    Raises:
        Transient: it failed in a way that passes; the caller retries it after a while.
    """
    alive = living_nodes(services.redis)
    # A claim that a power cut takes back is no loss: whoever held it is gone as well.
    with writing(services.catalog, durable=False) as connection:
        claim = ledger.claim(connection, wanted, node, alive)
        if claim is not None and claim.stage in OPENING:
            attempts.begin(connection, claim.batch_id, OPENING[claim.stage])
    if claim is None:
        log.info("task.dropped", task=wanted)
        return
    claim = replace(claim, last_try=retries >= services.settings.max_retries)
    began = time.monotonic()
    with structlog.contextvars.bound_contextvars(
        request=claim.request_id, job=claim.job_id, batch=claim.batch_id, stage=claim.stage, part=claim.part
    ):
        pass_gate(claim.stage, claim.task_id, node)
        try:
            done = _work(services, stage, claim, node, retries)
        except Transient:
            count(services.redis, claim.stage, "retried", time.monotonic() - began)
            raise
        pass_gate(claim.stage + WORKED, claim.task_id, node)
        held = _commit(services, claim, node, done)
        seconds = time.monotonic() - began
        count(services.redis, claim.stage, done.outcome if held else "lost", seconds)
        if held:
            log.info("stage.done", ms=round(seconds * 1000), **(done.facts or {}))


def may_pass(error: Exception) -> bool:
    """Whether the error is about a service, and not about what the task holds in its hands.

    An artifact that is gone is the latter: waiting does not bring it back, beginning anew does.
    """
    return isinstance(error, MAY_PASS) and not isinstance(error, FileNotFoundError)


def follow(connection: Connection, claim: Claim) -> None:
    """Make due what comes after this task, now that it is done."""
    batch_id, key, fan = claim.batch_id, claim.stage, claim.plan.fan
    following = claim.plan.rest(key)
    if key in ("extract", "ocr"):
        if not ledger.outstanding(connection, batch_id, ("extract", "ocr")):
            ledger.add_due(connection, [(batch_id, following[0], 0, None)])
    elif key == "finalize":
        attempts.close(connection, batch_id)
        ledger.finish_batch(connection, batch_id)
    elif key in fan[:-1]:
        ledger.add_due(connection, [(batch_id, following[0], claim.part, claim.detail)])
    elif key not in ("chunk", fan[-1]):
        ledger.add_due(connection, [(batch_id, following[0], 0, None)])
    elif not ledger.outstanding(connection, batch_id, fan):
        ledger.add_due(connection, [(batch_id, "finalize", 0, None)])


def _work(services: Services, stage: Stage, claim: Claim, node: str, retries: int) -> Done:
    if claim.starts > services.settings.max_starts:
        cause = Failure(claim.stage, Crashed.code, f"The worker died {claim.starts - 1} times on it.", Crashed.hint)
        return _failed(services, claim, cause, apart=True)
    try:
        return stage(services, claim)
    except PipelineError as error:
        if isinstance(error, TRANSIENT):
            return _again(services, claim, node, retries, error)
        return _failed(services, claim, Failure(claim.stage, error.code, error.message, error.advice))
    except Exception as error:  # a task is a door: what nobody foresaw fails its documents, with its name
        if may_pass(error):
            return _again(services, claim, node, retries, error)
        log.exception("stage.failed")
        told = Failure(claim.stage, "internal", f"{type(error).__name__}: {error}", PipelineError.hint)
        return _failed(services, claim, told, apart=True)


def _again(services: Services, claim: Claim, node: str, retries: int, error: Exception) -> Done:
    if retries >= services.settings.max_retries or not _passes(error):
        code = getattr(error, "code", "unavailable")
        told = getattr(error, "message", f"{type(error).__name__}: {error}")
        hint = getattr(error, "advice", getattr(error, "hint", "Mend the cause, then run: docrelay failures retry"))
        log.warning("stage.gave_up", error=told)
        return _failed(services, claim, Failure(claim.stage, code, told, hint, transient=_passes(error)))
    log.warning("stage.retry", error=f"{type(error).__name__}: {error}", retries=retries)
    with writing(services.catalog) as connection:
        ledger.release(connection, claim.task_id, node)
        events.add(connection, "task.retrying", [(claim.job_id, None)], {"stage": claim.stage, "error": str(error)})
    raise Transient from error


def _passes(error: Exception) -> bool:
    """An embedding endpoint says itself whether its error passes."""
    return bool(getattr(error, "transient", True))


def _failed(services: Services, claim: Claim, cause: Failure, *, apart: bool = False) -> Done:
    """The documents of the task fail; `apart`: of several, each begins anew alone, so that only the guilty one does."""

    def record(connection: Connection) -> None:
        still = [one.attempt_id for one in attempts.carried(connection, claim.batch_id)]
        ids = [name for name in still if name in claim.detail.get("attempts", still)]
        if apart and len(ids) > 1:
            log.warning("batch.split", documents=len(ids), cause=cause.message)
            set_apart(connection, claim, ids)
        else:
            attempts.fail(connection, dict.fromkeys(ids, cause))

    def publish() -> None:
        if claim.stage == "chunk":
            batch = batch_of(services, claim)
            launch(services, task(batch, "finalize"), batch)
        go_on(services, claim)
        admit_safely(services)

    return Done(record, publish, outcome="failed")


def set_apart(connection: Connection, claim: Claim, ids: Iterable[str]) -> None:
    """Move attempts out of the task's batch: each begins anew in one of its own."""
    for attempt_id in ids:
        ledger.create_batch(connection, claim.job_id, claim.priority, [attempt_id], plan=claim.plan)


def _commit(services: Services, claim: Claim, node: str, done: Done) -> bool:
    # A stage that a power cut takes back is done again, as long as its artifacts are there; how a document ends lasts.
    with writing(services.catalog, durable=claim.stage == "finalize") as connection:
        held = ledger.finish(connection, claim.task_id, node)
        if held:
            done.record(connection)
            follow(connection, claim)
    if not held:
        log.warning("task.lost", task=claim.task_id)
        if done.lost is not None:
            done.lost()
        return False
    if done.publish is not None:
        done.publish()
    services.announce(claim.job_id)
    if claim.stage in ("embed", "finalize"):
        admit_safely(services)
    return True


def _embedders(services: Services) -> int:
    try:
        return max(workers_at(services.redis, "embed@embed"), 1)
    except redis.RedisError:
        return 1
