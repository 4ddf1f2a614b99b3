"""Dashboards and alerts on a real Prometheus that scrapes a live stack: every query runs, alerts fire and clear."""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
import subprocess
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import Any

import pytest
import yaml
from api_rig import Api, with_settings
from documented_rows import documented_rows
from flow_tools import eventually
from metrics_rig import Work, remove_point, rows_of, wait_for_counters, watched_folder
from prometheus_server import ALERTS, DEPLOY, Prometheus

from pipeline.engine.dead_letter_queue import put

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
    processes: list[dict[str, Any]] = Work(api).stack()["processes"]
    return next(process for process in processes if process["name"] == "embed-1")


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


FAULTS: dict[str, Callable[[Api], AbstractContextManager[None]]] = {
    "DocrelayDeadLetters": dead_letters,
    "DocrelayDrift": drift,
    "DocrelayFailureRate": failures,
    "DocrelaySlowDocuments": slow_documents,
    "DocrelayOldTask": old_tasks,
    "DocrelayNoWorker": no_worker,
    "DocrelayProcessRestarts": restarts,
    "DocrelayHeldDeletions": missing_folder,
}


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
