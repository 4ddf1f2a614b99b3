"""Jobs as they are in the catalog at their end, with documents of every state, for tests that count them by hand."""

from __future__ import annotations

import random
import uuid
from collections import defaultdict
from typing import Any, NamedTuple

from sqlalchemy.engine import Connection

from pipeline.catalog.database.schema import metadata
from pipeline.catalog.work import jobs
from pipeline.catalog.work.jobs import Job

__all__ = ["STAGES", "START", "WORKER", "Planted", "of_job", "plant"]

START = 1_780_000_000.0
"""When the planted jobs were created."""

FORMATS = ("application/pdf", "text/plain", "image/png")
STATES = ("completed", "completed", "completed", "failed", "unchanged", "refused", "cancelled", "extracting")
STAGES = ("extract", "ocr", "chunk", "embed", "redact")
WORKER = "extract@host/17"


class Planted(NamedTuple):
    """Rows that were written, by their tables."""

    job: str
    rows: dict[str, list[dict[str, Any]]]


Rows = dict[str, list[dict[str, Any]]]


def plant(
    connection: Connection, number: int, chance: random.Random, *, lasts_s: float = 900.0, joined: float = 0.0
) -> Planted:
    """A job of so many documents that ended within `lasts_s` seconds of START, with their tasks.

    This share of its attempts, `joined`, is of another job, which was ingesting them already. Of those one in four was
    cancelled in this job, and completed for the other one after the end of this job.
    """
    job = jobs.create(connection, Job("documents", "ingest", 5), "r", 0, closed=True).id
    table = metadata.tables["jobs"]
    connection.execute(table.update().where(table.c.id == job).values(created_at=START, finished_at=START + lasts_s))
    rows: dict[str, list[dict[str, Any]]] = defaultdict(list)
    for place in range(number):
        _plant_document(rows, job, place, chance, lasts_s)
        if chance.random() < joined and rows["submissions"][-1]["attempt_id"]:
            _join(rows, chance, START + lasts_s + 10_000_000)
    for place in range(number // 2):
        began = START + chance.uniform(0, lasts_s - 30)
        task = {"id": uuid.UUID(int=chance.getrandbits(128)).hex, "batch_id": "b", "job_id": job, "part": place}
        times = {"published_at": began, "started_at": began, "finished_at": began + chance.uniform(0, 30)}
        rows["tasks"].append({**task, **times, "stage": chance.choice(STAGES), "state": "done", "starts": 1})
    for name, planted in rows.items():
        for begin in range(0, len(planted), 1000):
            connection.execute(metadata.tables[name].insert(), planted[begin : begin + 1000])
    return Planted(job, rows)


def _plant_document(rows: Rows, job: str, place: int, chance: random.Random, lasts_s: float) -> None:
    document, version, attempt = (uuid.UUID(int=chance.getrandbits(128)).hex for _ in range(3))
    state, size, ended = chance.choice(STATES), chance.randrange(100_000), START + chance.uniform(0, lasts_s - 1)
    source = f"file:///srv/{job}/{place:06}.pdf"
    of = {"job_id": job, "document_id": document}
    at = {"created_at": START, "updated_at": START}
    rows["documents"].append({"id": document, "collection": "documents", "source": source, "tags": [], **at})
    submission = {**of, "source": source, "size": size, "attempt_id": None, "outcome": None, "code": None}
    submission["message"] = None
    if state in ("refused", "failed"):
        code = chance.choice(("corrupt", "encrypted")) if state == "failed" else "too_large"
        submission |= {"outcome": "failed", "code": code, "message": f"It is {code}."}
        rows["events"].append({**of, "at": ended, "kind": "document.failed", "data": {"code": code, "message": "No."}})
        error = {"kind": "failed", "stage": "extract", "code": code, "message": "No.", "hint": f"Mend {code}."}
        worker = WORKER if state == "failed" else None
        rows["attempt_errors"].append({**of, "at": ended, "transient": False, "worker": worker, **error})
    elif state in ("unchanged", "cancelled"):
        submission["outcome"] = state
        rows["events"].append({**of, "at": ended, "kind": f"document.{state}", "data": {}})
    elif state == "completed":
        submission["outcome"] = state
        rows["events"].append({**of, "at": ended, "kind": "document.completed", "data": {}})
    if state in ("completed", "failed", "cancelled", "extracting"):
        submission["attempt_id"] = attempt
        pages_ocr = chance.choice((0, 0, 3))
        rows["versions"].append(
            {
                "id": version,
                "document_id": document,
                "sequence": 1,
                **dict.fromkeys(("content_sha256", "recipe", "index_name", "workflow", "extraction"), "x"),
                "size": size,
                "modified_at": START,
                "created_at": START,
                "media_type": None if state == "extracting" else chance.choice(FORMATS),
                "pages_text": chance.randrange(9),
                "pages_ocr": pages_ocr,
                "pages_empty": 1,
                "pages_failed": chance.choice((0, 0, 2)),
                "chunks": chance.randrange(50),
                "ocr_confidence": chance.choice((0.5, 0.75, 0.96, None)) if pages_ocr else None,
            }
        )
        is_over = state != "extracting"
        rows["attempts"].append(
            {
                "id": attempt,
                "version_id": version,
                **of,
                "number": 1,
                "state": state,
                "size": size,
                "chunks_total": rows["versions"][-1]["chunks"],
                "created_at": START,
                "started_at": ended - 2.5,
                "finished_at": ended if is_over else None,
            }
        )
    rows["submissions"].append(submission)


def _join(rows: Rows, chance: random.Random, later: float) -> None:
    """Make the last attempt one of another job."""
    attempt, submission = rows["attempts"][-1], rows["submissions"][-1]
    attempt["job_id"] = "another"
    if chance.random() < 0.25:
        attempt |= {"state": "completed", "finished_at": later}
        submission |= {"outcome": "cancelled", "code": None, "message": None}


def of_job(planted: Planted) -> list[dict[str, Any]]:
    """Every submission of the job with its state and, where it was completed, its version."""
    versions = {row["id"]: row for row in planted.rows["versions"]}
    attempts = {row["id"]: row for row in planted.rows["attempts"]}
    found = []
    for row in planted.rows["submissions"]:
        attempt = attempts.get(row["attempt_id"])
        version = versions[attempt["version_id"]] if attempt else None
        state = row["outcome"] or (attempt["state"] if attempt else "queued")
        media_type = version["media_type"] if version else None
        made = version if state == "completed" else None
        found.append({**row, "state": state, "media_type": media_type, "version": made})
    return found
