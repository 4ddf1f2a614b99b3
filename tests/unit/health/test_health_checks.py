"""Health without a stack: checks side by side for a bounded time, and what is judged from what was read."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.api.server import _listen
from pipeline.catalog.database.connection import writing
from pipeline.catalog.work import events
from pipeline.disk import DiskState
from pipeline.engine.heartbeat import Heartbeat
from pipeline.errors import StackUnavailable
from pipeline.health.broker import judge_memory
from pipeline.health.clock import check_clock, judge_clocks, offset_of
from pipeline.health.drift import judge_drift
from pipeline.health.finding import Finding, degraded, failed, ok
from pipeline.health.side_by_side import Checks
from pipeline.health.spool import judge_room
from pipeline.health.system import LastSeen, SystemHealth, needs_of, without_followers, worst
from pipeline.health.watcher import Folders, judge_folders
from pipeline.health.workers import judge_group
from pipeline.results import CollectionDrift, DriftStatus, WatchedFolder
from pipeline.services import Services
from pipeline.settings import Settings

FOLDER = WatchedFolder(
    root="/in", files=3, mode="native", held=None, held_files=0, held_since=None, trouble=None, looked_at=None
)


# Side by side


def test_a_check_without_an_answer_fails_and_holds_up_no_other() -> None:
    ended = threading.Event()
    checks = Checks({"hangs": lambda: ended.wait() and ok(), "works": ok}, patience_s=0.2, kept_s=0.0)
    try:
        found = checks.run(checks.names)
        assert (found["hangs"].state, found["works"].state) == ("failed", "ok")
        assert "no answer" in found["hangs"].cause
    finally:
        ended.set()


def test_a_check_that_hangs_is_not_begun_again_until_it_comes_back() -> None:
    ended, begun = threading.Event(), list[int]()

    def check() -> Finding:
        begun.append(1)
        ended.wait()
        return ok()

    checks = Checks({"part": check}, patience_s=0.05, kept_s=0.0)
    assert {checks.run(["part"])["part"].state for _ in range(10)} == {"failed"}
    assert len(begun) == 1
    ended.set()
    while checks.run(["part"])["part"].state != "ok":
        time.sleep(0.01)


def test_checks_run_at_the_same_time() -> None:
    """Each waits for all others: one after the other, they would never end."""
    barrier = threading.Barrier(8)

    def meet() -> Finding:
        barrier.wait()
        return ok()

    checks = Checks({str(number): meet for number in range(8)}, patience_s=60.0, kept_s=0.0)
    assert {finding.state for finding in checks.run(checks.names).values()} == {"ok"}


def test_a_finding_is_given_again_for_a_while_and_many_callers_cost_one_check() -> None:
    begun = list[int]()
    go_on = threading.Event()

    def check() -> Finding:
        begun.append(1)
        go_on.wait()
        return ok()

    checks = Checks({"part": check}, patience_s=60.0, kept_s=3600.0)
    callers = [threading.Thread(target=checks.run, args=(["part"],)) for _ in range(20)]
    for caller in callers:
        caller.start()
    go_on.set()
    for caller in callers:
        caller.join()
    checks.run(["part"])
    assert len(begun) == 1


def test_an_error_of_a_check_is_its_finding_with_its_hint() -> None:
    def away() -> Finding:
        raise StackUnavailable("The store process did not answer.")

    def broken() -> Finding:
        raise OSError(5, "Input/output error", "/data/spool")

    found = Checks({"known": away, "other": broken}, patience_s=60.0, kept_s=0.0).run(["known", "other"])
    assert found["known"] == failed("The store process did not answer.", StackUnavailable.hint)
    assert (found["other"].state, "/data/spool" in found["other"].cause) == ("failed", True)
    assert found["other"].hint


# Ages, and what follows from another part


def test_the_age_of_a_part_is_the_time_since_it_was_seen_well() -> None:
    seen = LastSeen()
    assert seen.part("beat", failed("gone", "start it")).age_s is None
    assert seen.part("beat", ok(7.0)).age_s == 7.0
    assert seen.part("beat", failed("gone", "start it")).age_s >= 7.0
    assert seen.part("beat", failed("gone", "start it", 40.0)).age_s == 40.0
    assert seen.part("store", failed("gone", "start it")).age_s is None


NEEDS = needs_of(Services(Settings(redis_url="redis://127.0.0.1:1/0")))
FINDINGS = st.sampled_from([ok(), degraded("slow", "wait"), failed("gone", "start it")])


@given(st.fixed_dictionaries(dict.fromkeys({"broker", "catalog", "spool", *NEEDS}, FINDINGS)))
def test_what_follows_from_a_failed_part_is_not_known_and_all_else_is_as_found(found: dict[str, Finding]) -> None:
    shown = without_followers(found, NEEDS)
    down = {name for name, finding in found.items() if finding.state == "failed"}
    assert shown.keys() == found.keys()
    assert ("failed" in {finding.state for finding in shown.values()}) == bool(down)
    for name, finding in shown.items():
        if found[name].state == "failed" and down & set(NEEDS.get(name, ())):
            assert (finding.state, finding.cause.startswith("Not known")) == ("degraded", True)
        else:
            assert finding == found[name]


@given(st.lists(FINDINGS))
def test_a_report_is_as_its_worst_part(found: list[Finding]) -> None:
    parts = [LastSeen().part(str(number), finding) for number, finding in enumerate(found)]
    states = {finding.state for finding in found}
    expected = "failed" if "failed" in states else "degraded" if "degraded" in states else "ok"
    assert worst(parts) == expected


# What is judged


@pytest.mark.parametrize(
    ("memory", "state"),
    [
        ({"used_memory": 100, "maxmemory": 0}, "ok"),
        ({"used_memory": 89, "maxmemory": 100, "maxmemory_policy": "noeviction"}, "ok"),
        ({"used_memory": 90, "maxmemory": 100, "maxmemory_policy": "noeviction"}, "degraded"),
        ({"used_memory": 10, "maxmemory": 100, "maxmemory_policy": "allkeys-lru"}, "degraded"),
    ],
)
def test_memory_of_redis(memory: dict[str, object], state: str) -> None:
    assert judge_memory(memory).state == state


@pytest.mark.parametrize(("free", "state"), [(0, "failed"), (99, "failed"), (100, "degraded"), (200, "ok")])
def test_room_on_the_disk(free: int, state: str) -> None:
    found = judge_room(DiskState("/data", free, 100))
    assert (found.state, dict(found.measured)) == (state, {"free_bytes": free, "needed_bytes": 100})


@given(st.sets(st.sampled_from(["upsert", "finalize", "maintenance", "embed"])), st.floats(0, 7))
def test_a_group_is_well_when_living_workers_serve_all_its_queues(served: set[str], age_s: float) -> None:
    living = [Heartbeat(f"one@{queue}", frozenset({f"{queue}@{queue}"}), age_s) for queue in sorted(served)]
    queues = {"upsert", "finalize", "maintenance"}
    found = judge_group("store", sorted(queues), living, [])
    assert found.state == ("ok" if served >= queues else "failed")
    assert found.measured == {"workers": len(served & queues), "queues_unserved": len(queues - served)}
    assert all(queue in found.cause for queue in queues - served)


def test_a_group_is_degraded_while_one_of_its_processes_is_started_again() -> None:
    living = [Heartbeat("embed-1@a", frozenset({"embed@embed"}), 0.3)]
    found = judge_group("embed", ["embed"], living, ["embed-2"])
    assert (found.state, "embed-2" in found.cause) == ("degraded", True)


@pytest.mark.parametrize(
    ("changes", "leases", "missing", "state", "words"),
    [
        ({}, {"/in": 0.4}, (), "ok", ""),
        ({}, {}, (), "failed", "No process watches /in"),
        ({"trouble": "disk_full: no room"}, {"/in": 0.4}, (), "failed", "disk_full"),
        ({"held": "many_gone", "held_files": 12}, {"/in": 0.4}, (), "degraded", "12 files are missing"),
        ({"held": "root_missing", "held_files": 3}, {"/in": 0.4}, ("/in",), "failed", "is not there"),
    ],
)
def test_watched_folders(
    changes: dict[str, object], leases: dict[str, float], missing: tuple[str, ...], state: str, words: str
) -> None:
    known = {"/in": FOLDER.model_copy(update=changes)}
    found = judge_folders(Folders(["/in"], known, leases), missing)
    assert (found.state, words in found.cause) == (state, True)
    assert judge_folders(Folders([], {}, {}), ()).state == "ok"


def test_drift() -> None:
    lost = CollectionDrift(collection="documents", expected=10, points=7)
    more = CollectionDrift(collection="others", expected=1, points=3)
    found = judge_drift(DriftStatus(collections=[lost, more]), 5.0)
    assert (found.state, found.cause) == ("failed", "Collection documents: 7 of 10 points are in the store.")
    assert found.measured == {"points_missing": 3, "points_surplus": 2, "verify_left": 0}
    assert judge_drift(DriftStatus(left={"payload": 4}), 5.0).state == "failed"
    assert judge_drift(DriftStatus(unfinished=2), 5.0).state == "degraded"
    assert judge_drift(DriftStatus(), 5.0) == ok(5.0, points_missing=0, points_surplus=0, verify_left=0)


@given(st.floats(-1e6, 1e6), st.floats(-1e6, 1e6), st.floats(-1e6, 1e6))
def test_clocks(redis_s: float, database_s: float, event_s: float) -> None:
    found = judge_clocks({"Redis": redis_s, "the database": database_s}, event_s)
    most = max(abs(redis_s), abs(database_s), event_s)
    assert found.state == ("ok" if most <= 2 else "degraded" if most <= 30 else "failed")
    if found.state != "ok" and max(abs(redis_s), abs(database_s)) > 2:
        name = "Redis" if abs(redis_s) >= abs(database_s) else "the database"
        assert name in found.cause


def test_an_offset_leaves_out_the_time_that_reading_took() -> None:
    def reading(offset_s: float, takes_s: float) -> Callable[[], float]:
        def read() -> float:
            time.sleep(takes_s / 2)
            there = time.time() + offset_s
            time.sleep(takes_s / 2)
            return there

        return read

    assert offset_of(reading(0.0, 0.2)) == 0.0
    assert offset_of(reading(0.05, 0.2)) == 0.0
    assert 3590 < offset_of(reading(3600.0, 0.0)) <= 3600
    assert -3600 <= offset_of(reading(-3600.0, 0.0)) < -3590


def test_a_clock_that_was_set_back_is_seen_by_the_events_of_the_catalog(tmp_path: Path) -> None:
    services = Services(Settings(data_dir=tmp_path))

    class Agreeing:
        def time(self) -> tuple[int, int]:
            return int(time.time()), 500_000

    with writing(services.catalog) as connection:
        events.add(connection, "job.finished", [("job", None)])
        connection.execute(events.events.update().values(at=time.time() + 3600))
    found = check_clock(services, Agreeing())  # type: ignore[arg-type]
    assert (found.state, "in the future" in found.cause) == ("failed", True)
    assert 3590 < found.measured["event_ahead_s"] <= 3600
    services.catalog.dispose()


# A system without a stack, and the socket of the API


def test_without_redis_only_files_are_checked_and_nothing_is_reachable(tmp_path: Path) -> None:
    services = Services(Settings(data_dir=tmp_path, min_free_mb=1))
    report = SystemHealth(services, patience_s=60.0).report()
    assert [part.name for part in report.parts] == ["catalog", "spool", "drift"]
    assert (report.state, report.reachable) == ("ok", False)
    services.catalog.dispose()


def test_a_client_can_connect_before_the_server_takes_its_connection(tmp_path: Path) -> None:
    with _listen(Settings(data_dir=tmp_path, api_port=0)) as listener:
        socket.create_connection(listener.getsockname(), timeout=60).close()
