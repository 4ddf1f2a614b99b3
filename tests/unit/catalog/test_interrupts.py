"""Ctrl-C in the middle of a statement: its transaction is rolled back and releases the write lock."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa

from pipeline.catalog.database.connection import open_catalog, sqlite_url, writing
from pipeline.catalog.database.schema import counters


@pytest.mark.parametrize("words", ["BEGIN IMMEDIATE", "INSERT INTO counters", "SELECT counters"])
def test_after_an_interrupt_the_process_can_write_at_once(tmp_path: Path, words: str) -> None:
    engine = open_catalog(sqlite_url(tmp_path))
    with engine.connect() as connection:
        connection.exec_driver_sql("PRAGMA busy_timeout=200")

    def interrupt(cursor: Any, statement: str, parameters: Any, _context: Any) -> bool:
        cursor.execute(statement, parameters)
        if statement.startswith(words):
            raise KeyboardInterrupt
        return True

    sa.event.listen(engine, "do_execute", interrupt)
    try:
        with writing(engine) as connection:
            connection.execute(counters.insert().values(name="interrupted", value=1))
            connection.execute(sa.select(counters)).all()
        pytest.fail("nothing was interrupted")
    except KeyboardInterrupt:
        # The traceback is alive and keeps the objects of its frames alive.
        sa.event.remove(engine, "do_execute", interrupt)
        with writing(engine) as connection:
            connection.execute(counters.insert().values(name="after", value=1))
    with engine.connect() as connection:
        assert set(connection.scalars(sa.select(counters.c.name))) - {"switch"} == {"after"}
    engine.dispose()
