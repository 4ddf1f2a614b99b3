"""The schedule of the periodic tasks, as beat sends them."""

from __future__ import annotations

from typing import Any

import pytest
from celery import Celery

from pipeline.engine.celery_app import broker_priority, make_app
from pipeline.names import MAINTENANCE_TASKS, task_name
from pipeline.settings import Settings


def test_beat_asks_for_no_result_of_a_periodic_task() -> None:
    """Beat does not register the tasks, so task options of workers do not reach its messages."""
    schedule: dict[str, dict[str, Any]] = make_app(Settings(redis_url="redis://127.0.0.1:1/0")).conf.beat_schedule

    assert {entry["task"] for entry in schedule.values()} == {
        task_name(name) for name in MAINTENANCE_TASKS if name != "recover"
    }
    for entry in schedule.values():
        assert "expires" in entry["options"]
        assert sent_headers(entry)["ignore_result"] is True


@pytest.mark.parametrize(("broker", "first"), [("redis://127.0.0.1:1/0", 0), ("amqp://127.0.0.1:1//", 10)])
def test_what_others_wait_for_goes_before_the_most_urgent_job(broker: str, first: int) -> None:
    """Else a run of the schedule would wait for as long as jobs of a high priority do, and its message expire."""
    settings = Settings(redis_url="redis://127.0.0.1:1/0", broker_url=broker)
    options = {name: entry["options"] for name, entry in make_app(settings).conf.beat_schedule.items()}

    assert {name for name, chosen in options.items() if chosen.get("priority") == first} == {"reconcile", "schedule"}
    assert broker_priority(10, settings) == first


def sent_headers(entry: dict[str, Any]) -> dict[str, Any]:
    """Headers of the message that an application without registered tasks sends for this entry."""
    app = Celery("beat", broker="memory://", set_as_current=False)
    with app.connection_for_write() as connection:
        queue = connection.SimpleQueue("maintenance")
        app.send_task(entry["task"], connection=connection, queue="maintenance", **entry["options"])
        message = queue.get(timeout=60)
        message.ack()
        queue.close()
    headers: dict[str, Any] = message.headers
    return headers
