"""Stages that no living worker has: refused at submission where that is known, else failed after `no_worker_s`.

A stage comes with a package, and a worker has what was installed when it was started. Stages of the engine are not
looked at: every worker has them, and documents wait for the workers.
"""

from __future__ import annotations

import time
from collections.abc import Iterable
from typing import Any

import structlog

from pipeline import stack
from pipeline.catalog.work import ledger
from pipeline.catalog.work.failures import Failure
from pipeline.engine import executor
from pipeline.engine.heartbeat import living_nodes, served_capabilities, text
from pipeline.errors import NoWorker
from pipeline.errors.problem import problem_of
from pipeline.names import PREFIX
from pipeline.plan import Plan, Step
from pipeline.services import Services

__all__ = ["check_served", "give_up"]

log = structlog.get_logger()

LACKING = f"{PREFIX}lacking"
"""Places without a worker, and since when the reconciler has seen none there."""

FORGOTTEN_S = 60.0
"""After so long without a look nothing is known, and the time begins anew: the stack was down."""

ENGINE = "extract@extract"
"""Where a worker of the group that also serves the stages of workflows is, one is sure to have said so."""


def check_served(services: Services, plan: Plan) -> None:
    """Look whether the private stack that runs can do the workflow; elsewhere a worker for it may still come.

    Raises:
        NoWorker: it was started before the package was there.
    """
    settings = services.settings
    if not plan.own or settings.redis_url is None or not stack.is_private(settings):
        return
    served = served_capabilities(services.redis)
    lacking = [step for step in plan.own if step.capability not in served]
    if ENGINE in served and lacking:
        raise NoWorker(
            f"The stack that runs has no worker for the stage {lacking[0].stage} on the queue {lacking[0].queue}.",
            "It was started before the stage was installed: end it, and start it again with: docrelay up",
        )


def give_up(services: Services) -> set[str]:
    """Fail documents whose next stage has had no worker for `no_worker_s`.

    Returns:
        The queues that workflows under way need.
    """
    with services.catalog.connect() as connection:
        under_way = ledger.open_tasks(connection, planned=True)
    if not under_way:
        return set()
    alive, served = living_nodes(services.redis), served_capabilities(services.redis)
    queues = {step.capability: step.queue for one in under_way for step in one.plan.own}
    lost = _lost(services, queues.keys() - served)
    for one in under_way:
        step = one.plan.step(one.stage)
        if step is not None and step.capability in lost and one.runner not in alive:
            log.warning("stage.no_worker", stage=step.stage, queue=step.queue, batch=one.batch_id)
            executor.give_up(services, one.task_id, _cause(one.stage, step))
    return set(queues.values())


def _lost(services: Services, lacking: Iterable[str]) -> set[str]:
    """Of these places without a worker, those that have had none for too long."""
    now, settings = time.time(), services.settings
    before = {text(place): float(at) for place, at in services.redis.hgetall(LACKING).items()}
    since: dict[Any, Any] = {place: before.get(place, now) for place in lacking}
    with services.redis.pipeline() as pipe:
        pipe.delete(LACKING)
        if since:
            pipe.hset(LACKING, mapping=since)
            pipe.expire(LACKING, int(FORGOTTEN_S + 3 * settings.reconcile_s))
        pipe.execute()
    return {place for place, at in since.items() if now - at >= settings.no_worker_s}


def _cause(key: str, step: Step) -> Failure:
    error = NoWorker(
        f"No worker has the stage {step.stage} on the queue {step.queue}.",
        f"Install its package where the workers run and start one: docrelay worker extract --queues {step.queue} "
        "(or docrelay up again). Then run: docrelay failures retry",
    )
    return Failure(key, problem_of(error))
