"""The control: a plain nested canvas, as one would write it with Celery's own promises and no ledger.

A chord of chains over all documents; in each, a task replaces itself by a chord over the document's chunk batches, as
the documentation of Celery suggests. Messages are acknowledged late and rejected when a worker is lost.
"""

from __future__ import annotations

import os
import time
from pathlib import Path
from typing import Any

from celery import Celery, Task, chain, chord, group

from pipeline.gates_for_tests import COMMITTED, RETURNED, WORKED, pass_gate

__all__ = ["BATCHES", "app", "ingest"]

BATCHES = 6
WORK_S = 0.03
VISIBILITY_S = 8

app = Celery("control", broker=os.environ["CONTROL_REDIS"], backend=os.environ["CONTROL_REDIS"])
app.conf.update(
    task_acks_late=True,
    task_reject_on_worker_lost=True,
    worker_prefetch_multiplier=1,
    broker_transport_options={
        "visibility_timeout": VISIBILITY_S,
        "unacked_restore_interval": 2,
        "unacked_restore_throttle": 1,
    },
    result_expires=86400,
    task_track_started=False,
    broker_connection_retry_on_startup=True,
)
STORE = Path(os.environ["CONTROL_STORE"])


def ingest(documents: int) -> Any:
    """Publish the canvas of a job. Returns its result."""
    header = [chain(extract.s(number), fan.s()) for number in range(documents)]
    return chord(header, done.si())()


def _work(task: Task, stage: str) -> None:
    name, node = str(task.request.id), f"{task.request.hostname}"
    pass_gate(stage, name, node, "job")
    time.sleep(WORK_S)
    pass_gate(stage + WORKED, name, node, "job")


def _end(task: Task, stage: str) -> None:
    name, node = str(task.request.id), f"{task.request.hostname}"
    pass_gate(stage + COMMITTED, name, node, "job")
    pass_gate(stage + RETURNED, name, node, "job")


@app.task(bind=True)
def extract(task: Task, number: int) -> int:
    """Read a document."""
    _work(task, "extract")
    _end(task, "extract")
    return number


@app.task(bind=True)
def fan(task: Task, number: int) -> Any:
    """Cut it, and replace itself by the chord over its batches."""
    _work(task, "chunk")
    _end(task, "chunk")
    return task.replace(chord(group(embed.si(number, part) for part in range(BATCHES)), finalize.si(number)))


@app.task(bind=True)
def embed(task: Task, number: int, part: int) -> None:
    """Embed and store one batch."""
    _work(task, "embed")
    (STORE / f"{number}-{part}").touch()
    _end(task, "embed")


@app.task(bind=True)
def finalize(task: Task, number: int) -> int:
    """End a document."""
    _work(task, "finalize")
    (STORE / f"{number}-done").touch()
    _end(task, "finalize")
    return number


@app.task(bind=True)
def done(task: Task) -> str:
    """End the job."""
    _work(task, "done")
    (STORE / "job").touch()
    return "done"
