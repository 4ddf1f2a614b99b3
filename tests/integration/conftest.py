"""Fixtures that several modules of these tests use.

A stack takes seconds of both cores to start, so tests that need the same settings share one, whatever their module;
they use collections of their own.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from api_rig import Api, api_on
from canvas_rig import Around, surrounded
from flow_rig import MARK, FlowRig, stack_on
from gates import FOLDER
from metrics_rig import operated_stack
from planted import DOCUMENTS
from xdist.scheduler import LoadFileScheduling

SHARING = (
    ("test_mirror", "test_watching_page"),
    ("test_flow", "test_intake"),
    ("test_search", "test_samples_by_every_entry_point"),
    ("test_api_keys", "test_api_schema", "test_pages"),
)
"""Modules whose tests run in one process, as they share a stack.

Each of the first two pairs has one: in one process these four would run on when all others have ended.
"""

LONG = (
    "test_mirror",
    "test_watching_page",
    "test_cli",
    "test_workflows",
    "test_reindex",
    "test_schedule_stack",
    "test_texts",
    "test_api",
    "test_upgrade",
    "test_notifications",
)
"""Modules that take longest, the longest first, begin first: at the end the other processes would wait for them."""

GROUPS = {module: modules[0] for modules in SHARING for module in modules}


class ByStack(LoadFileScheduling):
    """Runs the tests of a file in one process (`--dist loadfile`), and the files that share a stack too."""

    def _split_scope(self, nodeid: str) -> str:
        file = str(super()._split_scope(nodeid))
        return GROUPS.get(Path(file).stem, file)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    places = {module: place for place, module in enumerate(LONG)}
    items.sort(key=lambda item: places.get(item.path.stem, len(LONG)))


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> ByStack | None:
    # Not by the mark `xdist_group`: pytest-xdist 3.8 writes groups into ids that pytest 9.2 no longer reads.
    return ByStack(config, log) if config.getoption("dist") == "loadfile" else None


@pytest.fixture(scope="session")
def shared_stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[FlowRig]:
    """A stack with the settings of all rigs, for files up to a megabyte."""
    data = tmp_path_factory.mktemp("shared") / "data"
    with stack_on(data, max_file_mb=1) as rig, pytest.MonkeyPatch.context() as patch:
        # What other tests of this process start is no part of the stack.
        patch.delenv(MARK)
        patch.delenv(FOLDER)
        yield rig


@pytest.fixture(scope="session")
def samples_api(tmp_path_factory: pytest.TempPathFactory, needs: Callable[..., None]) -> Iterator[Api]:
    """A stack with all entry points and the real model; the API may read the samples, and `../watched` is watched."""
    needs("tesseract")
    data = tmp_path_factory.mktemp("samples") / "data"
    watched = data.with_name("watched")
    watched.mkdir()
    folders = json.dumps([{"path": str(watched), "collection": "watched"}])
    # Heartbeats come later when OCR has both cores.
    more = {"embedding_model": "all-MiniLM-L6-v2", "watch": folders, "watch_settle_ms": 200, "dead_after_s": 8.0}
    with api_on(data, api_roots=(str(DOCUMENTS),), **more) as api:
        yield api


@pytest.fixture(scope="session")
def keyed_api(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Api]:
    """A stack whose API asks for keys and sends webhooks to this machine; it may read `../readable`."""
    data = tmp_path_factory.mktemp("keyed") / "data"
    readable = data.with_name("readable")
    readable.mkdir()
    with api_on(data, keyed=True, webhook_private=True, max_file_mb=1, api_roots=(str(readable),)) as api:
        yield api


@pytest.fixture(scope="module")
def operated(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Api]:
    """A stack with all that operators look at, Flower too; its API asks for a key."""
    with operated_stack(tmp_path_factory.mktemp("operated") / "data") as api:
        yield api


@pytest.fixture(scope="module")
def around(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Around]:
    """A stack whose surroundings fail when a test wants it."""
    with surrounded(tmp_path_factory.mktemp("canvas")) as surroundings:
        yield surroundings
