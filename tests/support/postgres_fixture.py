"""The fixture `postgres`, one server for the whole run of tests: name this module in `pytest_plugins`."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from postgres_server import Postgres, running_postgres


@pytest.fixture(scope="session")
def postgres() -> Iterator[Postgres]:
    with running_postgres() as server:
        yield server
