"""Claims of this process: how it takes a task, gives it back, and what it says of a task that ended too often.

A task ends without a result when its process dies, when the time limit kills it, or when its result cannot be
recorded. The last of these causes is kept in Redis for as long as the task is tried; without it a process died.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager

import redis
import structlog

from extractors.errors import Crashed, TimedOut
from pipeline import retries
from pipeline.catalog.database.connection import writing
from pipeline.catalog.work import attempts, ledger
from pipeline.catalog.work.ledger import Claim
from pipeline.catalog.work.worker_deaths import SPARED
from pipeline.engine.liveness import sign_on
from pipeline.errors.problem import Problem, problem_of
from pipeline.names import PREFIX
from pipeline.services import Services
from pipeline.settings import Settings
from pipeline.stack.process_plan import cores

__all__ = ["InOtherHands", "hand_back", "hold", "most_spared", "note_time_limit", "problem_of_endings", "take"]

log = structlog.get_logger()

OPENING = {"extract": "extracting", "chunk": "chunking"}
"""State of the documents while a stage works, where the stage before it does not set the state at its end."""

KEPT_S = 7 * 86400
TIME_LIMIT = "time limit"


class InOtherHands(Exception):
    """A living process does the task already: this message is a copy."""


class Held:
    """The tasks that this process is doing. A pool of threads does several, and may get two messages of one task."""

    def __init__(self, _settings: Settings) -> None:
        self._lock = threading.Lock()
        self._tasks: set[str] = set()

    def add(self, task_id: str) -> bool:
        """Add a task; False if it is there already."""
        with self._lock:
            is_new = task_id not in self._tasks
            self._tasks.add(task_id)
            return is_new

    def remove(self, task_id: str) -> None:
        """Remove a task that is done."""
        with self._lock:
            self._tasks.discard(task_id)


@contextmanager
def hold(services: Services, task_id: str) -> Iterator[None]:
    """Hold a task for the block. Raises InOtherHands if another thread of this process holds it."""
    held = services.singleton(Held)
    if not held.add(task_id):
        raise InOtherHands
    try:
        yield
    finally:
        held.remove(task_id)


def take(services: Services, runner: str, task_id: str) -> Claim | None:
    """Claim a task for this process; None if it is done or its batch has ended.

    Raises:
        InOtherHands: a living process holds it.
    """
    alive = sign_on(services.redis, runner)
    # A claim that a power cut undoes is no loss: the process that held it is gone as well.
    with writing(services.catalog, durable=False) as connection:
        claim = ledger.claim(connection, task_id, runner, alive, most_spared(services.settings))
        if claim is None and ledger.is_running(connection, task_id):
            raise InOtherHands
        if claim is not None and claim.stage in OPENING:
            attempts.begin_batch(connection, claim.batch_id, OPENING[claim.stage])
    return claim


def most_spared(settings: Settings) -> int:
    """How many deaths of its whole worker a task is spared: none where the workers have one process each."""
    several = settings.pool == "prefork" and (settings.extract_processes or cores()) > 1
    return SPARED if several else 0


def hand_back(services: Services, claim: Claim, runner: str, error: Exception) -> None:
    """Give back a task whose result could not be recorded.

    The start counts unless the catalog was away: a result that the catalog refuses is refused again.
    """
    counts = not retries.is_service_error(error)
    log.warning("task.handed_back", task=claim.task_id, error=f"{type(error).__name__}: {error}", exc_info=counts)
    if counts:
        _note(services.redis, claim.task_id, problem_of(error).message)
    with writing(services.catalog) as connection:
        ledger.release(connection, claim.task_id, runner, counts=counts)


def note_time_limit(connection: redis.Redis, task_id: str) -> None:
    """Keep that the time limit has ended a task."""
    _note(connection, task_id, TIME_LIMIT)


def problem_of_endings(services: Services, claim: Claim) -> Problem:
    """What is said of a task that ended without a result in all its starts but this one."""
    times = claim.starts - 1
    try:
        kept = services.redis.get(_ending_key(claim.task_id))
    except redis.RedisError:
        kept = None
    cause = kept.decode() if isinstance(kept, bytes) else None
    if cause is None:
        return problem_of(Crashed(f"Its process died {times} times on it, or its worker fell silent."))
    if cause != TIME_LIMIT:
        return problem_of(RuntimeError(f"its result could not be recorded, {times} times: {cause}"))
    limit = services.settings.task_time_limit_s
    error = TimedOut(f"It ended {times} times without a result, the last time by the limit of {limit} seconds.")
    error.hint = "Split the file, or raise the setting `task_time_limit_s`."
    return problem_of(error)


def _note(connection: redis.Redis, task_id: str, cause: str) -> None:
    try:
        connection.set(_ending_key(task_id), cause, ex=KEPT_S)
    except redis.RedisError as error:
        log.warning("ending.not_kept", task=task_id, error=str(error))


def _ending_key(task_id: str) -> str:
    return f"{PREFIX}ending:{task_id}"
