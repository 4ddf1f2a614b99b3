"""Publish the tasks of a large document a few at a time: when one ends, the next one follows.

Each is a chain of its own, outside of a chord; the task that ends last publishes what a chord's body would be.
"""

from __future__ import annotations

from celery import Signature

from pipeline.catalog.database.connection import writing
from pipeline.catalog.work import turns
from pipeline.catalog.work.ledger import Claim
from pipeline.engine.canvas import Batch, line, task
from pipeline.engine.publisher import batch_of, publish
from pipeline.services import Services

__all__ = ["begin", "pass_on", "resume"]


def begin(services: Services, batch: Batch, stage: str, number: int) -> None:
    """Publish the first tasks of a stage that are in turn."""
    for part in range(number):
        publish(services, _part(batch, stage, part), batch)


def pass_on(services: Services, claim: Claim) -> None:
    """After a task in turn, publish the next one of its stage, and what follows the last one."""
    if not claim.detail.get(turns.IN_TURN):
        return
    batch = batch_of(services, claim)
    first, following = _first_and_following(claim)
    if claim.stage == first:
        with writing(services.catalog, durable=False) as connection:
            part = turns.pass_on(connection, claim.batch_id, first)
        if part is not None:
            publish(services, _part(batch, first, part), batch)
            return
    with services.catalog.connect() as connection:
        is_due = turns.is_due(connection, claim.batch_id, following)
    if is_due:
        publish(services, task(batch, following), batch)


def resume(services: Services) -> None:
    """Make tasks in turn due that no process would publish any more; the reconciler finds them missing."""
    with services.catalog.connect() as connection:
        if not turns.is_any_held(connection):
            return
    with writing(services.catalog, durable=False) as connection:
        turns.resume(connection)


def _first_and_following(claim: Claim) -> tuple[str, str]:
    """The stage in which turns are taken, and the one after the last turn."""
    if claim.stage == "ocr":
        return "ocr", claim.plan.texts[0]
    return claim.plan.fan[0], "finalize"


def _part(batch: Batch, stage: str, part: int) -> Signature:
    return task(batch, stage, part) if stage == "ocr" else line(batch, batch.plan.fan, part)
