"""Stages that no living worker has: refused at submission where that is known, else failed after `no_worker_s`.

A declared stage comes with a package, and a worker has the packages that were installed when it started. Built-in
stages are not checked: every worker has them, and documents wait for the workers.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import structlog

from pipeline import stack
from pipeline.catalog.work.failures import Failure
from pipeline.catalog.work.open_tasks import open_tasks
from pipeline.engine import executor
from pipeline.engine.heartbeat import served_capabilities, text
from pipeline.engine.liveness import sign_on
from pipeline.errors import NoWorker
from pipeline.errors.problem import problem_of
from pipeline.names import PREFIX
from pipeline.plan import Plan, Step
from pipeline.services import Services

__all__ = ["check_served", "give_up"]

log = structlog.get_logger()

UNSERVED = f"{PREFIX}lacking"
"""Redis key of the capabilities without a worker, each with the time since when."""

FORGOTTEN_S = 60.0
"""After so long without a check the times start again: the stack was down."""

EXTRACT = "extract@extract"
"""The capability of every worker of the group that serves declared stages: if it is served, that group runs."""


def check_served(services: Services, plan: Plan) -> None:
    """Check that the running private stack can run the workflow; in other stacks a worker may still join.

    Raises:
        NoWorker: the stack was started before the package of a stage was installed.
    """
    settings = services.settings
    if not plan.own or settings.redis_url is None or not stack.is_private(settings):
        return
    served = served_capabilities(services.redis)
    missing = [step for step in plan.own if step.capability not in served]
    if EXTRACT in served and missing:
        raise NoWorker(
            f"The stack that runs has no worker for the stage {missing[0].stage} on the queue {missing[0].queue}.",
            "It was started before the stage was installed: end it, and start it again with: docrelay up",
        )


def give_up(services: Services) -> set[str]:
    """Fail documents whose next stage has had no worker for `no_worker_s`.

    Returns:
        The queues that workflows under way need.
    """
    with services.catalog.connect() as connection:
        under_way = open_tasks(connection, planned=True)
    if not under_way:
        return set()
    alive, served = sign_on(services.redis, executor.RECONCILER), served_capabilities(services.redis)
    queues = {step.capability: step.queue for task in under_way for step in task.plan.own}
    lost = _lost(services, queues.keys() - served)
    for task in under_way:
        step = task.plan.step(task.stage)
        if step is not None and step.capability in lost and task.runner not in alive:
            log.warning("stage.no_worker", stage=step.stage, queue=step.queue, batch=task.batch_id)
            executor.give_up(services, task.task_id, _cause(task.stage, step))
    return set(queues.values())


def _lost(services: Services, missing: Iterable[str]) -> set[str]:
    """Of these capabilities without a worker, return those that have had none for `no_worker_s`."""
    # By the clock of Redis, which ends the key too: one of this host that is set must not make it seem long.
    (now, _), settings = services.redis.time(), services.settings
    before = {text(capability): float(at) for capability, at in services.redis.hgetall(UNSERVED).items()}
    since: dict[Any, Any] = {capability: min(before.get(capability, now), now) for capability in missing}
    with services.redis.pipeline() as pipe:
        pipe.delete(UNSERVED)
        if since:
            pipe.hset(UNSERVED, mapping=since)
            pipe.expire(UNSERVED, int(FORGOTTEN_S + 3 * settings.reconcile_s))
        pipe.execute()
    return {capability for capability, at in since.items() if now - at >= settings.no_worker_s}


def _cause(key: str, step: Step) -> Failure:
    error = NoWorker(
        f"No worker has the stage {step.stage} on the queue {step.queue}.",
        f"Install its package where the workers run and start one: docrelay worker extract --queues {step.queue} "
        "(or docrelay up again). Then run: docrelay failures retry",
    )
    return Failure(key, problem_of(error))
