"""A catalog in SQLite that the tests of a module share; what each writes is undone."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from catalog_tools import undone
from sqlalchemy.engine import Connection, Engine

from pipeline.catalog.database.connection import open_catalog, sqlite_url


@pytest.fixture(scope="module")
def engine(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Engine]:
    engine = open_catalog(sqlite_url(tmp_path_factory.mktemp("catalog")))
    yield engine
    engine.dispose()


@pytest.fixture
def connection(engine: Engine) -> Iterator[Connection]:
    with undone(engine) as opened:
        yield opened
