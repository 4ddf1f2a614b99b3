"""Placement of the documents of a job: the live index of its collection, and the recipe of that index."""

from __future__ import annotations

from dataclasses import replace

from pipeline.catalog import Connection
from pipeline.catalog.documents.versions import Placement, SameRecipes
from pipeline.catalog.index import collections
from pipeline.catalog.work.jobs import Job
from pipeline.services import Services

__all__ = ["current_recipe", "placement_of"]


def placement_of(
    services: Services, connection: Connection, job: Job, routed: str | None = None
) -> tuple[Placement, str]:
    """Placement of a job's documents, and the recipe of their index; the collection is recorded on first use.

    Args:
        services: the engine's services.
        connection: a writing transaction.
        job: the job.
        routed: the collection that a workflow's route names, instead of the job's own.

    Raises:
        SpaceMismatch: the collection was made with another model than the configured one.
        ModelFactsMissing: the facts of the index's model are not in memory: see `Services.with_model_facts`.
    """
    collection = routed or job.collection
    index = collections.register(connection, collection, services.fingerprint, services.spec)
    extraction = services.extraction_of(job.ocr)
    recipe = services.known_recipe(index, extraction, job.plan)
    same = services.same_recipes(index, job.ocr, job.plan)
    return Placement(index.name, job.workflow, extraction, collection, ocr=job.ocr, same=same), recipe


def current_recipe(
    services: Services, connection: Connection, job: Job, routed: str | None
) -> tuple[str, SameRecipes] | None:
    """The recipe of `placement_of`, and those that count as the same; None if the collection is not known yet.

    Nothing is written.

    Raises:
        SpaceMismatch: the collection was made with another model than the configured one.
    """
    index = collections.check_space(connection, routed or job.collection, services.fingerprint)
    if index is None:
        return None
    index = index if index.pinned else replace(index, spec=services.spec)
    recipe = services.recipe(index, services.extraction_of(job.ocr), job.plan)
    return recipe, services.same_recipes(index, job.ocr, job.plan)
