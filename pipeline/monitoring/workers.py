"""Workers: what their heartbeats, their reports and the catalog say of each."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import TYPE_CHECKING

from pipeline.names import task_name
from pipeline.results import ActiveTask, RegisteredTask, WorkerRecord, iso

if TYPE_CHECKING:
    from pipeline.engine.worker_report import WorkerReport

__all__ = ["list_registered", "list_workers", "queues_served"]


def list_workers(
    living: Mapping[str, Collection[str]],
    reports: Mapping[str, WorkerReport],
    processes: Mapping[str, Sequence[int]],
    active: Iterable[ActiveTask],
) -> list[WorkerRecord]:
    """The workers in the order of their nodes.

    Args:
        living: the capabilities of each living worker, as `Step.capability` names them.
        reports: what each worker has reported, those that have died too.
        processes: the pids of each.
        active: the tasks that living workers are doing.
    """
    tasks = list(active)
    return [
        _worker(node, living.get(node), report, processes.get(node, ()), tasks)
        for node, report in sorted(reports.items())
    ]


def queues_served(capabilities: Collection[str]) -> list[str]:
    """The queues in the value of a heartbeat, `STAGE@QUEUE,...`, in its order."""
    return list(dict.fromkeys(name.rpartition("@")[2] for name in sorted(capabilities)))


def list_registered(living: Iterable[Collection[str]], stage: str | None = None) -> list[RegisteredTask]:
    """The tasks that living workers can do, from the capabilities of each; only of one stage if it is named."""
    counts = Counter(name for capabilities in living for name in capabilities)
    found = [(capability.partition("@"), number) for capability, number in sorted(counts.items())]
    return [
        RegisteredTask(name=task_name(name), stage=name, queue=queue, workers=number)
        for (name, _, queue), number in found
        if stage in (None, name)
    ]


def _worker(
    node: str,
    capabilities: Collection[str] | None,
    report: WorkerReport,
    processes: Sequence[int],
    tasks: Sequence[ActiveTask],
) -> WorkerRecord:
    reported = list(report.queues) if report.queues is not None else None
    return WorkerRecord(
        node=node,
        name=node.partition("@")[0],
        alive=capabilities is not None,
        host=report.host,
        version=report.version,
        queues=reported if reported is not None else queues_served(capabilities or ()),
        processes=list(processes),
        memory_bytes=report.memory_bytes,
        tasks=[task for task in tasks if task.worker == node],
        started_at=iso(report.started_at),
        last_seen=iso(report.at),
    )
