"""Conditions on documents of a list: as a part of a statement, and as the ids that an index has for one of them."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import sqlalchemy as sa

from pipeline.catalog.database import keyset
from pipeline.catalog.database.keyset import Ids
from pipeline.catalog.database.schema import (
    attempts,
    document_tags,
    documents,
    failures,
    is_incomplete,
    is_outdated,
    versions,
)
from pipeline.names import ACTIVE

__all__ = ["STATE", "Conditions", "DocumentFilter", "came_in", "choices", "conditions", "has_literals", "may_be"]

STATE = sa.case(
    (documents.c.deleted_at.is_not(None), "deleted"),
    (attempts.c.state.in_(ACTIVE), attempts.c.state),
    (sa.exists().where(failures.c.document_id == documents.c.id), "failed"),
    (attempts.c.state.is_(None), "failed"),
    else_=attempts.c.state,
)
"""The state of a document, as its status has it."""

Conditions = list[sa.ColumnElement[bool]]


@dataclass(frozen=True, slots=True)
class DocumentFilter:
    """Conditions that all hold together; None and False select any.

    Without `state`, deleted documents are left out. `since` and `before` are seconds since 1970, of the time when a
    document came in for the first time. `has_source` decides about the source of a document; sources without one of
    the texts in `literals` need not be asked, unless they have percent signs. `ids`: only these few documents.
    """

    collection: str | None = None
    state: str | None = None
    outdated: bool = False
    incomplete: bool = False
    has_source: Callable[[str], bool] | None = None
    literals: tuple[str, ...] = ()
    code: str | None = None
    tag: str | None = None
    since: float | None = None
    before: float | None = None
    ids: tuple[str, ...] | None = None


def choices(where: DocumentFilter) -> Iterator[Ids]:
    """For each condition that an index has: ids of all documents that may meet it."""
    if where.collection is not None:
        yield sa.select(documents.c.id).where(documents.c.collection == where.collection)
    if where.code is not None:
        yield sa.select(failures.c.document_id).where(failures.c.code == where.code)
    if where.tag is not None:
        yield sa.select(document_tags.c.document_id).where(document_tags.c.tag == where.tag)
    if of_time := came_in(where):
        yield sa.select(documents.c.id).where(*of_time)
    if where.incomplete:
        yield sa.select(versions.c.document_id).where(is_incomplete())
    if where.outdated:
        yield sa.select(versions.c.document_id).where(is_outdated())
    if where.state is not None:
        yield may_be(where.state)


def may_be(state: str) -> Ids:
    """Ids of all documents that may be in a state, which not all of them are."""
    by_attempt = sa.select(attempts.c.document_id).where(attempts.c.state == state)
    if state == "deleted":
        return sa.select(documents.c.id).where(documents.c.deleted_at.is_not(None))
    if state != "failed":
        return by_attempt
    refused = sa.select(documents.c.id).where(documents.c.attempt_id.is_(None), documents.c.deleted_at.is_(None))
    return sa.union_all(by_attempt, sa.select(failures.c.document_id), refused)


def conditions(where: DocumentFilter) -> Conditions:
    """All conditions but `has_source`; for a state but `deleted`, attempts must be joined.

    They only leave rows out: which index is read, the rest of the statement says.
    """
    is_deleted = documents.c.deleted_at.is_not(None)
    found: Conditions = [is_deleted if where.state == "deleted" else ~is_deleted]
    found += came_in(where, keyset.unindexed(documents.c.created_at))
    if where.collection is not None:
        found.append(keyset.unindexed(documents.c.collection) == where.collection)
    if where.state not in (None, "deleted"):
        found.append(STATE.in_([where.state]))
    if where.code is not None:
        # The failure of the document is looked up, not all failures with the code.
        has_code = keyset.unindexed(failures.c.code) == where.code
        found.append(sa.exists().where(failures.c.document_id == documents.c.id, has_code))
    if where.tag is not None:
        is_tagged = (document_tags.c.document_id == documents.c.id) & (document_tags.c.tag == where.tag)
        found.append(sa.exists().where(is_tagged))
    for is_wanted, condition in ((where.outdated, is_outdated()), (where.incomplete, is_incomplete())):
        if is_wanted:
            found.append(sa.exists().where(versions.c.id == documents.c.live_version_id, condition))
    return [*found, *has_literals(where.literals)]


def came_in(where: DocumentFilter, at: sa.ColumnElement[float] = documents.c.created_at) -> Conditions:
    """The conditions on the time when a document came in."""
    since = [] if where.since is None else [at >= where.since]
    return since + ([] if where.before is None else [at < where.before])


def has_literals(literals: Sequence[str]) -> Iterator[sa.ColumnElement[bool]]:
    """Conditions that a source has all these texts, in capital or small letters, or a percent sign."""
    for literal in literals:
        has_it = documents.c.source.contains(literal, autoescape=True)
        yield sa.or_(has_it, documents.c.source.contains("%", autoescape=True))
