"""Dashboards and alerts on a real Prometheus that scrapes a live stack: every query runs, alerts fire and clear."""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
import socket
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager, suppress
from pathlib import Path
from typing import Any

import pytest
import yaml
from api_rig import Api, OtherApi, with_settings
from documented_rows import documented_rows
from flow_tools import eventually, repeated
from health_rig import blocked_reconciler
from metrics_rig import Work, remove_point, rows_of, wait_for_counters, watched_folder
from postgres_server import running_postgres
from prometheus_server import ALERTS, DEPLOY, Prometheus
from search_rig import redis_server

from pipeline.catalog.api import keys
from pipeline.catalog.database.connection import open_catalog, writing
from pipeline.engine.dead_letter_queue import put
from pipeline.engine.heartbeat import RECONCILED
from pipeline.engine.reconciler import LOCK

DASHBOARDS = sorted((DEPLOY / "grafana" / "dashboards").glob("*.json"))
RULES = [rule for group in yaml.safe_load(ALERTS.read_text())["groups"] for rule in group["rules"]]
RULE_TESTS = Path(__file__).parents[1] / "data" / "alert_tests.yml"


def queries() -> list[tuple[str, str]]:
    """Every query of every dashboard, with its panel."""
    found = []
    for path in DASHBOARDS:
        for panel in json.loads(path.read_text())["panels"]:
            found += [(f"{path.stem}: {panel['title']}", target["expr"]) for target in panel["targets"]]
    return found


@pytest.fixture(scope="module")
def api(operated: Api) -> Api:
    wait_for_counters(operated)
    for name in ("lamp.txt", "horn.txt"):
        (watched_folder(operated) / name).write_text(f"The {name} of the lighthouse is watched.")
    live = "SELECT count(*) > 1 FROM documents WHERE collection = 'watched' AND live_version_id IS NOT NULL"
    assert eventually(lambda: rows_of(operated.cli.folder / "catalog.db", live) == [(1,)])
    return operated


@pytest.fixture(scope="module")
def prometheus(api: Api, tmp_path_factory: pytest.TempPathFactory, needs: Callable[..., None]) -> Iterator[Prometheus]:
    needs("prometheus", "promtool")
    server = Prometheus(tmp_path_factory.mktemp("prometheus"), str(api.key))
    server.scrape(target_of(api))
    with server.running():
        yield server


def target_of(api: Api) -> str:
    return ":".join(map(str, api.address))


def test_alerts_and_dashboards_name_only_metrics_that_are_documented() -> None:
    documented = {*documented_rows("monitoring.md", "## Metrics")}
    named = set(re.findall(r"docrelay_\w+", ALERTS.read_text() + "".join(path.read_text() for path in DASHBOARDS)))
    assert {re.sub(r"(_seconds)_(bucket|count|sum)$", r"\1", name) for name in named} <= documented
    assert documented_rows("monitoring.md", "## Prometheus and Grafana") == [rule["alert"] for rule in RULES]


@pytest.mark.parametrize(("panel", "query"), queries())
def test_every_query_of_the_dashboards_has_an_answer(api: Api, prometheus: Prometheus, panel: str, query: str) -> None:
    if not prometheus.query("docrelay_document_failures_total"):
        api.submit(("seen.txt", b"Seen by Prometheus."), ("void.txt", b""))
    chosen = query.replace("$__rate_interval", "2m").replace("$stage", ".*").replace("$worker", ".*")
    assert eventually(lambda: prometheus.query(chosen), 60), (panel, chosen)


def test_promtool_accepts_the_alerts_and_the_story_of_each(needs: Callable[..., None], tmp_path: Path) -> None:
    """Times are simulated: each alert is silent before its pause is over, fires, says what is wrong, and clears."""
    needs("promtool")
    shutil.copy(ALERTS, tmp_path / "alerts.yml")
    shutil.copy(RULE_TESTS, tmp_path / "tests.yml")
    ended = subprocess.run(["promtool", "test", "rules", "tests.yml"], cwd=tmp_path, capture_output=True, text=True)
    assert ended.returncode == 0, ended.stdout + ended.stderr
    tested = {
        case["alertname"]
        for test in yaml.safe_load(RULE_TESTS.read_text())["tests"]
        for case in test["alert_rule_test"]
    }
    assert tested == {rule["alert"] for rule in RULES}


# Faults that are made. Each holds for the block.


@contextmanager
def dead_letters(api: Api) -> Iterator[None]:
    message = {"reason": "No worker has it.", "queue": "nowhere", "headers": {"task": "other.task", "id": "9"}}
    with api.cli.services() as services:
        assert put(services, message, b"1")
    yield
    api.cli.json("failures", "messages", "purge", "--yes")


@contextmanager
def drift(api: Api) -> Iterator[None]:
    remove_point(api)
    yield
    api.cli.json("verify", "--repair")


@contextmanager
def failures(api: Api) -> Iterator[None]:
    api.submit(*[(f"empty-{number}.txt", b"") for number in range(3)])
    api.submit(*[(f"whole-{number}.txt", f"Whole {number}.".encode()) for number in range(3)])
    yield


@contextmanager
def slow_documents(api: Api) -> Iterator[None]:
    """Documents that seem to have been recorded long ago end now."""
    with api.cli.gates.closed("embed"):
        api.client.submit(*[(f"slow-{number}.txt", f"Slow {number}.".encode()) for number in range(8)])
        api.cli.gates.arrived("embed")
        change(api, "UPDATE attempts SET created_at = created_at - 2000 WHERE finished_at IS NULL")
    yield


@contextmanager
def old_tasks(api: Api) -> Iterator[None]:
    """The embed worker is held, and what waits behind it seems to have waited for long."""
    with api.cli.gates.closed("embed"):
        for batch in range(3):
            api.client.submit((f"old-{batch}.txt", f"Old {batch}.".encode()))
        api.cli.gates.arrived("embed")
        waiting = "SELECT count(*) FROM tasks WHERE stage = 'embed' AND state = 'due'"
        assert eventually(lambda: rows_of(api.cli.folder / "catalog.db", waiting) == [(2,)])
        change(api, "UPDATE tasks SET published_at = published_at - 2000 WHERE stage = 'embed' AND state = 'due'")
        yield


@contextmanager
def no_worker(api: Api) -> Iterator[None]:
    """The embed worker is killed, and so are the next two before they are ready: the supervisor finds them frozen."""
    process = embedder(api)
    os.kill(process["pid"], signal.SIGKILL)
    for _ in range(2):
        former = process["pid"]
        assert eventually(lambda former=former: embedder(api)["pid"] not in (None, former), pause=0.01)
        process = embedder(api)
        os.kill(process["pid"], signal.SIGSTOP)
    yield


def embedder(api: Api) -> dict[str, Any]:
    """What the supervisor has written down of the embed worker."""
    return process_of(api, "embed-1")


def process_of(api: Api, name: str) -> dict[str, Any]:
    """What the supervisor has written down of a process."""
    processes: list[dict[str, Any]] = Work(api).stack()["processes"]
    return next(process for process in processes if process["name"] == name)


@contextmanager
def no_beat(api: Api) -> Iterator[None]:
    """Beat is stopped whenever there is one: the supervisor replaces each of them as frozen."""

    def stop() -> None:
        with suppress(ProcessLookupError):
            if (pid := process_of(api, "beat")["pid"]) is not None:
                os.kill(pid, signal.SIGSTOP)

    with repeated(stop, 0.2):
        yield


@contextmanager
def no_reconciler(api: Api) -> Iterator[None]:
    """Another worker holds the reconciler's lock and hangs, and the last run seems to be long ago."""
    with api.cli.services() as services, blocked_reconciler(services.redis):
        assert eventually(lambda: services.redis.get(LOCK) == b"held")
        services.redis.set(RECONCILED, time.time() - 2000)
        yield


@contextmanager
def restarts(api: Api) -> Iterator[None]:
    for _ in range(4):
        before = embedder(api)
        os.kill(before["pid"], signal.SIGKILL)
        assert eventually(lambda before=before: is_ready_again(api, before["pid"]))
    yield


def is_ready_again(api: Api, former: int) -> bool:
    now = embedder(api)
    return now["state"] == "ready" and now["pid"] != former


@contextmanager
def missing_folder(api: Api) -> Iterator[None]:
    folder = watched_folder(api)
    aside = folder.rename(folder.with_name("elsewhere"))
    yield
    aside.rename(folder)


@contextmanager
def dead_watcher(api: Api) -> Iterator[None]:
    """A folder is watched by a command that is killed; later one watches it to an orderly end."""
    folder = api.cli.folder.with_name("watched-by-hand")
    folder.mkdir()
    (folder / "gong.txt").write_text("The gong of the lighthouse.")
    begun = f"SELECT 1 FROM watched WHERE root = '{folder}' AND mode IS NOT NULL"

    def watch() -> subprocess.Popen[str]:
        return api.cli.start("watch", folder, "--collection", "by-hand")

    def is_begun() -> bool:
        return bool(rows_of(api.cli.folder / "catalog.db", begun))

    first = watch()
    assert eventually(is_begun)
    first.kill()
    first.wait()
    yield
    second = watch()
    assert eventually(lambda: str(folder) in watched_now(api))
    second.terminate()
    api.cli.end(second)
    assert not is_begun()


def watched_now(api: Api) -> set[str]:
    """The folders that living processes watch, from the leases in Redis."""
    with api.cli.services() as services:
        return {key.decode().removeprefix("docrelay:watch:") for key in services.redis.scan_iter("docrelay:watch:*")}


@contextmanager
def failed_notifications(api: Api) -> Iterator[None]:
    """A webhook that nobody answers is tried for the last time."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    api.submit(
        ("bell.txt", b"Nobody hears the bell."), webhook={"url": f"http://127.0.0.1:{port}/", "secret": "x" * 16}
    )
    waiting = "SELECT count(*) FROM deliveries WHERE state = 'waiting' AND tries > 0"
    assert eventually(lambda: rows_of(api.cli.folder / "catalog.db", waiting) == [(1,)])
    change(api, "UPDATE deliveries SET tries = 9, due_at = 0 WHERE state = 'waiting'")
    yield


@contextmanager
def failed_entry(api: Api) -> Iterator[None]:
    """The last run of an entry of the schedule seems to have failed; the next one is done."""
    run_entry(api, "expiry")
    change(api, "UPDATE scheduled SET outcome = 'failed', ended_at = ended_at + 1 WHERE name = 'expiry'")
    yield
    run_entry(api, "expiry")


def run_entry(api: Api, name: str) -> None:
    """Run an entry of the schedule, to its end."""

    def runs() -> int:
        (entry,) = [entry for entry in api.client.schedule().entries if entry.name == name]
        return entry.runs if entry.state == "idle" else -1

    assert eventually(lambda: runs() >= 0)
    before = runs()
    api.client.run_schedule(name)
    assert eventually(lambda: runs() > before)


FAULTS: dict[str, Callable[[Api], AbstractContextManager[None]]] = {
    "DocrelayDeadLetters": dead_letters,
    "DocrelayDrift": drift,
    "DocrelayFailureRate": failures,
    "DocrelaySlowDocuments": slow_documents,
    "DocrelayOldTask": old_tasks,
    "DocrelayNoWorker": no_worker,
    "DocrelayProcessRestarts": restarts,
    "DocrelayNoBeat": no_beat,
    "DocrelayNoReconciler": no_reconciler,
    "DocrelayHeldDeletions": missing_folder,
    "DocrelayWatchTrouble": dead_watcher,
    "DocrelayNotificationsFailed": failed_notifications,
    "DocrelayScheduleFailed": failed_entry,
}

OF_OTHER_APIS = {"DocrelayDown", "DocrelayDiskFull", "DocrelayDiskLow"}
OF_OTHER_APIS |= {"DocrelayRedisDown", "DocrelayBrokerDown", "DocrelayCatalogDown"}
"""Alerts whose fault is made for one more API of the stack, or is that it has gone."""


def test_the_fault_of_every_alert_is_made() -> None:
    assert {*FAULTS, *OF_OTHER_APIS} == {rule["alert"] for rule in RULES}


def change(api: Api, statement: str) -> None:
    rows_of(api.cli.folder / "catalog.db", statement)


@pytest.mark.parametrize("alert", FAULTS)
def test_an_alert_fires_while_its_fault_lasts_and_clears(api: Api, prometheus: Prometheus, alert: str) -> None:
    assert eventually(lambda: alert not in prometheus.firing()), "it fires before its fault is made"
    with FAULTS[alert](api):
        assert eventually(lambda: alert in prometheus.firing()), prometheus.firing()
    assert eventually(lambda: alert not in prometheus.firing()), "it does not clear"


def test_alerts_of_the_disk_and_of_an_api_that_is_gone(api: Api, prometheus: Prometheus) -> None:
    """One more API of the stack, which wants more room than the disk has."""
    names = {"DocrelayDiskFull", "DocrelayDiskLow"}
    with with_settings(api, min_free_mb=10**8) as other:
        prometheus.scrape(target_of(api), ":".join(map(str, other.address)))
        assert eventually(lambda: names <= prometheus.firing()), prometheus.firing()
    assert eventually(lambda: "DocrelayDown" in prometheus.firing() and not names & prometheus.firing())
    prometheus.scrape(target_of(api))
    assert eventually(lambda: "DocrelayDown" not in prometheus.firing())


def test_alert_of_redis_that_is_gone(api: Api, prometheus: Prometheus) -> None:
    with ExitStack() as of_redis:
        url = of_redis.enter_context(redis_server())
        with with_settings(api, redis_url=url) as other, scraped(api, prometheus, other):
            assert eventually(lambda: is_up(prometheus, other, "redis"))
            of_redis.close()
            assert_only_alert_of_a_part(prometheus, "DocrelayRedisDown")
            assert is_up(prometheus, other, "catalog")
    assert eventually(lambda: "DocrelayRedisDown" not in prometheus.firing())


def test_alert_of_a_broker_that_is_gone(api: Api, prometheus: Prometheus) -> None:
    with with_settings(api, broker_url="amqp://a:b@127.0.0.1:1//") as other, scraped(api, prometheus, other):
        assert_only_alert_of_a_part(prometheus, "DocrelayBrokerDown")
        assert is_up(prometheus, other, "redis")
    assert eventually(lambda: "DocrelayBrokerDown" not in prometheus.firing())


def test_alert_of_a_catalog_that_is_gone(api: Api, prometheus: Prometheus) -> None:
    """A key that was good before is good for the scrape while the catalog is down; no other key is."""
    with ExitStack() as of_database:
        url = of_database.enter_context(running_postgres()).create()
        catalog = open_catalog(url)
        with writing(catalog) as connection:
            _, secret = keys.create(connection, "prometheus", ("read",), 0)
        catalog.dispose()
        prometheus.use_key(secret)
        try:
            with with_settings(api, database_url=url) as other, scraped(api, prometheus, other, alone=True):
                assert eventually(lambda: is_up(prometheus, other, "catalog"))
                of_database.close()
                assert_only_alert_of_a_part(prometheus, "DocrelayCatalogDown")
                assert is_up(prometheus, other, "redis")
                refused = other.http.get("/metrics", headers={"Authorization": f"Bearer {api.key}"})
                assert (refused.status_code, refused.json()["code"]) == (503, "stack_unavailable")
        finally:
            prometheus.use_key(str(api.key))
    assert eventually(lambda: "DocrelayCatalogDown" not in prometheus.firing())


@contextmanager
def scraped(api: Api, prometheus: Prometheus, other: OtherApi, *, alone: bool = False) -> Iterator[None]:
    """Scrape another API beside the one of the stack, or `alone`."""
    targets = [":".join(map(str, other.address))]
    prometheus.scrape(*targets if alone else (target_of(api), *targets))
    try:
        yield
    finally:
        prometheus.scrape(target_of(api))


def is_up(prometheus: Prometheus, other: OtherApi, part: str) -> bool:
    """Whether an API has said in the last scrape that a part is up."""
    instance = ":".join(map(str, other.address))
    return bool(prometheus.query(f'docrelay_up{{part="{part}", instance="{instance}"}} == 1'))


def assert_only_alert_of_a_part(prometheus: Prometheus, alert: str) -> None:
    """The API answers, and says which part does not."""
    assert eventually(lambda: alert in prometheus.firing()), prometheus.firing()
    parts = {"DocrelayDown", "DocrelayRedisDown", "DocrelayBrokerDown", "DocrelayCatalogDown"}
    assert prometheus.firing() & parts == {alert}
