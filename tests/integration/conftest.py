"""Fixtures that several modules of these tests use; each module gets its own stack."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from canvas_rig import Around, surrounded


@pytest.fixture(scope="module")
def around(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Around]:
    """A stack whose surroundings fail when a test wants it."""
    with surrounded(tmp_path_factory.mktemp("canvas")) as surroundings:
        yield surroundings
