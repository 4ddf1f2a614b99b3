"""Where the documents of a job go: the index that readers of its collection see, and the recipe of that index."""

from __future__ import annotations

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from pipeline.catalog import collections
from pipeline.catalog.documents import Place
from pipeline.catalog.schema import jobs
from pipeline.plan import Plan
from pipeline.services import Services

__all__ = ["place_of"]


def place_of(services: Services, connection: Connection, job_id: str) -> tuple[Place, str]:
    """The place of a job's documents and the recipe that is used there; the collection is recorded on first use.

    Raises:
        SpaceMismatch: the collection was made with another model than the configured one.
    """
    job = connection.execute(
        sa.select(jobs.c.collection, jobs.c.workflow, jobs.c.plan).where(jobs.c.id == job_id)
    ).one()
    index = collections.register(connection, job.collection, services.fingerprint, services.making)
    return Place(index.name, job.workflow, services.extraction), services.recipe(index, plan=Plan.from_json(job.plan))
