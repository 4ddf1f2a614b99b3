"""Which deaths count towards `max_starts`."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from pipeline.catalog.work.worker_deaths import SPARED, is_spared
from pipeline.engine.claims import most_spared
from pipeline.engine.liveness import LivingRunners
from pipeline.settings import Settings

RUNNER = "extract@1/7-1"


@pytest.mark.parametrize("stage", ["extract", "ocr", "chunk", "redact"])
def test_a_task_is_spared_the_death_of_a_worker_that_has_other_processes(stage: str) -> None:
    assert is_spared(stage, RUNNER, set(), 0, SPARED)
    assert is_spared(stage, RUNNER, set(), SPARED - 1, SPARED)
    assert not is_spared(stage, RUNNER, set(), SPARED, SPARED)
    assert not is_spared(stage, RUNNER, {"extract@1"}, 0, SPARED)  # its own process alone died
    assert not is_spared(stage, None, set(), 0, SPARED)


@pytest.mark.parametrize("stage", ["embed", "upsert", "finalize"])
def test_the_only_task_of_a_worker_is_not(stage: str) -> None:
    assert not is_spared(stage, "store@1/7-1", set(), 0, SPARED)


@pytest.mark.parametrize(
    ("chosen", "most"),
    [
        ({"extract_processes": 2}, SPARED),
        ({"extract_processes": 1}, 0),
        ({"extract_processes": 2, "pool": "solo"}, 0),
    ],
)
def test_a_worker_with_one_process_has_only_one_task(tmp_path: Path, chosen: dict[str, Any], most: int) -> None:
    assert most_spared(Settings(data_dir=tmp_path, **chosen)) == most


def test_the_own_worker_lives_though_redis_has_lost_its_heartbeat() -> None:
    runners = LivingRunners("extract@1", frozenset())
    assert "extract@1" in runners
    assert "extract@2" not in runners
    assert "" not in LivingRunners("", frozenset())
