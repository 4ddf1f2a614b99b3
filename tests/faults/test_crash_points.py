"""A task dies at each point of each stage: its document completes, once, and only a proven death repeats work."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest
from crash_rig import SOLO, Cell, Crashes, cells, crash_stack, run_table
from postgres_server import Postgres

from pipeline.gates_for_tests import COMMITTED

pytest_plugins = ("postgres_fixture",)

pytestmark = pytest.mark.timeout(900)  # the first test waits for the whole table

TABLE = cells()
BEFORE_COMMIT = ("claim", "work")


@pytest.fixture(scope="module", params=["sqlite", "postgres"])
def crashes(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory, needs: Callable[..., None]
) -> Iterator[Crashes]:
    """The whole table in one stack; each of the tests looks at one cell."""
    needs("tesseract")
    postgres: Postgres | None = request.getfixturevalue("postgres") if request.param == "postgres" else None
    folder = tmp_path_factory.mktemp(f"crash-{request.param}")
    with crash_stack(folder, database_url=postgres and postgres.create()) as rig:
        yield run_table(rig, folder, TABLE)


@pytest.mark.parametrize("cell", TABLE, ids=str)
def test_document_completes_although_its_task_died(crashes: Crashes, cell: Cell) -> None:
    name = str(cell)
    assert name not in crashes.unused, "nothing died there"
    assert crashes.outcomes[name] == {"completed": 1}
    repeated = {stage for stage, starts in crashes.starts[name].items() if starts > 1}
    assert repeated == ({cell.stage} if cell.after in BEFORE_COMMIT else set()), crashes.starts[name]


def test_store_is_exact(crashes: Crashes) -> None:
    crashes.rig.assert_exact()


def test_no_task_was_committed_twice_and_no_work_was_wasted(crashes: Crashes) -> None:
    history = crashes.history
    assert history.committed_twice() == []
    assert history.wasted() == []
    assert history.repeated() == sum(cell.after in BEFORE_COMMIT for cell in TABLE)
    assert history.reached("finalize", COMMITTED) >= len(TABLE)


def test_every_worker_that_died_was_started_again(crashes: Crashes) -> None:
    """A pool's process is replaced by its worker; a worker by the supervisor."""
    assert crashes.restarts == sum(cell.who == "worker" or cell.stage in SOLO for cell in TABLE)
