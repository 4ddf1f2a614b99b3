"""The shapes of work: signatures of the stages, and the builders that join them.

One level of chord only: measured on Celery 5.6 and 5.7, a chord inside a chord's header hangs for ever when one
member fails. Every signature is immutable, carries ids alone, and has the id that the ledger knows it by.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from importlib import import_module
from importlib.metadata import entry_points
from typing import Protocol

from celery import Signature, chain, chord, signature

from pipeline.app import STAGES, task_name
from pipeline.catalog.ledger import task_id
from pipeline.errors import BadRequest

__all__ = ["Batch", "Workflow", "chunk", "embed", "extract", "finalize", "load_workflow", "ocr", "step", "upsert"]


@dataclass(frozen=True, slots=True)
class Batch:
    """A document batch as a workflow sees it: its id, and its priority on the broker's own scale."""

    id: str
    priority: int


class Workflow(Protocol):
    """A module that declares how the stages are joined; see `workflows/ingest.py`."""

    def begin(self, batch: Batch) -> Signature:
        """What happens to a batch first; its last link opens the fan."""

    def fan(self, batch: Batch, parts: Sequence[int]) -> Signature:
        """What happens to the chunk batches of a batch; a chord whose body finalizes it."""

    def scanned(self, batch: Batch, groups: Sequence[int]) -> Signature:
        """What happens to a document whose pages need OCR; a chord whose body goes on to chunk."""


def step(stage: str, batch: Batch, part: int = 0) -> Signature:
    """The signature of one task of a stage."""
    if stage not in STAGES:
        raise BadRequest(f"There is no stage {stage}.", f"The stages are: {', '.join(STAGES)}.")
    return signature(
        task_name(stage),
        args=(batch.id, part),
        immutable=True,
        options={"task_id": task_id(batch.id, stage, part), "priority": batch.priority},
    )


def extract(batch: Batch) -> Signature:
    """Read the files of the batch."""
    return step("extract", batch)


def ocr(batch: Batch, group: int) -> Signature:
    """Read one group of scanned pages."""
    return step("ocr", batch, group)


def chunk(batch: Batch) -> Signature:
    """Cut the texts of the batch, and open the fan."""
    return step("chunk", batch)


def embed(batch: Batch, part: int) -> Signature:
    """Embed one chunk batch."""
    return step("embed", batch, part)


def upsert(batch: Batch, part: int) -> Signature:
    """Store the points of one chunk batch."""
    return step("upsert", batch, part)


def finalize(batch: Batch) -> Signature:
    """Verify the batch's documents and switch to them."""
    return step("finalize", batch)


def load_workflow(name: str) -> Workflow:
    """The workflow with this name.

    Raises:
        BadRequest: there is none.
    """
    found = entry_points(group="docrelay.workflows", name=name)
    if not found:
        known = sorted({entry.name for entry in entry_points(group="docrelay.workflows")})
        raise BadRequest(f"There is no workflow {name}.", f"There are: {', '.join(known)}.")
    workflow: Workflow = import_module(next(iter(found)).value)
    return workflow


def guarded(canvas: Signature, batch: Batch) -> Signature:
    """The canvas with our errback: the fast path to what the reconciler would do."""
    errback = signature(task_name("recover"), args=(batch.id,), immutable=True, options={"priority": batch.priority})
    if isinstance(canvas, chord):
        canvas.link_error(errback)
        return canvas
    if isinstance(canvas, chain):
        return canvas.on_error(errback)
    return canvas.on_error(errback)
