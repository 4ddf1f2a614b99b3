"""A scrape while a part of the system is away: it says which, and all that the others know."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from pathlib import Path

import pytest
from flow_tools import eventually
from prometheus_client.parser import text_string_to_metric_families
from search_rig import redis_server

from pipeline.metrics import Metrics
from pipeline.services import Services
from pipeline.settings import Settings
from pipeline.task_manager import TaskManager

NOWHERE = "127.0.0.1:1"
OF_REDIS = {"docrelay_stage_tasks", "docrelay_queue_workers", "docrelay_redis_memory_bytes"}
OF_BROKER = {"docrelay_queue_messages", "docrelay_dead_letter_messages"}
OF_CATALOG = {"docrelay_documents", "docrelay_tasks_running", "docrelay_waiting_batches", "docrelay_points_missing"}
OF_DISK = {"docrelay_disk_free_bytes", "docrelay_spool_bytes"}


@pytest.fixture(scope="module")
def url() -> Iterator[str]:
    with redis_server() as address:
        yield address


@pytest.fixture
def silent() -> Iterator[str]:
    """The address of a server that lets everybody in and says nothing, as a frozen one does."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        yield f"127.0.0.1:{listener.getsockname()[1]}"


def scrape(settings: Settings, awaited: set[str]) -> tuple[dict[str, float], set[str]]:
    """The parts with whether they are up, and the names of all families, once the awaited ones are among them.

    On a busy machine, the first scrapes may come before the first count has ended.
    """
    services = Services(settings)
    metrics, parts, names = Metrics(services, TaskManager(services)), dict[str, float](), set[str]()

    def has_come() -> bool:
        families = list(text_string_to_metric_families(metrics.exposition().decode()))
        (up,) = (family for family in families if family.name == "docrelay_up")
        parts.update({sample.labels["part"]: sample.value for sample in up.samples})
        names.clear()
        names.update(family.name for family in families)
        return awaited <= names

    assert eventually(has_come), awaited - names
    return parts, names


def test_all_parts_are_up(url: str, tmp_path: Path) -> None:
    awaited = OF_REDIS | OF_BROKER | OF_CATALOG | OF_DISK | {"docrelay_watch_trouble"}
    up, _ = scrape(Settings(data_dir=tmp_path, redis_url=url), awaited)
    assert up == {"redis": 1, "catalog": 1}


def test_redis_is_away(tmp_path: Path) -> None:
    up, names = scrape(Settings(data_dir=tmp_path, redis_url=f"redis://{NOWHERE}/0"), OF_CATALOG | OF_DISK)
    assert up == {"redis": 0, "catalog": 1}
    assert not names & (OF_REDIS | OF_BROKER)


def test_redis_is_frozen(silent: str, tmp_path: Path) -> None:
    up, names = scrape(Settings(data_dir=tmp_path, redis_url=f"redis://{silent}/0"), OF_CATALOG | OF_DISK)
    assert up == {"redis": 0, "catalog": 1}
    assert not names & (OF_REDIS | OF_BROKER)


def test_the_catalog_is_away(url: str, tmp_path: Path) -> None:
    away = Settings(data_dir=tmp_path, redis_url=url, database_url=f"postgresql://a:b@{NOWHERE}/c")
    up, names = scrape(away, OF_REDIS | OF_BROKER)
    assert up == {"redis": 1, "catalog": 0}
    assert not names & OF_CATALOG


def test_the_catalog_is_frozen(url: str, silent: str, tmp_path: Path) -> None:
    frozen = Settings(data_dir=tmp_path, redis_url=url, database_url=f"postgresql://a:b@{silent}/c")
    up, names = scrape(frozen, OF_REDIS | OF_BROKER)
    assert up == {"redis": 1, "catalog": 0}
    assert not names & OF_CATALOG


def test_another_broker_is_away(url: str, tmp_path: Path) -> None:
    away = Settings(data_dir=tmp_path, redis_url=url, broker_url=f"amqp://a:b@{NOWHERE}//")
    up, names = scrape(away, OF_REDIS | OF_CATALOG)
    assert up == {"redis": 1, "broker": 0, "catalog": 1}
    assert not names & OF_BROKER
