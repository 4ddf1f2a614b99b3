"""Stored answers by Idempotency-Key: the same request gets the same answer, and is carried out once."""

from __future__ import annotations

import time
from hashlib import sha256
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Connection, Engine

from pipeline.catalog.database.schema import answers
from pipeline.catalog.database.slices import delete_slices
from pipeline.errors import OtherRequest

__all__ = ["KEEP_S", "find_answer", "forget_answer", "prune", "replace_answer", "scope_of", "store_answer"]

KEEP_S = 24 * 3600.0
"""How long an answer is remembered."""


def scope_of(*parts: str) -> str:
    """The name under which an answer is stored, made of the caller, the route and the Idempotency-Key."""
    return sha256("\n".join(parts).encode("utf-8", "surrogatepass")).hexdigest()


def find_answer(connection: Connection, scope: str, request: str) -> dict[str, Any] | None:
    """The answer that this request has got before; None for a new request.

    Raises:
        OtherRequest: the same key came with another request.
    """
    row = connection.execute(sa.select(answers).where(answers.c.scope == scope)).one_or_none()
    if row is None:
        return None
    if row.request != request:
        raise OtherRequest
    answer: dict[str, Any] = row.answer
    return answer


def store_answer(connection: Connection, scope: str, request: str, answer: dict[str, Any]) -> None:
    """Store an answer, in the transaction that carries out the request."""
    connection.execute(answers.insert().values(scope=scope, request=request, answer=answer, created_at=time.time()))


def replace_answer(connection: Connection, scope: str, answer: dict[str, Any]) -> None:
    """Replace the answer that a request stored when it began."""
    connection.execute(answers.update().where(answers.c.scope == scope).values(answer=answer))


def forget_answer(connection: Connection, scope: str) -> None:
    """Forget the answer to a request, if there is one."""
    connection.execute(answers.delete().where(answers.c.scope == scope))


def prune(engine: Engine, before: float) -> int:
    """Delete the answers that were given before this time; how many."""
    return delete_slices(engine, answers.c.scope, answers.c.created_at < before)
