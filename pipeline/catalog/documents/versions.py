"""Versions of documents: one content, made by one recipe, in one index; and the attempts that make them."""

from __future__ import annotations

import time
import uuid
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeAlias

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from extractors.options import OcrMode
from pipeline.catalog.database.bulk_update import update_each
from pipeline.catalog.database.id_lists import split_list
from pipeline.catalog.database.schema import attempts, documents, versions
from pipeline.names import ACTIVE
from pipeline.types import Tags

__all__ = [
    "NAMESPACE",
    "FileRecord",
    "Placement",
    "SameRecipes",
    "add_attempt",
    "add_version",
    "describe_versions",
    "live_and_running",
    "matches",
    "new_attempt",
    "newest",
    "point_at_completed",
    "version_of",
]

SameRecipes: TypeAlias = Mapping[str | None, Collection[str]]
"""Recipes beside the own one by which a version is what a job asks for, by the OCR mode that the version has."""

NAMESPACE = uuid.UUID("0c0a7e0e-4d5a-5b43-8f4e-52a4d9c1f0d7")
"""Ids of documents and versions are derived in it."""


@dataclass(frozen=True, slots=True)
class FileRecord:
    """A file as intake read it: where it came from, what it holds, when it was last written, its metadata.

    `tags` replace those of its document; None leaves them.
    """

    source: str
    content_sha256: str
    size: int
    modified_at: float
    metadata: Mapping[str, Any] = field(default_factory=dict)
    tags: Tags | None = None


@dataclass(frozen=True, slots=True)
class Placement:
    """Where a version's points go, by which workflow, and how its text was read (`recipes.extraction`).

    `collection` is the index's; "" stands for the job's own. `batch_id`: the batch that makes them, if known. `ocr`:
    which pages are read by OCR, None as the settings say. `same`: recipes by which a version counts as made already.
    `gone`: live versions whose points are not in the store, so that they do not count as made.
    """

    index: str
    workflow: str = "ingest"
    extraction: str = ""
    collection: str = ""
    batch_id: str | None = None
    ocr: OcrMode | None = None
    same: SameRecipes = field(default_factory=dict)
    gone: frozenset[str] = frozenset()


def new_attempt(
    connection: Connection, job_id: str, document_id: str, recipe: str, file: FileRecord, placement: Placement
) -> str:
    """Add an attempt for this content: of the newest version if it holds the same in the same index, else of a new one.

    Returns:
        The attempt's id; the caller makes it the current one.
    """
    version = newest(connection, document_id)
    reusable = (
        version is not None
        and version.live_at is None
        and version.index_name == placement.index
        and matches(version._mapping, file, recipe)
    )
    if version is not None and reusable:
        version_id = version.id
        # Its points may have been removed when it failed; now it gets new ones.
        connection.execute(
            versions.update().where(versions.c.id == version_id).values(removed_at=None, ocr=placement.ocr)
        )
    else:
        version_id = add_version(connection, document_id, recipe, file, placement, version)
    number = connection.scalar(
        sa.select(sa.func.count()).select_from(attempts).where(attempts.c.document_id == document_id)
    )
    columns = {"number": (number or 0) + 1, "size": file.size, "batch_id": placement.batch_id}
    return add_attempt(connection, job_id, document_id, version_id, **columns)


def add_attempt(connection: Connection, job_id: str, document_id: str, version_id: str, **columns: Any) -> str:
    """Record a queued attempt of a version and return its id; `columns` are `number`, `size` and `batch_id`."""
    attempt_id = str(uuid.uuid4())
    row = {
        "id": attempt_id,
        "document_id": document_id,
        "version_id": version_id,
        "job_id": job_id,
        "state": "queued",
        "created_at": time.time(),
        **columns,
    }
    connection.execute(attempts.insert(), row)
    return attempt_id


def add_version(
    connection: Connection, document_id: str, recipe: str, file: FileRecord, placement: Placement, newest: Any
) -> str:
    """Record the version that follows the newest one of its document, None for its first, and return its id."""
    sequence = newest.sequence + 1 if newest is not None else 1
    # The sequence is part of the id: content that comes back later is a version of its own, so that
    # removing the older one can never take the newer one's points.
    version_id = str(uuid.uuid5(NAMESPACE, f"{document_id}/{file.content_sha256}/{recipe}/{sequence}"))
    row = {
        "id": version_id,
        "document_id": document_id,
        "sequence": sequence,
        "content_sha256": file.content_sha256,
        "recipe": recipe,
        "metadata": dict(file.metadata) or None,
        "index_name": placement.index,
        "workflow": placement.workflow,
        "extraction": placement.extraction,
        "ocr": placement.ocr,
        "size": file.size,
        "modified_at": file.modified_at,
        "created_at": time.time(),
    }
    connection.execute(versions.insert(), row)
    return version_id


def newest(connection: Connection, document_id: str) -> Any:
    """The newest version of a document, None if it has none."""
    query = sa.select(versions).where(versions.c.document_id == document_id).order_by(versions.c.sequence.desc())
    return connection.execute(query.limit(1)).one_or_none()


def live_and_running(
    connection: Connection, document_id: str
) -> tuple[Mapping[Any, Any] | None, Mapping[Any, Any] | None]:
    """The live version, and the version that is being made with its `attempt_id`; None where there is none."""
    live = connection.execute(
        sa.select(versions)
        .join(documents, documents.c.live_version_id == versions.c.id)
        .where(documents.c.id == document_id)
    )
    running = connection.execute(
        sa.select(versions, attempts.c.id.label("attempt_id"))
        .join(attempts, attempts.c.version_id == versions.c.id)
        .join(documents, documents.c.attempt_id == attempts.c.id)
        .where(documents.c.id == document_id, attempts.c.state.in_(ACTIVE))
    )
    return live.mappings().one_or_none(), running.mappings().one_or_none()


def version_of(connection: Connection, document_id: str, version_id: str | None = None) -> Mapping[Any, Any] | None:
    """The version of a document with this id; without one its live version. None where the document has none."""
    query = sa.select(versions).join(documents, documents.c.id == versions.c.document_id)
    wanted = documents.c.live_version_id if version_id is None else version_id
    found = connection.execute(query.where(documents.c.id == document_id, versions.c.id == wanted))
    return found.mappings().one_or_none()


def matches(version: Mapping[Any, Any], file: FileRecord, recipe: str, same: SameRecipes | None = None) -> bool:
    """Whether a version is what this content and recipe, or one of the `same` recipes, would make."""
    is_same = version["recipe"] == recipe or version["recipe"] in (same or {}).get(version["ocr"], ())
    return bool(
        is_same and version["content_sha256"] == file.content_sha256 and (version["metadata"] or {}) == file.metadata
    )


def point_at_completed(connection: Connection, document_ids: Sequence[str]) -> None:
    """Make the completed attempts of the live versions of these documents the current ones again."""
    completed = sa.select(attempts.c.id).where(
        attempts.c.version_id == documents.c.live_version_id, attempts.c.state == "completed"
    )
    newest_id = completed.order_by(attempts.c.number.desc()).limit(1).scalar_subquery()
    for group in split_list(document_ids):
        connection.execute(documents.update().where(documents.c.id.in_(group)).values(attempt_id=newest_id))


def describe_versions(connection: Connection, facts: Mapping[str, Mapping[str, Any]]) -> None:
    """Store what a stage has learned about versions: {version id: {column: value}}, such as pages, chunks, title."""
    update_each(connection, versions, facts)
