"""What a look at the system reports, over plain data: stages without a worker, conditions that no look watches."""

from __future__ import annotations

import time
from dataclasses import replace
from pathlib import Path

import pytest
from small_disk import fill, small_disk

from pipeline.catalog.database.connection import writing
from pipeline.catalog.database.schema import notices
from pipeline.catalog.work import conditions
from pipeline.catalog.work.conditions import Condition, Key, Observation, Timing, step
from pipeline.catalog.work.notices import Notice
from pipeline.names import STAGES
from pipeline.notify.look_loop import look_once
from pipeline.notify.memory import FORGOTTEN_S
from pipeline.notify.messages import words_of
from pipeline.notify.trouble import absent_for_long, disks_with_limits, look, missing_stages
from pipeline.services import Services
from pipeline.settings import Settings

NOW = time.time()


def test_a_stage_is_missing_if_no_worker_serves_it_on_its_queue() -> None:
    served = {f"{stage}@{stage}" for stage in STAGES} | {"redact@redact"}
    assert missing_stages(served) == []
    assert missing_stages(served - {"embed@embed", "ocr@ocr"}) == ["ocr", "embed"]
    assert missing_stages({"embed@elsewhere"}) == list(STAGES)


def test_conditions_end_that_are_over_and_those_that_nobody_watches_are_forgotten() -> None:
    def low(host: str) -> Condition:
        return Condition(NOW - 2 * FORGOTTEN_S, raised=True, severity="error", facts={"host": host})

    known = {
        Key("worker.dead", "worker here"): Condition(NOW, raised=True),
        Key("worker.dead", "worker long-gone"): Condition(NOW - FORGOTTEN_S - 60, raised=True),
        Key("worker.dead", "worker lately-gone"): Condition(NOW - 60, raised=True),
        Key("watch.held", "/confirmed"): Condition(NOW - 600, raised=True, absent_since=NOW - 400),
        Key("watch.held", "/held"): Condition(NOW - 2 * FORGOTTEN_S, raised=True),
        Key("disk.low", "here:/data"): low("here"),
        Key("disk.low", "here:/former"): low("here"),
        Key("disk.low", "here:/away"): replace(low("here"), since=NOW - 60),  # its disk cannot be looked at now
        Key("disk.low", "other:/data"): low("other"),
        Key("disk.low", "removed:/data"): low("removed"),
        Key("disk.low", "/data"): Condition(NOW - 2 * FORGOTTEN_S, raised=True),  # of a version before this one
    }
    seen = [
        Observation("worker.dead", "worker here", present=True),
        Observation("disk.low", "here:/data", present=True),
    ]
    hosts = {"here": NOW, "other": NOW - 40, "removed": NOW - FORGOTTEN_S - 60}
    ended = absent_for_long(known, seen, hosts, "here")
    assert {item.subject: item.forgotten for item in ended} == {
        "worker long-gone": True,
        "/confirmed": False,
        "here:/former": True,
        "removed:/data": True,
        "/data": True,
    }
    assert not any(item.present for item in ended)
    for item in ended:
        after, edge = step(known[item.key], item, NOW, Timing(clear_after_s=0.0))
        assert (after, edge) == (None, None if item.forgotten else "cleared")
    # While Redis is away, neither workers nor other hosts can be looked at.
    unsure = absent_for_long(known, [item for item in seen if item.event == "disk.low"], None, "here")
    assert {item.subject for item in unsure} == {"/confirmed", "here:/former"}


def test_the_same_folder_on_two_hosts_is_two_conditions(tmp_path: Path) -> None:
    """The process with much room looks, again and again, after the one whose disk is low."""
    low = Services(Settings(data_dir=tmp_path, redis_url="redis://127.0.0.1:1/0", notify_disk_mb=10**8))
    roomy = low.settings.model_copy(update={"notify_disk_mb": 0, "min_free_mb": 0})
    timing = Timing(0.05, 0.0)
    for _ in range(3):
        with writing(low.catalog) as connection:
            conditions.observe(connection, look(low, "full-host"), timing)
            conditions.observe(connection, look(Services(roomy), "other-host"), timing)
        time.sleep(0.1)
    with low.catalog.connect() as connection:
        (noted,) = connection.execute(notices.select()).all()
    assert (noted.event, noted.subject, noted.cleared) == ("disk.low", f"full-host:{tmp_path}", False)
    low.catalog.dispose()


def test_every_disk_that_work_writes_to_is_looked_at_with_its_own_limit(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with small_disk(tmp_path / "spool", 64) as spool, small_disk(tmp_path / "tmp", 8) as tmp:
        monkeypatch.setenv("TMPDIR", str(tmp))
        wanted = {"notify_disk_mb": 40, "min_free_mb": 16, "spool_url": f"file://{spool}/files"}
        settings = Settings(data_dir=tmp_path / "data", redis_url="redis://127.0.0.1:1/0", **wanted)
        fill(spool / "filler", leave_bytes=30 << 20)

        found = look(Services(settings), "h")

        limits = {item.facts["path"]: (item.facts["wanted_mb"], item.facts["setting"]) for item in found}
        assert limits == {
            str(tmp_path / "data"): (40, "notify_disk_mb"),
            f"{spool}/files": (40, "notify_disk_mb"),
            str(tmp): (1, ""),
        }
        (low,) = [item for item in found if item.present]
        title, text = words_of(Notice("1", *low.key, low.severity, cleared=False, at=NOW, facts=low.facts))
        assert title == f"Little room on the disk of {spool}/files on h"
        assert 29 <= low.facts["free_mb"] <= 30
        assert text.startswith(f"{low.facts['free_mb']} MB are free, 40 MB are wanted (setting notify_disk_mb).")

        monkeypatch.setenv("TMPDIR", str(spool))  # on one disk with the spool: it is one report
        assert len(disks_with_limits(settings)) == 2


def test_the_disk_is_looked_at_though_redis_is_away(tmp_path: Path) -> None:
    lacking = {"notify_disk_mb": 10**8, "notify_check_s": 0.2, "notify_clear_s": 0.2}
    services = Services(Settings(data_dir=tmp_path, redis_url="redis://127.0.0.1:1/0", **lacking))
    with writing(services.catalog) as connection:
        held = Observation("watch.held", "/folder", present=True)
        conditions.observe(connection, [held], Timing())
        conditions.observe(connection, [Observation("watch.held", "/folder", present=False)], Timing())
    for _ in range(2):
        look_once(services)
        time.sleep(0.3)  # longer than both intervals; a longer wait changes nothing
    with services.catalog.connect() as connection:
        rows = connection.execute(notices.select().order_by(notices.c.at)).all()
    reported = [(row.event, row.severity, row.cleared) for row in rows]
    assert reported[:1] == [("watch.held", "warning", False)]
    assert sorted(reported[1:]) == [("disk.low", "error", False), ("watch.held", "warning", True)]
    services.catalog.dispose()
