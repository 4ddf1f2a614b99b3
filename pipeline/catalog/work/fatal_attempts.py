"""Fatal attempts: those that ended their worker, or used up the time or the memory that a file may have.

They are counted by the content of the file, over all documents, jobs and retries. A success begins the count anew.
"""

from __future__ import annotations

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from pipeline.catalog.database.schema import attempts, versions

__all__ = ["FATAL", "count_fatal"]

FATAL = ("crashed", "timeout", "out_of_memory")
"""Codes of fatal attempts."""


def count_fatal(connection: Connection, document_id: str) -> int:
    """Count the fatal attempts of what the newest version of a document holds; 0 if it has no version."""
    content = (
        sa.select(versions.c.content_sha256)
        .where(versions.c.document_id == document_id)
        .order_by(versions.c.sequence.desc())
        .limit(1)
        .scalar_subquery()
    )
    # SQLite, which keeps no statistics here, would go through all attempts of a state that has an index.
    state = attempts.c.state.concat("")
    of_content = sa.select(versions.c.id).where(versions.c.content_sha256 == content)
    success = sa.select(sa.func.max(attempts.c.finished_at)).where(
        attempts.c.version_id.in_(of_content), state == "completed"
    )
    query = sa.select(sa.func.count()).where(
        attempts.c.version_id.in_(of_content),
        state == "failed",
        attempts.c.code.in_(FATAL),
        attempts.c.finished_at > sa.func.coalesce(success.scalar_subquery(), 0.0),
    )
    return connection.scalar(query) or 0
