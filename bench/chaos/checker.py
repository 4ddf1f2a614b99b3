"""Checks what must hold when a seed is at rest, from the catalog, the store, the broker and the history."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import sqlalchemy as sa
from corpus import Corpus
from faults import Kill
from flow_rig import FlowRig
from history import Execution, History

import extractors
from pipeline.catalog.database.schema import attempts, batches, documents, submissions, tasks
from pipeline.ingest.walk import path_of, source_of_path
from pipeline.stages.chunking import chunk_id, cut
from pipeline.vectorstore.base import Filter

__all__ = ["Expected", "Findings", "check", "landed"]


@dataclass
class Findings:
    """What was found; all lists and numbers of the first group must be empty."""

    lost: list[str] = field(default_factory=list)
    missing_points: int = 0
    doubled: int = 0
    hung: list[str] = field(default_factory=list)
    good_failed: list[str] = field(default_factory=list)
    bad_passed: list[str] = field(default_factory=list)
    finished_wrongly: list[str] = field(default_factory=list)
    left: list[str] = field(default_factory=list)
    committed_twice: list[str] = field(default_factory=list)
    backwards: list[str] = field(default_factory=list)
    raced: list[str] = field(default_factory=list)
    hands: int = 0

    executions: int = 0
    wasted: int = 0
    wasted_why: list[str] = field(default_factory=list)
    repeated_after_death: int = 0
    tried_again: int = 0

    @property
    def failures(self) -> dict[str, Any]:
        """What should not be there."""
        names = ("lost", "missing_points", "doubled", "hung", "good_failed", "bad_passed", "finished_wrongly", "left",
                 "committed_twice", "backwards", "raced", "hands")  # fmt: skip
        return {name: value for name in names if (value := getattr(self, name))}


class Expected:
    """The points that documents must have: each file is read and cut again, once."""

    def __init__(self) -> None:
        self._cuts: dict[str, list[tuple[int, str]]] = {}

    def ids(self, rig: FlowRig, path: Path, version: str) -> list[str]:
        """Ids of the chunks of a file as this version of its document."""
        return [chunk_id(version, order, text) for order, text in self._cut(rig, path)]

    def _cut(self, rig: FlowRig, path: Path) -> list[tuple[int, str]]:
        digest = hashlib.sha256(path.read_bytes() + path.suffix.encode()).hexdigest()
        if digest not in self._cuts:
            services, settings = rig.services, rig.settings
            document = extractors.read(path, settings.options)
            chunks = cut(document, services.tokenizer, services.chunk_tokens, settings.chunk_overlap_tokens)
            self._cuts[digest] = [(chunk.order, chunk.text) for chunk in chunks]
        return self._cuts[digest]


def check(
    rig: FlowRig, corpus: Corpus, collection: str, jobs: Sequence[str], expected: Expected, gone: set[Path]
) -> Findings:
    """Check everything but the history. `gone` are files whose documents were deleted or cancelled on purpose."""
    findings = Findings()
    findings.hung = [rig.describe(job)[:500] for job in jobs if not rig.finished(job)]
    _documents(rig, corpus, collection, findings, gone)
    _points(rig, collection, expected, findings)
    for job in jobs:
        if not findings.hung and rig.happened(job, "job.finished") != 1:
            findings.finished_wrongly.append(job)
    _left_over(rig, jobs, findings)
    return findings


def add_history(findings: Findings, history: History) -> None:
    """Add what the history shows."""
    wasted = history.wasted()
    findings.executions = len(history.executions)
    findings.wasted = len(wasted)
    findings.wasted_why = [f"{execution.stage} {execution.task} by {execution.process[0]}" for execution in wasted[:20]]
    findings.tried_again = history.tried_again()
    findings.repeated_after_death = max(history.repeated() - len(wasted) - findings.tried_again, 0)
    findings.committed_twice = history.committed_twice()


def landed(history: History, kills: Sequence[Kill]) -> dict[str, int]:
    """Kills that met a process at work, by who was killed. Those of a gate always do."""
    number = {"worker": 0, "process": 0}
    for event in history.events:
        if event.stage == "killed" and event.node in number:
            number[event.node] += 1
    for kill in kills:
        number[kill.who] += any(_held(execution, kill) for execution in history.executions)
    return number


def _held(execution: Execution, kill: Kill) -> bool:
    is_it = execution.task == kill.victim.task and execution.process == (kill.victim.pid, kill.victim.started)
    return is_it and execution.began <= kill.at < execution.ended


def _documents(rig: FlowRig, corpus: Corpus, collection: str, findings: Findings, gone: set[Path]) -> None:
    live = dict(
        rig.rows(sa.select(documents.c.source, documents.c.live_version_id).where(documents.c.collection == collection))
    )
    ended: dict[str, str] = {}
    query = sa.select(submissions.c.source, submissions.c.outcome, submissions.c.code).where(
        submissions.c.collection == collection if "collection" in submissions.c else sa.true()
    )
    for source, outcome, code in rig.rows(query):
        ended[source] = code or str(outcome)
    for path in corpus.good:
        source = source_of_path(str(path))
        if path in gone:
            continue
        if ended.get(source) not in ("completed", "unchanged", None, "None"):
            findings.good_failed.append(f"{path.name}: {ended[source]}")
        elif not live.get(source):
            findings.lost.append(path.name)
    for path, code in corpus.bad.items():
        if ended.get(source_of_path(str(path))) != code:
            findings.bad_passed.append(f"{path.name}: {ended.get(source_of_path(str(path)))}, not {code}")


def _points(rig: FlowRig, collection: str, expected: Expected, findings: Findings) -> None:
    query = sa.select(documents.c.source, documents.c.live_version_id)
    query = query.where(documents.c.collection == collection, documents.c.live_version_id.is_not(None))
    wanted = {name for source, version in rig.rows(query) for name in expected.ids(rig, path_of(source), version)}
    stored = rig.stored(collection)
    live = set(rig.services.store.ids(collection, Filter(live=True)))
    findings.doubled += len(stored) - len(set(stored)) + len(set(stored) - wanted)
    findings.missing_points += len(wanted - live)


def _left_over(rig: FlowRig, jobs: Sequence[str], findings: Findings) -> None:
    if messages := rig.messages():
        findings.left.append(f"messages: {messages}")
    query = sa.select(tasks.c.id).join(batches, batches.c.id == tasks.c.batch_id)
    if rig.rows(query.where(batches.c.job_id.in_(jobs), tasks.c.state != "done", batches.c.state == "active")):
        findings.left.append("tasks are open")
    unended = sa.select(attempts.c.id).where(attempts.c.job_id.in_(jobs), attempts.c.finished_at.is_(None))
    if rig.rows(unended):
        findings.left.append("attempts are open")
