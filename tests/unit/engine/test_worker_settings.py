"""Settings of workers as Celery's worker object receives them; the worker is created and never started."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from kombu.transport.redis import Transport

from pipeline.engine.celery_app import make_app
from pipeline.settings import Settings

USUAL = {
    "pool": "prefork",
    "places": 2,
    "scales": None,
    "prefetch": 1,
    "tasks per child": 200,
    "kilobytes per child": 1024 * 1024,
    "seconds per task": 3600,
}

CASES: dict[str, tuple[dict[str, Any], dict[str, Any]]] = {
    "as it comes": ({}, {}),
    "extract_processes": ({"extract_processes": 3}, {"places": 3}),
    "autoscale": ({"autoscale": "4,1"}, {"places": 1, "scales": [4, 1]}),
    "prefetch": ({"prefetch": 3}, {"prefetch": 3}),
    "max_tasks_per_child": ({"max_tasks_per_child": 7}, {"tasks per child": 7}),
    "max_memory_per_child_mb": ({"max_memory_per_child_mb": 100}, {"kilobytes per child": 100 * 1024}),
    "task_time_limit_s": ({"task_time_limit_s": 60}, {"seconds per task": 60}),
    "threads": ({"pool": "threads"}, {"pool": "thread"}),
    "threads do not scale": ({"pool": "threads", "autoscale": "4,1"}, {"pool": "thread"}),
    "solo": ({"pool": "solo"}, {"pool": "solo", "places": 1}),
}
"""What is set, and what it changes in a worker of the group `extract`."""

EVERYTHING = {"pool": "threads", "extract_processes": 3, "autoscale": "4,1"}

MAKE = """
import json, sys
from pipeline.engine.celery_app import make_app
from pipeline.settings import Settings
from pipeline.engine.groups import queues_of
from pipeline.engine.worker import make_worker

def made(group, chosen):
    settings = Settings(redis_url="redis://127.0.0.1:1/0", **{"extract_processes": 2, **chosen})
    worker = make_worker(make_app(settings, "node@1"), settings, group, "node@1", queues_of(group))
    options = worker.pool.options
    return {
        "pool": worker.pool_cls.__module__.rpartition(".")[2],
        "places": worker.pool.limit,
        "scales": getattr(worker, "autoscaler", None) and [worker.max_concurrency, worker.min_concurrency],
        "prefetch": worker.prefetch_multiplier,
        "tasks per child": options["maxtasksperchild"],
        "kilobytes per child": options["max_memory_per_child"],
        "seconds per task": options["timeout"],
    }

print(json.dumps([made(*case) for case in json.load(sys.stdin)]))
"""


@pytest.fixture(scope="module")
def made() -> list[dict[str, Any]]:
    """Options of a worker of `extract` for each case, then of one of each other group; made in a child process."""
    wanted = [*(("extract", chosen) for chosen, _ in CASES.values()), ("embed", EVERYTHING), ("store", EVERYTHING)]
    line = [sys.executable, "-W", "ignore", "-c", MAKE]
    ended = subprocess.run(line, input=json.dumps(wanted), capture_output=True, text=True, check=True)
    workers: list[dict[str, Any]] = json.loads(ended.stdout)
    return workers


@pytest.mark.parametrize("case", CASES)
def test_a_worker_setting_reaches_celery(made: list[dict[str, Any]], case: str) -> None:
    assert made[list(CASES).index(case)] == {**USUAL, **CASES[case][1]}


def test_an_embed_or_store_worker_is_one_process_whatever_is_set(made: list[dict[str, Any]]) -> None:
    assert made[len(CASES) :] == [{**USUAL, "pool": "solo", "places": 1}] * 2


def test_a_lost_connection_to_the_broker_is_noticed_within_fifteen_seconds() -> None:
    """Kombu drops a connection without an answer after the wait of one BRPOP and two intervals of its health check."""
    app = make_app(Settings(redis_url="redis://127.0.0.1:1/0"))
    interval = app.conf.broker_transport_options["health_check_interval"]
    assert Transport.brpop_timeout + 2 * interval <= 15


def test_health_check_without_a_broker_says_so(tmp_path: Path) -> None:
    line = [sys.executable, "-m", "pipeline.engine.health", "worker"]
    environment = {**os.environ, "DOCRELAY_DATA_DIR": str(tmp_path)}
    ended = subprocess.run(line, env=environment, capture_output=True, text=True, check=False)
    assert ended.returncode == 1
    assert "Traceback" not in ended.stderr
    assert "`redis_url` is not set" in ended.stderr
    assert "docrelay status" in ended.stderr
