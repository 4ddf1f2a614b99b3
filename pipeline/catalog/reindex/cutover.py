"""Exchange the live index for an index beside it, in one transaction, and back in another."""

from __future__ import annotations

import time
from collections import defaultdict
from collections.abc import Callable, Sequence
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from pipeline.catalog.database.id_lists import split_list
from pipeline.catalog.database.schema import attempts, batches, documents, jobs, shadows, versions
from pipeline.catalog.database.schema import failures as failures_table
from pipeline.catalog.documents.live_versions import count_switch
from pipeline.catalog.index import collections, indexes
from pipeline.catalog.index.indexes import Index
from pipeline.catalog.work import failures
from pipeline.catalog.work.attempts import cancel
from pipeline.catalog.work.failures import Failure
from pipeline.errors.problem import Problem
from pipeline.names import ACTIVE
from pipeline.plan import Plan

__all__ = ["STAGE", "discard", "exchange"]

Recipe = Callable[[Index, str, Plan], str]
"""Function of an index, an extraction and a plan; returns the recipe."""

STAGE = "reindex"
"""Stage of failures that are recorded at a switch."""


def exchange(connection: Connection, old: Index, new: Index, recipe: Recipe) -> None:
    """Make the index `new` the live one instead of `old`, which is kept beside it.

    Documents that wait for admission go to the new index. No attempt over a document in either index may be running:
    see `reindexes.count_in_flight` and `reindexes.count_running`.
    """
    failed = _failed_in(connection, old.collection, new.name)
    _retarget(connection, old, new, recipe)
    _swap(connection, old, new)
    for row in failed:
        _record_failure(connection, row)
    _forget_other_failures(connection, new.collection, [row.document_id for row in failed])
    indexes.set_role(connection, old.name, "soaking")
    indexes.set_role(connection, new.name, "live")
    collections.set_space(connection, new.collection, new.fingerprint)
    count_switch(connection)


def discard(connection: Connection, index: str) -> None:
    """Remove an index from the catalog: its attempts are cancelled, and its points may be deleted."""
    running = sa.select(shadows.c.attempt_id).where(shadows.c.index_name == index, shadows.c.attempt_id.is_not(None))
    cancel(connection, attempts.c.id.in_(running), code="superseded")
    connection.execute(shadows.delete().where(shadows.c.index_name == index))
    now = time.time()
    connection.execute(
        versions.update()
        .where(versions.c.index_name == index, versions.c.removed_at.is_(None))
        .values(retired_at=now, removed_at=now)
    )
    indexes.set_role(connection, index, "dropping")


def _retarget(connection: Connection, old: Index, new: Index, recipe: Recipe) -> None:
    """Send documents whose attempt has not begun to the new index."""
    rows = connection.execute(
        sa.select(versions.c.id, versions.c.extraction, sa.func.coalesce(batches.c.plan, jobs.c.plan).label("plan"))
        .join(attempts, attempts.c.version_id == versions.c.id)
        .join(documents, documents.c.attempt_id == attempts.c.id)
        .join(jobs, jobs.c.id == attempts.c.job_id)
        .outerjoin(batches, batches.c.id == attempts.c.batch_id)
        .where(attempts.c.state.in_(ACTIVE), versions.c.index_name == old.name)
    ).all()
    alike: dict[tuple[str, str], list[Any]] = defaultdict(list)
    for row in rows:
        alike[row.extraction, repr(row.plan)].append(row)
    for group in alike.values():
        values = {"index_name": new.name, "recipe": recipe(new, group[0].extraction, Plan.from_json(group[0].plan))}
        for version_ids in split_list(row.id for row in group):
            connection.execute(versions.update().where(versions.c.id.in_(version_ids)).values(values))


def _swap(connection: Connection, old: Index, new: Index) -> None:
    """Exchange the pointers of all documents of both indexes, each table in one statement."""
    is_in_new = sa.and_(shadows.c.document_id == documents.c.id, shadows.c.index_name == new.name)
    # What waits for admission has just been sent to the new index.
    waits = sa.exists().where(attempts.c.id == documents.c.attempt_id, attempts.c.state.in_(ACTIVE))
    kept = sa.select(
        documents.c.id,
        sa.literal(old.name),
        documents.c.live_version_id,
        sa.case((shadows.c.mirrors == documents.c.live_version_id, shadows.c.live_version_id), else_=None),
        sa.case((waits, None), else_=documents.c.attempt_id),
    ).select_from(documents.outerjoin(shadows, is_in_new))
    kept = kept.where(documents.c.collection == old.collection, documents.c.live_version_id.is_not(None))
    names = ["document_id", "index_name", "live_version_id", "mirrors", "attempt_id"]
    connection.execute(shadows.insert().from_select(names, kept))
    live_version = sa.select(shadows.c.live_version_id).where(is_in_new).scalar_subquery()
    size = sa.select(versions.c.size).join(shadows, shadows.c.live_version_id == versions.c.id).where(is_in_new)
    attempt = sa.select(shadows.c.attempt_id).where(is_in_new).scalar_subquery()
    has_version = sa.exists().where(is_in_new, shadows.c.live_version_id.is_not(None))
    connection.execute(
        documents.update()
        .where(documents.c.collection == old.collection, sa.or_(documents.c.live_version_id.is_not(None), has_version))
        .values(
            live_version_id=live_version,
            size=sa.func.coalesce(size.scalar_subquery(), 0),
            attempt_id=sa.case(
                (waits, documents.c.attempt_id), else_=sa.func.coalesce(attempt, documents.c.attempt_id)
            ),
        )
    )
    connection.execute(shadows.delete().where(shadows.c.index_name == new.name))


def _failed_in(connection: Connection, collection: str, index: str) -> Sequence[Any]:
    """Documents that failed in the index, so that it holds nothing or an older version of them."""
    return connection.execute(
        sa.select(shadows.c.document_id, attempts.c.job_id, attempts.c.code, attempts.c.message)
        .join(documents, documents.c.id == shadows.c.document_id)
        .join(attempts, attempts.c.id == shadows.c.attempt_id)
        .where(
            documents.c.collection == collection,
            shadows.c.index_name == index,
            sa.func.coalesce(shadows.c.mirrors, "") != documents.c.live_version_id,
            attempts.c.state == "failed",
        )
    ).all()


def _record_failure(connection: Connection, row: Any) -> None:
    """Record a failure in the index as an open failure of the document, now that readers see the index."""
    problem = Problem(row.code or "", row.message or "", "Try it again with: docrelay failures retry")
    failures.record(connection, row.job_id, row.document_id, Failure(STAGE, problem))


def _forget_other_failures(connection: Connection, collection: str, failed: Sequence[str]) -> None:
    """Delete the failures of documents that failed only in the index which readers have left."""
    live = sa.select(documents.c.id).where(
        documents.c.collection == collection, documents.c.live_version_id.is_not(None)
    )
    query = sa.select(failures_table.c.document_id).where(
        failures_table.c.collection == collection,
        failures_table.c.stage == STAGE,
        failures_table.c.document_id.in_(live),
    )
    failures.delete_of_documents(connection, set(connection.scalars(query)) - set(failed))
