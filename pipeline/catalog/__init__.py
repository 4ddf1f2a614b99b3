"""The catalog: the durable record of documents, jobs and work, in SQLite or PostgreSQL. All SQL is in this package.

Functions of the catalog take an open connection first and never commit: the caller draws the transaction, with
`engine.connect()` to read and `database.connection.writing` to write. Those that delete very many rows take the engine
instead, and let other writers go between.

The names exported here load SQLAlchemy only when they are used: a command that never opens the catalog does not wait
for that import. Modules of this package import from each other, not from here.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from sqlalchemy.engine import Connection, Engine, Row

    from pipeline.catalog.database.errors import CATALOG_ERRORS, TRANSIENT_CATALOG_ERRORS

__all__ = ["CATALOG_ERRORS", "TRANSIENT_CATALOG_ERRORS", "Connection", "Engine", "Row"]

_HOMES = {
    "CATALOG_ERRORS": "pipeline.catalog.database.errors",
    "TRANSIENT_CATALOG_ERRORS": "pipeline.catalog.database.errors",
    "Connection": "sqlalchemy.engine",
    "Engine": "sqlalchemy.engine",
    "Row": "sqlalchemy.engine",
}


def __getattr__(name: str) -> Any:
    """Import an exported name from its home on first use."""
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(_HOMES[name]), name)
