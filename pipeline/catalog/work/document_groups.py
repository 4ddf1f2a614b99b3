"""How many documents of a job are of which kind and how far: groups to estimate its work from, and counts to show."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from pipeline.catalog.database.schema import attempts, submissions, versions
from pipeline.catalog.work.workload import LONG_SUFFIXES, SUFFIX_LENGTH, UNKNOWN_KB, DocumentGroup

__all__ = [
    "count",
    "of_job",
]


def of_job(connection: Connection, job_id: str) -> list[DocumentGroup]:
    """The documents of a job, put together by the ending of their sources and by how far they are."""
    alike, sums = (_tail(connection).label("tail"), submissions.c.outcome, attempts.c.state), _sums()
    query = (
        sa.select(*alike, *(each.label(name) for name, each in sums.items()))
        .outerjoin(attempts, attempts.c.id == submissions.c.attempt_id)
        .where(submissions.c.job_id == job_id)
        .group_by(*alike)
    )
    return [
        DocumentGroup(row["tail"], row["outcome"], row["state"], **{name: int(row[name] or 0) for name in sums})
        for row in connection.execute(query).mappings()
    ]


def count(connection: Connection, job_id: str, found: Iterable[DocumentGroup]) -> dict[str, Any]:
    """Counts of a job: documents by outcome and by running state, as they are in its piles; pages, chunks."""
    found = list(found)
    outcomes, states = Counter[str](), Counter[str]()
    for pile in found:
        if pile.outcome:
            outcomes[pile.outcome] += pile.documents
        elif pile.state:
            states[pile.state] += pile.documents
    work = connection.execute(_work(job_id)).mappings().one()
    return {
        "outcomes": dict(outcomes),
        "states": dict(states),
        "documents": sum(pile.documents for pile in found),
        **{name: int(value or 0) for name, value in work.items()},
    }


def _tail(connection: Connection) -> sa.ColumnElement[str]:
    """What a source ends with, from the first dot of its last letters on; without one only what is a long suffix.

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
    left, most = attempts.c.pages_total - attempts.c.pages_done, int(UNKNOWN_KB * 1000)
    return {
        "documents": sa.func.count(),
        "unread": sa.func.sum(sa.case((is_unread, 1), else_=0)),
        "bytes": sa.func.sum(submissions.c.size),
        "first_bytes": sa.func.sum(sa.case((submissions.c.size > most, most), else_=submissions.c.size)),
        "chunks": sa.func.sum(attempts.c.chunks_total),
        "embedded": sa.func.sum(attempts.c.chunks_embedded),
        "upserted": sa.func.sum(attempts.c.chunks_upserted),
        "ocr_pages": sa.func.sum(attempts.c.pages_scanned),
        "ocr_left": sa.func.sum(sa.case((attempts.c.state == "extracting", left), else_=0)),
    }


def _work(job_id: str) -> sa.Select[Any]:
    columns = ("pages_total", "pages_done", "chunks_total", "chunks_embedded", "chunks_cached", "chunks_upserted")
    sums = [sa.func.sum(attempts.c[name]).label(name) for name in columns]
    done = [
        sa.func.sum(sa.case((attempts.c.state == "completed", versions.c[name]), else_=0)).label(name)
        for name in ("chunks", "pages_failed")
    ]
    return (
        sa.select(*sums, *done)
        .join(submissions, submissions.c.attempt_id == attempts.c.id)
        .join(versions, versions.c.id == attempts.c.version_id)
        .where(submissions.c.job_id == job_id)
    )
