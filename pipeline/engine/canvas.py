"""Build the Celery canvases of a batch from the plan that the batch follows.

One level of chord only: measured on Celery 5.6 and 5.7, a chord inside a chord's header hangs for ever when one
member fails. Every signature is immutable, carries only ids, and has the task id of the ledger.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from celery import Signature, chain, chord, signature

from pipeline.catalog.work.ledger import task_id
from pipeline.names import task_name
from pipeline.plan import PLAIN, Plan

__all__ = ["Batch", "begin", "fan", "follow_up", "guarded", "line", "scanned", "task"]


@dataclass(frozen=True, slots=True)
class Batch:
    """A document batch: its id, its priority on the broker's scale, and the plan that it follows."""

    id: str
    priority: int
    plan: Plan = PLAIN


def task(batch: Batch, key: str, part: int = 0) -> Signature:
    """Build the signature of one task: the step with this key, for this part of the batch."""
    step = batch.plan.step(key)
    # With its route: the process that publishes it may not have the stage installed.
    route = {"queue": step.queue, "routing_key": step.queue} if step is not None else {}
    return signature(
        task_name(step.stage if step is not None else key),
        args=(batch.id, part),
        immutable=True,
        options={"task_id": task_id(batch.id, key, part), "priority": batch.priority, **route},
    )


def line(batch: Batch, keys: Sequence[str], part: int = 0) -> Signature:
    """Chain these steps; finalize is for the whole batch, the others for the part."""
    links = [task(batch, key, 0 if key == "finalize" else part) for key in keys]
    return chain(*links) if len(links) > 1 else links[0]


def begin(batch: Batch) -> Signature:
    """Build the chain that reads the files, changes their texts and cuts them; `chunk`, the last, opens the fan."""
    return line(batch, ("extract", *batch.plan.texts))


def fan(batch: Batch, parts: Sequence[int]) -> Signature:
    """Build the chord over all chunk batches with finalize as its body; only finalize if there are none."""
    finalize = task(batch, "finalize")
    return chord([line(batch, batch.plan.fan, part) for part in parts], finalize) if parts else finalize


def scanned(batch: Batch, groups: Sequence[int]) -> Signature:
    """Build the chord that reads scanned pages by OCR; its body is the next step, which publishes those after it."""
    return chord([task(batch, "ocr", group) for group in groups], task(batch, batch.plan.texts[0]))


def follow_up(batch: Batch, key: str, part: int) -> Signature:
    """Build the chain of a task and all steps after it: a chord that lost a member never calls its body.

    A step that is not due yet, because other parts are unfinished, is dropped; the last part finds it due.
    """
    if key == "ocr":
        return chain(task(batch, key, part), *(task(batch, following) for following in batch.plan.texts))
    return line(batch, (key, *batch.plan.rest(key)), part)


def guarded(canvas: Signature, batch: Batch) -> Signature:
    """Add the errback `recover` to a canvas: it does at once what the reconciler would do later."""
    errback = signature(task_name("recover"), args=(batch.id,), immutable=True, options={"priority": batch.priority})
    if isinstance(canvas, chord):
        canvas.link_error(errback)
        return canvas
    return canvas.on_error(errback)
