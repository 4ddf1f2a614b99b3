"""Workers by queue: the queues of one group may have workers of their own, as in compose and in the chart."""

from __future__ import annotations

from pipeline.engine.groups import GROUPS, capabilities_of
from pipeline.metrics.workers import WorkerLoad, workers, working_processes
from pipeline.names import QUEUES


def worker(name: str, *queues: str) -> WorkerLoad:
    return WorkerLoad(f"{name}@4f2c9d1b7a30", frozenset(capabilities_of(queues)), 0, 1)


def served(*loads: WorkerLoad) -> dict[str, float]:
    found = {family.name: family for family in workers(loads, QUEUES)}
    return {sample.labels["queue"]: sample.value for sample in found["docrelay_queue_workers"].samples}


def test_a_queue_without_a_worker_is_seen_beside_another_queue_of_its_group() -> None:
    upsert = [worker("upsert-a", "upsert"), worker("upsert-b", "upsert")]
    others = [worker(group, *GROUPS[group]) for group in ("extract", "embed")]
    finalize = worker("finalize", "finalize", "maintenance")
    counts = {**dict.fromkeys(QUEUES, 1), "upsert": 2}
    assert served(*others, *upsert, finalize) == counts
    assert served(*others, *upsert) == {**counts, "finalize": 0, "maintenance": 0}
    assert served() == dict.fromkeys(QUEUES, 0)


def test_the_parent_of_a_pool_does_no_task() -> None:
    """A full pool of four has a share of 1, and so has a worker without a pool at work."""
    assert [working_processes(number) for number in (5, 2, 1, 0)] == [4, 1, 1, 0]
