"""A catalog that many tests share, each as if it were empty."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from sqlalchemy.engine import Connection, Engine


@contextmanager
def undone(engine: Engine) -> Iterator[Connection]:
    """A connection that writes; what is written through it is undone in the end."""
    with engine.connect() as opened:
        opened.execution_options(writing=True)
        with opened.begin() as transaction:
            yield opened
            transaction.rollback()
