"""Exchanging the live index for one beside it, in one transaction; back in another."""

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
"""The recipe for an index, of how a text was read and by which plan it is worked on."""

STAGE = "reindex"
"""The stage of failures that a switch has brought to light."""


def exchange(connection: Connection, old: Index, new: Index, recipe: Recipe) -> None:
    """Make `new`, which is beside it, the live index instead of `old`, which is beside it from now on.

    Documents that wait for admission go to the new index. No run over a document in the live index may be under way,
    and none over one in the new index: see `reindexes.in_flight` and `reindexes.busy`.
    """
    behind = _behind(connection, old.collection, new.name)
    _retarget(connection, old, new, recipe)
    _swap(connection, old, new)
    for row in behind:
        _tell(connection, row)
    _forget_told(connection, new.collection, [row.document_id for row in behind])
    indexes.set_role(connection, old.name, "soaking")
    indexes.set_role(connection, new.name, "live")
    collections.set_space(connection, new.collection, new.fingerprint)
    count_switch(connection)


def discard(connection: Connection, index: str) -> None:
    """Take an index out of the catalog: nothing is built in it any more, and its points may go."""
    here = sa.select(shadows.c.attempt_id).where(shadows.c.index_name == index, shadows.c.attempt_id.is_not(None))
    cancel(connection, attempts.c.id.in_(here), code="superseded")
    connection.execute(shadows.delete().where(shadows.c.index_name == index))
    now = time.time()
    connection.execute(
        versions.update()
        .where(versions.c.index_name == index, versions.c.removed_at.is_(None))
        .values(retired_at=now, removed_at=now)
    )
    indexes.set_role(connection, index, "dropping")


def _retarget(connection: Connection, old: Index, new: Index, recipe: Recipe) -> None:
    """Send documents whose run has not begun to the new index."""
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
        made = recipe(new, group[0].extraction, Plan.from_json(group[0].plan))
        for piece in split_list(row.id for row in group):
            there = {"index_name": new.name, "recipe": made}
            connection.execute(versions.update().where(versions.c.id.in_(piece)).values(there))


def _swap(connection: Connection, old: Index, new: Index) -> None:
    """Exchange the pointers of all documents that stand in one of the two, each table in one statement."""
    there = sa.and_(shadows.c.document_id == documents.c.id, shadows.c.index_name == new.name)
    # What waits for admission has just been sent to the new index.
    waits = sa.exists().where(attempts.c.id == documents.c.attempt_id, attempts.c.state.in_(ACTIVE))
    kept = sa.select(
        documents.c.id,
        sa.literal(old.name),
        documents.c.live_version_id,
        sa.case((shadows.c.mirrors == documents.c.live_version_id, shadows.c.live_version_id), else_=None),
        sa.case((waits, None), else_=documents.c.attempt_id),
    ).select_from(documents.outerjoin(shadows, there))
    kept = kept.where(documents.c.collection == old.collection, documents.c.live_version_id.is_not(None))
    names = ["document_id", "index_name", "live_version_id", "mirrors", "attempt_id"]
    connection.execute(shadows.insert().from_select(names, kept))
    shown = sa.select(shadows.c.live_version_id).where(there).scalar_subquery()
    begun = sa.select(shadows.c.attempt_id).where(there).scalar_subquery()
    stands = sa.exists().where(there, shadows.c.live_version_id.is_not(None))
    connection.execute(
        documents.update()
        .where(documents.c.collection == old.collection, sa.or_(documents.c.live_version_id.is_not(None), stands))
        .values(
            live_version_id=shown,
            attempt_id=sa.case((waits, documents.c.attempt_id), else_=sa.func.coalesce(begun, documents.c.attempt_id)),
        )
    )
    connection.execute(shadows.delete().where(shadows.c.index_name == new.name))


def _behind(connection: Connection, collection: str, index: str) -> Sequence[Any]:
    """Documents of which the index holds nothing, or something older, because they failed there."""
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


def _tell(connection: Connection, row: Any) -> None:
    """What has failed in an index that was not read is a failure of the document, now that readers see it."""
    problem = Problem(row.code or "", row.message or "", "Try it again with: docrelay failures retry")
    failures.record(connection, row.job_id, row.document_id, Failure(STAGE, problem))


def _forget_told(connection: Connection, collection: str, behind: Sequence[str]) -> None:
    """Documents that failed only in the index which readers have left are there again."""
    seen = sa.select(documents.c.id).where(
        documents.c.collection == collection, documents.c.live_version_id.is_not(None)
    )
    query = sa.select(failures_table.c.document_id).where(
        failures_table.c.collection == collection,
        failures_table.c.stage == STAGE,
        failures_table.c.document_id.in_(seen),
    )
    failures.delete_of_documents(connection, set(connection.scalars(query)) - set(behind))
