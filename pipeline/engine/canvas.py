"""The shapes of work: what Celery is given for a batch, made from the plan that the batch follows.

One level of chord only: measured on Celery 5.6 and 5.7, a chord inside a chord's header hangs for ever when one
member fails. Every signature is immutable, carries ids alone, and has the id that the ledger knows it by.
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
    """A document batch: its id, its priority on the broker's own scale, and the plan that it follows."""

    id: str
    priority: int
    plan: Plan = PLAIN


def task(batch: Batch, key: str, part: int = 0) -> Signature:
    """The signature of one task: of the step with this key, for this part of the batch."""
    step = batch.plan.step(key)
    # Routed here too: the process that publishes it need not have the stage installed.
    way = {"queue": step.queue, "routing_key": step.queue} if step is not None else {}
    return signature(
        task_name(step.stage if step is not None else key),
        args=(batch.id, part),
        immutable=True,
        options={"task_id": task_id(batch.id, key, part), "priority": batch.priority, **way},
    )


def line(batch: Batch, keys: Sequence[str], part: int = 0) -> Signature:
    """These steps one after the other; finalize is of the whole batch, the others of the part."""
    links = [task(batch, key, 0 if key == "finalize" else part) for key in keys]
    return chain(*links) if len(links) > 1 else links[0]


def begin(batch: Batch) -> Signature:
    """Read the files, work on their texts, cut them; `chunk` is the last link and opens the fan."""
    return line(batch, ("extract", *batch.plan.texts))


def fan(batch: Batch, parts: Sequence[int]) -> Signature:
    """All that is done to each chunk batch, then the end of the batch. Without chunk batches the end alone."""
    finalize = task(batch, "finalize")
    return chord([line(batch, batch.plan.fan, part) for part in parts], finalize) if parts else finalize


def scanned(batch: Batch, groups: Sequence[int]) -> Signature:
    """Read the scanned pages by OCR; the body is the next step alone, and publishes what follows it."""
    return chord([task(batch, "ocr", group) for group in groups], task(batch, batch.plan.texts[0]))


def follow_up(batch: Batch, key: str, part: int) -> Signature:
    """A task and all that follows it: a chord that lost a member never calls its body.

    A step that is not due yet, because others are still at work, drops out; the last one finds it due.
    """
    if key == "ocr":
        return chain(task(batch, key, part), *(task(batch, one) for one in batch.plan.texts))
    return line(batch, (key, *batch.plan.rest(key)), part)


def guarded(canvas: Signature, batch: Batch) -> Signature:
    """The canvas with our errback: the fast path to what the reconciler would do."""
    errback = signature(task_name("recover"), args=(batch.id,), immutable=True, options={"priority": batch.priority})
    if isinstance(canvas, chord):
        canvas.link_error(errback)
        return canvas
    return canvas.on_error(errback)
