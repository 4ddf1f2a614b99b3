"""API keys in the catalog: only the hash of a secret is stored."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
import sqlalchemy as sa
from sqlalchemy.engine import Engine

from pipeline.catalog.api import keys
from pipeline.catalog.database.connection import open_catalog, sqlite_url, writing
from pipeline.catalog.database.schema import api_keys
from pipeline.errors import BadRequest


@pytest.fixture
def engine(tmp_path: Path) -> Iterator[Engine]:
    engine = open_catalog(sqlite_url(tmp_path))
    yield engine
    engine.dispose()


def test_a_key_is_kept_as_its_hash(engine: Engine) -> None:
    with writing(engine) as connection:
        key, secret = keys.create(connection, "x", ["submit", "read"], 5)
        row = connection.execute(sa.select(api_keys)).one()
        assert keys.find(connection, secret) == key
        assert secret not in str(row)
        assert keys.find(connection, secret + "x") is None
        keys.revoke(connection, key.id)
        assert keys.find(connection, secret) is None
        assert keys.is_any_created(connection)
        with pytest.raises(BadRequest):
            keys.create(connection, "x", ["root"], 0)
