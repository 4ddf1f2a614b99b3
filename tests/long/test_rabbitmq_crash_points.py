"""The table of crash points with RabbitMQ as the broker: `make long`."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest
from crash_rig import Cell, Crashes, cells, crash_stack, run_table
from flow_tools import eventually

from pipeline.engine.broker import queue_depths

pytest_plugins = ("rabbitmq_fixture",)
pytestmark = [pytest.mark.rabbitmq, pytest.mark.timeout(3600)]

TABLE = cells()
LONGEST_S = 1800.0
"""RabbitMQ does not list its messages, so a message that was never published is missed after half a minute."""


@pytest.fixture(scope="module")
def crashes(rabbitmq: str, tmp_path_factory: pytest.TempPathFactory, needs: Callable[..., None]) -> Iterator[Crashes]:
    """The whole table in one stack."""
    needs("tesseract")
    folder = tmp_path_factory.mktemp("crash-rabbitmq")
    with crash_stack(folder, broker_url=rabbitmq) as rig:
        yield run_table(rig, folder, TABLE, LONGEST_S)


@pytest.mark.parametrize("cell", TABLE, ids=str)
def test_document_completes_although_its_task_died(crashes: Crashes, cell: Cell) -> None:
    name = str(cell)
    assert name not in crashes.unused, "nothing died there"
    assert crashes.outcomes[name] == {"completed": 1}


def test_store_is_exact_and_the_queues_are_empty(crashes: Crashes) -> None:
    crashes.rig.assert_exact()
    assert eventually(lambda: not any(queue_depths(crashes.rig.services).values()))


def test_no_task_was_committed_twice_and_no_work_was_wasted(crashes: Crashes) -> None:
    assert crashes.history.committed_twice() == []
    assert crashes.history.wasted() == []
