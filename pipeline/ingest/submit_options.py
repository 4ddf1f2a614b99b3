"""Options of a submission beside its documents: the Idempotency-Key, the webhook, the API key, the job to add to."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

from pipeline.catalog import Connection
from pipeline.catalog.api import idempotency
from pipeline.catalog.work.outbox import Hook
from pipeline.services import Services

__all__ = ["IdempotentRequest", "SubmitOptions", "find_answer", "store_answer", "stored_answer"]


@dataclass(frozen=True, slots=True)
class IdempotentRequest:
    """A request with an Idempotency-Key, which is carried out once.

    scope       the key, the route, and the sender's API key, hashed
    request     all that the request asks for, hashed: another request with the same key is refused
    """

    scope: str
    request: str


@dataclass(frozen=True, slots=True)
class SubmitOptions:
    """Options of a submission.

    idempotent    the request, if it has an Idempotency-Key
    hook          the webhook that is called at the end of the job
    key_id        the sender's API key
    job           an open job to which the files are added; None for a new one
    more          whether the job stays open for more files
    most_records  text records of a request at most
    """

    idempotent: IdempotentRequest | None = None
    hook: Hook | None = None
    key_id: str | None = None
    job: str | None = None
    more: bool = False
    most_records: float = math.inf


def find_answer(connection: Connection, idempotent: IdempotentRequest | None) -> dict[str, Any] | None:
    """Find the answer to the same request, if it was carried out before.

    Returns:
        The answer. None if the request is new, or has no Idempotency-Key.

    Raises:
        OtherRequest: the Idempotency-Key stands for another request.
    """
    if idempotent is None:
        return None
    return idempotency.find_answer(connection, idempotent.scope, idempotent.request)


def store_answer(connection: Connection, idempotent: IdempotentRequest | None, answer: dict[str, Any]) -> None:
    """Store the answer to a request, in the transaction that carries it out; without an Idempotency-Key do nothing."""
    if idempotent is not None:
        idempotency.store_answer(connection, idempotent.scope, idempotent.request, answer)


def stored_answer(services: Services, idempotent: IdempotentRequest | None) -> dict[str, Any] | None:
    """The same as `find_answer`, with a connection of its own; no connection is made without an Idempotency-Key."""
    if idempotent is None:
        return None
    with services.catalog.connect() as connection:
        return find_answer(connection, idempotent)
