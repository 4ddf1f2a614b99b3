"""Versions of documents: one content, made by one recipe, in one index; and the runs that make them."""

from __future__ import annotations

import time
import uuid
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from pipeline.catalog.database.bulk_update import update_each
from pipeline.catalog.database.schema import attempts, documents, versions
from pipeline.names import ACTIVE
from pipeline.types import Tags

__all__ = [
    "NAMESPACE",
    "FileRecord",
    "Placement",
    "add_attempt",
    "add_version",
    "describe_versions",
    "live_and_running",
    "matches",
    "new_attempt",
    "newest",
    "point_at_completed",
]

NAMESPACE = uuid.UUID("0c0a7e0e-4d5a-5b43-8f4e-52a4d9c1f0d7")
"""Ids of documents and versions are derived in it."""


@dataclass(frozen=True, slots=True)
class FileRecord:
    """A file as intake took it: where it came from, what it holds, when it was last written, its metadata.

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

    `collection` is the index's; "" stands for the job's own. `batch_id` is the batch that makes them, once one knows.
    """

    index: str
    workflow: str = "ingest"
    extraction: str = ""
    collection: str = ""
    batch_id: str | None = None


def new_attempt(
    connection: Connection, job_id: str, identity: str, recipe: str, found: FileRecord, place: Placement
) -> str:
    """A run over this content: of the newest version if it holds the same in the same place, else of a new one.

    Returns:
        The attempt's id; the caller makes it the current one.
    """
    version = newest(connection, identity)
    reusable = (
        version is not None
        and version.live_at is None
        and version.index_name == place.index
        and matches(version._mapping, found, recipe)
    )
    if version is not None and reusable:
        version_id = version.id
        # Its points may have been removed when it failed; now it gets new ones.
        connection.execute(versions.update().where(versions.c.id == version_id).values(removed_at=None))
    else:
        version_id = add_version(connection, identity, recipe, found, place, version)
    number = connection.scalar(
        sa.select(sa.func.count()).select_from(attempts).where(attempts.c.document_id == identity)
    )
    told = {"number": (number or 0) + 1, "size": found.size, "batch_id": place.batch_id}
    return add_attempt(connection, job_id, identity, version_id, **told)


def add_attempt(connection: Connection, job_id: str, identity: str, version_id: str, **told: Any) -> str:
    """Record a run that begins with this version; its id. `told` are its columns `number`, `size` and `batch_id`."""
    attempt_id = str(uuid.uuid4())
    row = {
        "id": attempt_id,
        "document_id": identity,
        "version_id": version_id,
        "job_id": job_id,
        "state": "queued",
        "created_at": time.time(),
        **told,
    }
    connection.execute(attempts.insert(), row)
    return attempt_id


def add_version(
    connection: Connection, identity: str, recipe: str, found: FileRecord, place: Placement, newest: Any
) -> str:
    """Record a version that follows the newest one of its document, None for its first; its id."""
    sequence = newest.sequence + 1 if newest is not None else 1
    # The sequence is part of the id: content that comes back later is a version of its own, so that
    # removing the older one can never take the newer one's points.
    version_id = str(uuid.uuid5(NAMESPACE, f"{identity}/{found.content_sha256}/{recipe}/{sequence}"))
    row = {
        "id": version_id,
        "document_id": identity,
        "sequence": sequence,
        "content_sha256": found.content_sha256,
        "recipe": recipe,
        "metadata": dict(found.metadata) or None,
        "index_name": place.index,
        "workflow": place.workflow,
        "extraction": place.extraction,
        "size": found.size,
        "modified_at": found.modified_at,
        "created_at": time.time(),
    }
    connection.execute(versions.insert(), row)
    return version_id


def newest(connection: Connection, identity: str) -> Any:
    """The newest version of a document, None if it has none."""
    query = sa.select(versions).where(versions.c.document_id == identity).order_by(versions.c.sequence.desc())
    return connection.execute(query.limit(1)).one_or_none()


def live_and_running(
    connection: Connection, identity: str
) -> tuple[Mapping[Any, Any] | None, Mapping[Any, Any] | None]:
    """The version that readers see, and the one that is being made, with its `attempt_id`; None for either."""
    live = connection.execute(
        sa.select(versions)
        .join(documents, documents.c.live_version_id == versions.c.id)
        .where(documents.c.id == identity)
    )
    running = connection.execute(
        sa.select(versions, attempts.c.id.label("attempt_id"))
        .join(attempts, attempts.c.version_id == versions.c.id)
        .join(documents, documents.c.attempt_id == attempts.c.id)
        .where(documents.c.id == identity, attempts.c.state.in_(ACTIVE))
    )
    return live.mappings().one_or_none(), running.mappings().one_or_none()


def matches(version: Mapping[Any, Any], found: FileRecord, recipe: str) -> bool:
    """Whether a version is what this content and recipe would make."""
    same = version["content_sha256"] == found.content_sha256 and version["recipe"] == recipe
    return bool(same and (version["metadata"] or {}) == found.metadata)


def point_at_completed(connection: Connection, identity: str, version_id: str) -> None:
    """Make the completed attempt of the live version the current one again."""
    made = sa.select(attempts.c.id).where(attempts.c.version_id == version_id, attempts.c.state == "completed")
    attempt_id = connection.scalar(made.order_by(attempts.c.number.desc()).limit(1))
    connection.execute(documents.update().where(documents.c.id == identity).values(attempt_id=attempt_id))


def describe_versions(connection: Connection, facts: Mapping[str, Mapping[str, Any]]) -> None:
    """Write what a stage found out about versions, by version: pages, chunks, title, media type, warnings."""
    update_each(connection, versions, facts)
