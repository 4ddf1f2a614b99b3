"""Beat and reconciler on a real Redis: their ages, and what the dead-man check says of them."""

from __future__ import annotations

import math
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from search_rig import redis_server

from pipeline.engine.heartbeat import BEAT, RECONCILED, note_beat
from pipeline.metrics.periodic import periodic
from pipeline.notify.deadman import CHECKS
from pipeline.services import Services
from pipeline.settings import Settings


@pytest.fixture
def services(tmp_path: Path) -> Iterator[Services]:
    with redis_server() as url:
        services = Services(Settings(data_dir=tmp_path, embedding_model="hashing", redis_url=url, reconcile_s=2.0))
        yield services
        services.redis.close()
        services.catalog.dispose()


def values(services: Services) -> dict[str, float]:
    return {family.name: family.samples[0].value for family in periodic(services.redis, services.settings)}


def test_an_age_that_is_not_known_is_over_every_limit(services: Services) -> None:
    assert values(services) == {
        "docrelay_beat_age_seconds": math.inf,
        "docrelay_beat_patience_seconds": 21,
        "docrelay_reconciler_age_seconds": math.inf,
        "docrelay_reconciler_patience_seconds": 66,
    }


def test_ages(services: Services) -> None:
    note_beat(services.redis, "beat")
    services.redis.pexpire(BEAT, int(services.redis.pttl(BEAT)) - 100_000)
    services.redis.set(RECONCILED, time.time() - 500)
    found = values(services)
    assert found["docrelay_beat_age_seconds"] == pytest.approx(100, abs=50)
    assert found["docrelay_reconciler_age_seconds"] == pytest.approx(500, abs=50)


def test_the_dead_man_url_is_not_called_while_the_reconciler_stands_still(services: Services) -> None:
    note_beat(services.redis, "beat")

    def names() -> set[str]:
        return {name for name in ("beat", "reconciler") if CHECKS[name](services) is not None}

    assert names() == {"reconciler"}
    services.redis.set(RECONCILED, time.time())
    assert names() == set()
    services.redis.set(RECONCILED, time.time() - 500)
    assert names() == {"reconciler"}
    services.redis.delete(BEAT)
    assert names() == {"beat", "reconciler"}
