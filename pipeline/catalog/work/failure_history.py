"""The history of a document that failed: its attempts, and the errors on their way that are kept."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from pipeline.catalog.database.schema import attempts, documents, failures
from pipeline.catalog.work import attempt_errors
from pipeline.errors import UnknownId

__all__ = ["History", "read_history"]

NEWEST = 20
"""Attempts of a document that its history has."""


class History(NamedTuple):
    """Rows about one document: the document, its open failure if it has one, attempts and errors, oldest first."""

    document: Mapping[Any, Any]
    failure: Mapping[Any, Any] | None
    attempts: Sequence[Mapping[Any, Any]]
    errors: Sequence[Mapping[Any, Any]]


def read_history(connection: Connection, document_id: str) -> History:
    """Read the history of a document, of the version before too, which kept no errors.

    Raises:
        UnknownId: there is no such document.
    """
    document = connection.execute(sa.select(documents).where(documents.c.id == document_id)).mappings().one_or_none()
    if document is None:
        raise UnknownId(f"There is no document {document_id}.", "See: docrelay failures list")
    failure = connection.execute(sa.select(failures).where(failures.c.document_id == document_id))
    newest = sa.select(attempts).where(attempts.c.document_id == document_id)
    rows = connection.execute(newest.order_by(attempts.c.number.desc()).limit(NEWEST)).mappings().all()
    errors = attempt_errors.list_of_document(connection, document_id)
    return History(document, failure.mappings().one_or_none(), rows[::-1], errors)
