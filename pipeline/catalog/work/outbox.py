"""The addresses to notify of the end of a job or of the events of a rule, and the outbox of notifications.

A delivery is `waiting`, `sending` (until `due_at`, when another process may try), `delivered` or `failed`. That of a
rule reports notices; as long as it is not due and was not tried, it takes further ones. `due_deliveries` claims them.
"""

from __future__ import annotations

import time
import uuid
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Connection, Engine

from pipeline.catalog.database.schema import deliveries, delivery_notices, hooks, jobs
from pipeline.catalog.database.slices import delete_slices
from pipeline.catalog.work.due_deliveries import OPEN

__all__ = [
    "Hook",
    "attach",
    "attach_to_key",
    "collect",
    "count_of_rules",
    "enqueue",
    "list_deliveries",
    "mark_delivered",
    "mark_failed",
    "prune",
    "replay",
    "store_body",
]


@dataclass(frozen=True, slots=True)
class Hook:
    """An address, and the secret that signs what is sent there."""

    url: str
    secret: str


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
    rows = [_new_delivery(hook_id, job_id, now) for hook_id in hook_ids]
    if rows:
        connection.execute(deliveries.insert(), rows)


def collect(connection: Connection, rule: str, hook: Hook, notice_ids: Sequence[str], due_at: float) -> str:
    """Report notices to an address of a rule.

    Args:
        connection: a writing transaction.
        rule: the rule's name.
        hook: the address.
        notice_ids: at least one.
        due_at: when it is sent. One that waits joins the delivery that waits already, if there is one.

    Returns:
        The id of the delivery.
    """
    hook_id = _hook_of_rule(connection, rule, hook)
    open_id: str | None = None
    if due_at > time.time():
        waiting = (deliveries.c.state == "waiting", deliveries.c.due_at > time.time(), deliveries.c.tries == 0)
        query = sa.select(deliveries.c.id).where(*waiting, deliveries.c.hook_id == hook_id, deliveries.c.body.is_(None))
        open_id = connection.scalar(query.limit(1))
    if open_id is None:
        row = _new_delivery(hook_id, "", due_at)
        connection.execute(deliveries.insert().values(row))
        open_id = str(row["id"])
    rows = [{"delivery_id": open_id, "notice_id": notice_id} for notice_id in notice_ids]
    connection.execute(delivery_notices.insert(), rows)
    return open_id


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
    """Deliveries, newest first; secrets are left out. `job_id` is empty for those of a rule."""
    names = ("id", "job_id", "state", "tries", "status", "error", "created_at", "ended_at")
    rows = connection.execute(
        sa.select(*(deliveries.c[name] for name in names), hooks.c.url, hooks.c.rule)
        .join(hooks, hooks.c.id == deliveries.c.hook_id)
        .order_by(deliveries.c.created_at.desc())
        .limit(limit)
    )
    return [dict(row) for row in rows.mappings()]


def count_of_rules(connection: Connection) -> dict[tuple[str, str], dict[str, int]]:
    """How many deliveries to the addresses of rules are in each state: {(rule, address): {state: number}}."""
    rows = connection.execute(
        sa.select(hooks.c.rule, hooks.c.url, deliveries.c.state, sa.func.count().label("number"))
        .join(hooks, hooks.c.id == deliveries.c.hook_id)
        .where(hooks.c.rule.is_not(None))
        .group_by(hooks.c.rule, hooks.c.url, deliveries.c.state)
    )
    counts: dict[tuple[str, str], dict[str, int]] = {}
    for row in rows:
        counts.setdefault((row.rule, row.url), {})[row.state] = row.number
    return counts


def prune(engine: Engine, before: float) -> int:
    """Delete deliveries that ended before this time, and the addresses and secrets of jobs that ended before it.

    Returns:
        How many deliveries were deleted.
    """
    # What a delivery reports first: where this ends in the middle, the next run finds the delivery and goes on.
    is_old = sa.exists().where(deliveries.c.id == delivery_notices.c.delivery_id, deliveries.c.ended_at < before)
    delete_slices(engine, delivery_notices.c.notice_id, is_old)
    deleted = delete_slices(engine, deliveries.c.id, deliveries.c.ended_at < before)
    ended = sa.exists().where(jobs.c.id == hooks.c.job_id, jobs.c.finished_at < before)
    needed = sa.exists().where(deliveries.c.hook_id == hooks.c.id)
    delete_slices(engine, hooks.c.id, hooks.c.job_id.is_not(None), ended, ~needed)
    return deleted


def _new_delivery(hook_id: str, job_id: str, due_at: float) -> dict[str, Any]:
    return {
        "id": str(uuid.uuid4()),
        "hook_id": hook_id,
        "job_id": job_id,
        "state": "waiting",
        "tries": 0,
        "due_at": due_at,
        "created_at": time.time(),
    }


def _hook_of_rule(connection: Connection, rule: str, hook: Hook) -> str:
    """The id of a rule's address, which is entered when it is first needed; its secret is that of the settings now."""
    row = connection.execute(
        sa.select(hooks.c.id, hooks.c.secret).where(hooks.c.rule == rule, hooks.c.url == hook.url)
    ).one_or_none()
    if row is None:
        values = {**_row(hook), "rule": rule}
        connection.execute(hooks.insert().values(values))
        return str(values["id"])
    if row.secret != hook.secret:
        connection.execute(hooks.update().where(hooks.c.id == row.id).values(secret=hook.secret))
    return str(row.id)


def _row(hook: Hook, *, job_id: str | None = None, key_id: str | None = None) -> dict[str, Any]:
    return {
        "id": str(uuid.uuid4()),
        "job_id": job_id,
        "key_id": key_id,
        "url": hook.url,
        "secret": hook.secret,
        "created_at": time.time(),
    }
