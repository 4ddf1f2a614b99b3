"""Fixtures that several modules of these tests use.

A stack takes seconds of both cores to start, so tests that need the same settings share one, whatever their module;
they use collections of their own.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator

import pytest
from api_rig import Api, api_on
from canvas_rig import Around, surrounded
from flow_rig import FlowRig, stack_on
from planted import DOCUMENTS

SHARED = ("shared_stack", "samples_api", "keyed_api")
"""Fixtures of a whole session: stacks that several modules use."""


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Let `--dist loadgroup` run the tests of a shared stack in one process, and those of each module."""
    for item in items:
        shared = [name for name in SHARED if name in getattr(item, "fixturenames", ())]
        item.add_marker(pytest.mark.xdist_group(shared[0] if shared else item.path.stem))


@pytest.fixture(scope="session")
def shared_stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[FlowRig]:
    """A stack with the settings of all rigs, for files up to a megabyte."""
    with stack_on(tmp_path_factory.mktemp("shared") / "data", max_file_mb=1) as rig:
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
def around(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Around]:
    """A stack whose surroundings fail when a test wants it."""
    with surrounded(tmp_path_factory.mktemp("canvas")) as surroundings:
        yield surroundings
