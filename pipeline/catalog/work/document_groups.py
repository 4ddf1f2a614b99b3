"""Documents of a job grouped by kind and state: groups to estimate its work from, and counts to show."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from pipeline.catalog.database.schema import attempts, documents, is_incomplete, is_outdated, submissions, versions
from pipeline.catalog.work.workload import LONG_SUFFIXES, SUFFIX_LENGTH, UNKNOWN_KB, DocumentGroup

__all__ = [
    "count",
    "of_job",
]


def of_job(connection: Connection, job_id: str) -> list[DocumentGroup]:
    """Group the documents of a job by the ending of their sources and by their state."""
    keys, sums = (_tail(connection).label("tail"), submissions.c.outcome, attempts.c.state), _sums()
    query = (
        sa.select(*keys, *(column.label(name) for name, column in sums.items()))
        .outerjoin(attempts, attempts.c.id == submissions.c.attempt_id)
        .where(submissions.c.job_id == job_id)
        .group_by(*keys)
    )
    return [
        DocumentGroup(row["tail"], row["outcome"], row["state"], **{name: int(row[name] or 0) for name in sums})
        for row in connection.execute(query).mappings()
    ]


def count(connection: Connection, job_id: str, groups: Iterable[DocumentGroup]) -> dict[str, Any]:
    """Count a job: its documents by outcome and by running state, from its groups; pages and chunks."""
    groups = list(groups)
    outcomes, states = Counter[str](), Counter[str]()
    for group in groups:
        if group.outcome:
            outcomes[group.outcome] += group.documents
        elif group.state:
            states[group.state] += group.documents
    work = connection.execute(_work(job_id)).mappings().one()
    return {
        "outcomes": dict(outcomes),
        "states": dict(states),
        "documents": sum(group.documents for group in groups),
        "outdated": (connection.scalar(_outdated(job_id)) or 0) if outcomes["unchanged"] else 0,
        **{name: int(value or 0) for name, value in work.items()},
    }


def _tail(connection: Connection) -> sa.ColumnElement[str]:
    """The end of a source from the first dot of its last letters on; without a dot only a known long suffix.

    A number is no suffix: papers are called 2101.00001.
    """
    end = sa.func.substr(submissions.c.source, -SUFFIX_LENGTH)
    dot = sa.func.instr(end, ".")
    if connection.dialect.name == "postgresql":
        end = sa.func.right(submissions.c.source, SUFFIX_LENGTH)
        dot = sa.func.strpos(end, ".")
    suffix = sa.func.substr(end, dot)
    is_suffix = (dot > 0) & (sa.func.rtrim(suffix, "0123456789") != ".")
    return sa.case((is_suffix, suffix), (sa.func.lower(end).in_(LONG_SUFFIXES), end), else_="")


def _sums() -> dict[str, sa.ColumnElement[Any]]:
    not_yet = (attempts.c.state == "extracting") & (attempts.c.pages_total == 0)
    is_unread = sa.or_(attempts.c.state.is_(None), attempts.c.state == "queued", not_yet)
    pages_left, limit = attempts.c.pages_total - attempts.c.pages_done, int(UNKNOWN_KB * 1000)
    return {
        "documents": sa.func.count(),
        "unread": sa.func.sum(sa.case((is_unread, 1), else_=0)),
        "bytes": sa.func.sum(submissions.c.size),
        "first_bytes": sa.func.sum(sa.case((submissions.c.size > limit, limit), else_=submissions.c.size)),
        "chunks": sa.func.sum(attempts.c.chunks_total),
        "embedded": sa.func.sum(attempts.c.chunks_embedded),
        "upserted": sa.func.sum(attempts.c.chunks_upserted),
        "ocr_pages": sa.func.sum(attempts.c.pages_scanned),
        "ocr_left": sa.func.sum(sa.case((attempts.c.state == "extracting", pages_left), else_=0)),
    }


def _work(job_id: str) -> sa.Select[Any]:
    columns = ("pages_total", "pages_done", "chunks_total", "chunks_embedded", "chunks_cached", "chunks_upserted")
    sums = [sa.func.sum(attempts.c[name]).label(name) for name in columns]
    done = [
        sa.func.sum(sa.case((attempts.c.state == "completed", versions.c[name]), else_=0)).label(name)
        for name in ("chunks", "pages_failed")
    ]
    incomplete = sa.case((sa.and_(attempts.c.state == "completed", is_incomplete()), 1), else_=0)
    return (
        sa.select(*sums, *done, sa.func.sum(incomplete).label("incomplete"))
        .join(submissions, submissions.c.attempt_id == attempts.c.id)
        .join(versions, versions.c.id == attempts.c.version_id)
        .where(submissions.c.job_id == job_id)
    )


def _outdated(job_id: str) -> sa.Select[int]:
    """How many of the unchanged documents of a job an earlier version of Docrelay made."""
    return (
        sa.select(sa.func.count())
        .select_from(submissions)
        .join(documents, documents.c.id == submissions.c.document_id)
        .join(versions, versions.c.id == documents.c.live_version_id)
        .where(submissions.c.job_id == job_id, submissions.c.outcome == "unchanged", is_outdated())
    )
