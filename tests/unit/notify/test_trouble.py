"""What a look at the system reports, over plain data: stages without a worker, conditions that no look watches."""

from __future__ import annotations

import time
from pathlib import Path

from pipeline.catalog.database.connection import writing
from pipeline.catalog.database.schema import notices
from pipeline.catalog.work import conditions
from pipeline.catalog.work.conditions import Condition, Key, Observation, Timing
from pipeline.names import STAGES
from pipeline.notify.look_loop import look_once
from pipeline.notify.trouble import FORGOTTEN_S, Workers, absent_for_long, missing_stages
from pipeline.services import Services
from pipeline.settings import Settings

NOW = time.time()


def test_a_stage_is_missing_if_no_worker_serves_it_on_its_queue() -> None:
    served = {f"{stage}@{stage}" for stage in STAGES} | {"redact@redact"}
    assert missing_stages(served) == []
    assert missing_stages(served - {"embed@embed", "ocr@ocr"}) == ["ocr", "embed"]
    assert missing_stages({"embed@elsewhere"}) == list(STAGES)


def test_a_worker_is_dead_until_it_is_back_has_signed_off_or_was_gone_for_a_day() -> None:
    now = [0.0]
    workers = Workers(lambda: now[0])

    def dead(*living: str, signed_off: tuple[str, ...] = ()) -> dict[str, bool]:
        seen = workers.look(living, signed_off.__contains__)
        return {item.subject.removeprefix("worker "): item.present for item in seen}

    assert dead("a@1", "b@1", "c@1") == {"a": False, "b": False, "c": False}
    assert dead("a@1", signed_off=("c@1",)) == {"a": False, "b": True}
    assert dead("a@2", "b@2") == {"a": False, "b": False}
    assert dead("a@2") == {"a": False, "b": True}
    now[0] += FORGOTTEN_S + 1
    assert dead("a@2") == {"a": False}


def test_conditions_end_that_are_over_or_of_workers_that_nobody_expects() -> None:
    known = {
        Key("worker.dead", "worker here"): Condition(NOW, raised=True),
        Key("worker.dead", "worker long-gone"): Condition(NOW - FORGOTTEN_S - 60, raised=True),
        Key("worker.dead", "worker lately-gone"): Condition(NOW - 60, raised=True),
        Key("watch.held", "/confirmed"): Condition(NOW - 600, raised=True, absent_since=NOW - 400),
        Key("watch.held", "/held"): Condition(NOW - 2 * FORGOTTEN_S, raised=True),
    }
    seen = [Observation("worker.dead", "worker here", present=True)]
    ended = absent_for_long(known, seen)
    assert [item.key for item in ended] == [("worker.dead", "worker long-gone"), ("watch.held", "/confirmed")]
    assert not any(item.present for item in ended)


def test_the_disk_is_looked_at_though_redis_is_away(tmp_path: Path) -> None:
    lacking = {"notify_disk_mb": 10**8, "notify_check_s": 0.2, "notify_clear_s": 0.2}
    services = Services(Settings(data_dir=tmp_path, redis_url="redis://127.0.0.1:1/0", **lacking))
    with writing(services.catalog) as connection:
        held = Observation("watch.held", "/folder", present=True)
        conditions.observe(connection, [held], Timing())
        conditions.observe(connection, [Observation("watch.held", "/folder", present=False)], Timing())
    for _ in range(2):
        look_once(services, Workers())
        time.sleep(0.3)  # longer than both intervals; a longer wait changes nothing
    with services.catalog.connect() as connection:
        rows = connection.execute(notices.select().order_by(notices.c.at)).all()
    reported = [(row.event, row.severity, row.cleared) for row in rows]
    assert reported[:1] == [("watch.held", "warning", False)]
    assert sorted(reported[1:]) == [("disk.low", "error", False), ("watch.held", "warning", True)]
    services.catalog.dispose()
