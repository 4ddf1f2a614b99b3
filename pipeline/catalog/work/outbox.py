"""Webhooks in the catalog: the addresses to notify of the end of a job, and the outbox of notifications.

A delivery is `waiting`, `sending` (until `due_at`, when another process may try), `delivered` or `failed`.
"""

from __future__ import annotations

import time
import uuid
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from pipeline.catalog.database.schema import deliveries, hooks, jobs

__all__ = [
    "Delivery",
    "Hook",
    "attach",
    "attach_to_key",
    "claim",
    "enqueue",
    "is_any_due",
    "list_deliveries",
    "mark_delivered",
    "mark_failed",
    "prune",
    "replay",
    "store_body",
]

OPEN = ("waiting", "sending")
LEASE_S = 60.0
"""A delivery that was begun and not ended is begun again after this time: its process died."""


@dataclass(frozen=True, slots=True)
class Hook:
    """An address, and the secret that signs what is sent there."""

    url: str
    secret: str


class Delivery(NamedTuple):
    """One message to one address; `body` is None until it is sent for the first time."""

    id: str
    job_id: str
    url: str
    secret: str
    tries: int
    body: str | None


def attach(connection: Connection, job_id: str, hook: Hook | None, key_id: str | None) -> None:
    """Notify hooks of the end of a job: the hook given with the job, and those of the API key that submitted it."""
    attached = [hook] if hook is not None else []
    if key_id is not None:
        rows = connection.execute(sa.select(hooks.c.url, hooks.c.secret).where(hooks.c.key_id == key_id))
        attached += [Hook(row.url, row.secret) for row in rows]
    if attached:
        connection.execute(hooks.insert(), [_row(item, job_id=job_id) for item in attached])


def attach_to_key(connection: Connection, key_id: str, hook: Hook) -> None:
    """Notify this hook of the end of every job of an API key."""
    connection.execute(hooks.insert().values(_row(hook, key_id=key_id)))


def enqueue(connection: Connection, job_id: str) -> None:
    """Put the notifications of the end of a job into the outbox."""
    hook_ids = connection.scalars(sa.select(hooks.c.id).where(hooks.c.job_id == job_id)).all()
    now = time.time()
    rows = [
        {
            "id": str(uuid.uuid4()),
            "hook_id": hook_id,
            "job_id": job_id,
            "state": "waiting",
            "tries": 0,
            "due_at": now,
            "created_at": now,
        }
        for hook_id in hook_ids
    ]
    if rows:
        connection.execute(deliveries.insert(), rows)


def is_any_due(connection: Connection) -> bool:
    """Whether a delivery is due; it needs no write lock."""
    query = sa.select(deliveries.c.id).where(deliveries.c.state.in_(OPEN), deliveries.c.due_at <= time.time()).limit(1)
    return connection.scalar(query) is not None


def claim(connection: Connection, limit: int) -> list[Delivery]:
    """Claim deliveries that are due, for the caller alone until their lease ends."""
    now = time.time()
    chosen = connection.scalars(
        sa.select(deliveries.c.id)
        .where(deliveries.c.state.in_(OPEN), deliveries.c.due_at <= now)
        .order_by(deliveries.c.due_at)
        .limit(limit)
    ).all()
    if not chosen:
        return []
    connection.execute(
        deliveries.update()
        .where(deliveries.c.id.in_(chosen))
        .values(state="sending", due_at=now + LEASE_S, tries=deliveries.c.tries + 1)
    )
    rows = connection.execute(
        sa.select(
            deliveries.c.id, deliveries.c.job_id, hooks.c.url, hooks.c.secret, deliveries.c.tries, deliveries.c.body
        )
        .join(hooks, hooks.c.id == deliveries.c.hook_id)
        .where(deliveries.c.id.in_(chosen))
    )
    return [Delivery(*row) for row in rows]


def store_body(connection: Connection, delivery_id: str, body: str) -> None:
    """Store what is sent, so that every further try sends the same."""
    connection.execute(deliveries.update().where(deliveries.c.id == delivery_id).values(body=body))


def mark_delivered(connection: Connection, delivery_id: str, status: int) -> None:
    """Record that the receiver has accepted a delivery."""
    connection.execute(
        deliveries.update()
        .where(deliveries.c.id == delivery_id)
        .values(state="delivered", status=status, error=None, ended_at=time.time())
    )


def mark_failed(
    connection: Connection, delivery_id: str, status: int | None, error: str, again_in_s: float | None
) -> None:
    """Record that a delivery failed. `again_in_s` None: it is not tried again by itself."""
    now = time.time()
    ended = {"state": "failed", "ended_at": now} if again_in_s is None else {"state": "waiting"}
    connection.execute(
        deliveries.update()
        .where(deliveries.c.id == delivery_id)
        .values(status=status, error=error, due_at=now + (again_in_s or 0.0), **ended)
    )


def replay(connection: Connection, ids: Sequence[str]) -> int:
    """Send deliveries again.

    Args:
        connection: a writing transaction.
        ids: ids of deliveries, and of jobs of which all are sent again; empty for all that failed.

    Returns:
        How many are sent again.
    """
    named = sa.or_(deliveries.c.id.in_(ids), deliveries.c.job_id.in_(ids))
    where = named if ids else deliveries.c.state == "failed"
    again = deliveries.update().where(where, deliveries.c.state.not_in(OPEN))
    return connection.execute(again.values(state="waiting", tries=0, due_at=time.time(), ended_at=None)).rowcount


def list_deliveries(connection: Connection, limit: int = 1000) -> list[dict[str, Any]]:
    """Deliveries, newest first; secrets are left out."""
    names = ("id", "job_id", "state", "tries", "status", "error", "created_at", "ended_at")
    rows = connection.execute(
        sa.select(*(deliveries.c[name] for name in names), hooks.c.url)
        .join(hooks, hooks.c.id == deliveries.c.hook_id)
        .order_by(deliveries.c.created_at.desc())
        .limit(limit)
    )
    return [dict(row) for row in rows.mappings()]


def prune(connection: Connection, before: float) -> int:
    """Delete deliveries that ended before this time, and the addresses and secrets of jobs that ended before it.

    Returns:
        How many deliveries were deleted.
    """
    deleted = connection.execute(deliveries.delete().where(deliveries.c.ended_at < before)).rowcount
    ended = sa.exists().where(jobs.c.id == hooks.c.job_id, jobs.c.finished_at < before)
    needed = sa.exists().where(deliveries.c.hook_id == hooks.c.id)
    connection.execute(hooks.delete().where(hooks.c.job_id.is_not(None), ended, ~needed))
    return deleted


def _row(hook: Hook, *, job_id: str | None = None, key_id: str | None = None) -> dict[str, Any]:
    return {
        "id": str(uuid.uuid4()),
        "job_id": job_id,
        "key_id": key_id,
        "url": hook.url,
        "secret": hook.secret,
        "created_at": time.time(),
    }
