"""A clock that is set back by hours: periodic tasks go on, and dead workers do not live for hours."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
import redis
from celery import Celery
from search_rig import redis_server

from pipeline.engine.expiries import limit_expiries
from pipeline.engine.heartbeat import NODES, alive_key
from pipeline.engine.liveness import SETTLING, limit_lives
from pipeline.engine.schedule import Schedule
from pipeline.engine.unserved import UNSERVED, _lost
from pipeline.services import Services
from pipeline.settings import Settings

HOUR_MS = 3_600_000


class Sent(Schedule):
    """Notes what is due in place of sending it."""

    def apply_entry(self, entry: Any, producer: object = None) -> None:
        self.sent.append(entry.name)


@pytest.fixture
def schedule(tmp_path: Path) -> Sent:
    app = Celery("beat", broker="memory://", set_as_current=False)
    app.conf.result_expires = None  # else beat adds a task of its own
    app.conf.beat_schedule = {name: {"task": name, "schedule": 3.0} for name in ("reconcile", "reindex")}
    Sent.sent = []
    return Sent(app=app, schedule_filename=str(tmp_path / "schedule"))


def tick_all(schedule: Sent) -> list[str]:
    for _ in range(5):
        schedule.tick()
    return sorted(schedule.sent)


def test_periodic_tasks_are_due_after_the_clock_was_set_back(schedule: Sent) -> None:
    tick_all(schedule)
    schedule.sent.clear()
    for entry in schedule.schedule.values():
        entry.last_run_at += timedelta(hours=1)
    schedule._heap = [event._replace(time=event.time + 3600) for event in schedule._heap]
    assert tick_all(schedule) == ["reconcile", "reindex"]


def test_a_task_that_ran_just_now_is_not_due(schedule: Sent) -> None:
    for entry in schedule.schedule.values():
        entry.last_run_at = entry.default_now()
    assert tick_all(schedule) == []


@pytest.fixture(scope="module")
def connection() -> Iterator[redis.Redis]:
    with redis_server() as url, redis.Redis.from_url(url) as client:
        yield client


def test_only_times_that_are_too_long_are_shortened(connection: redis.Redis) -> None:
    connection.set("long", 1, px=HOUR_MS)
    connection.set("short", 1, px=2000)
    connection.set("kept", 1)
    limit_expiries(connection, {"long": 8.0, "short": 8.0, "kept": 8.0, "missing": 8.0})
    assert 0 < connection.pttl("long") <= 8000
    assert 0 < connection.pttl("short") <= 2000
    assert connection.pttl("kept") == -1
    assert not connection.exists("missing")


def test_a_stage_has_been_without_a_worker_only_as_long_as_redis_says(connection: redis.Redis, tmp_path: Path) -> None:
    url = "redis://127.0.0.1:{port}/0".format(**connection.connection_pool.connection_kwargs)
    services = Services(Settings(data_dir=tmp_path, redis_url=url, no_worker_s=60.0))
    now = connection.time()[0]
    for seen_at, expected in ((now - 61, {"ghost@ghosts"}), (now - 10, set()), (now + 3600, set())):
        connection.delete(UNSERVED)
        connection.hset(UNSERVED, "ghost@ghosts", str(seen_at))
        assert _lost(services, ["ghost@ghosts"]) == expected
        kept = float(connection.hget(UNSERVED, "ghost@ghosts") or 0)
        assert min(seen_at, now) <= kept <= connection.time()[0]
    services.redis.close()


def test_a_dead_worker_dies_although_the_clock_was_set_back(connection: redis.Redis) -> None:
    settings = Settings(redis_url="redis://127.0.0.1:1/0", dead_after_s=9.0)
    connection.sadd(NODES, "extract@1")
    for key in (alive_key("extract@1"), SETTLING):
        connection.set(key, "", px=HOUR_MS)
    limit_lives(connection, settings)
    assert 0 < connection.pttl(alive_key("extract@1")) <= 9000
    assert 0 < connection.pttl(SETTLING) <= 3 * settings.heartbeat_s * 1000
