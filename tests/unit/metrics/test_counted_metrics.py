"""Counters on a real Redis: what Prometheus must see rise has a value before the first rise."""

from __future__ import annotations

import re
from collections.abc import Iterator
from itertools import product
from pathlib import Path

import pytest
import redis
from documented_rows import DOCS
from prometheus_client.core import Metric
from search_rig import redis_server

from pipeline.engine import metrics
from pipeline.metrics.counters import counters, histograms
from pipeline.settings import Settings


@pytest.fixture(scope="module")
def connection() -> Iterator[redis.Redis]:
    with redis_server() as url, redis.Redis.from_url(url) as connection:
        yield connection


def values_of(found: Iterator[Metric], name: str) -> dict[tuple[str, ...], float]:
    """The samples with this name, by their labels in the order of their names."""
    samples = [sample for family in found for sample in family.samples if sample.name == name]
    return {tuple(value for _, value in sorted(sample.labels.items())): sample.value for sample in samples}


def test_every_channel_of_notifications_begins_at_0(connection: redis.Redis, tmp_path: Path) -> None:
    settings = Settings(data_dir=tmp_path, notify_templates={"pager": {"body": "$text"}})
    channels = ("webhook", "mail", "slack", "ntfy", "pager")
    zeros = dict.fromkeys(product(channels, ("delivered", "retried", "failed")), 0)
    connection.flushall()
    assert values_of(counters(connection, settings), "docrelay_notifications_total") == zeros
    metrics.count_notification(connection, "pager", "failed")
    found = values_of(counters(connection, settings), "docrelay_notifications_total")
    assert found == {**zeros, ("pager", "failed"): 1}


@pytest.mark.parametrize(
    ("name", "labels"),
    [
        ("docrelay_stage_tasks_total", 6 * 6),
        ("docrelay_stage_seconds_total", 6),
        ("docrelay_dead_letters_total", 3),
        ("docrelay_rescued_tasks_total", 6),
        ("docrelay_documents_ended_total", 4),
        ("docrelay_document_failures_total", 0),
        ("docrelay_stage_duration_seconds_count", 6),
        ("docrelay_document_duration_seconds_count", 3),
    ],
)
def test_labels_that_are_known_begin_at_0(connection: redis.Redis, tmp_path: Path, name: str, labels: int) -> None:
    connection.flushall()
    read = histograms(connection) if name.endswith("_count") else counters(connection, Settings(data_dir=tmp_path))
    found = values_of(read, name)
    assert len(found) == labels
    assert not any(found.values())


@pytest.mark.parametrize(
    ("name", "outcomes"),
    [
        ("docrelay_stage_tasks_total", metrics.TASK_OUTCOMES),
        ("docrelay_notifications_total", metrics.NOTIFICATION_OUTCOMES),
        ("docrelay_dead_letters_total", metrics.DEAD_LETTER_OUTCOMES),
    ],
)
def test_the_row_of_a_counter_names_its_outcomes(name: str, outcomes: tuple[str, ...]) -> None:
    lines = (DOCS / "monitoring.md").read_text("utf-8").splitlines()
    (row,) = (line for line in lines if line.startswith(f"| `{name}`"))
    assert tuple(re.findall(r"`(\w+)`", row.split("|")[3])) == outcomes
