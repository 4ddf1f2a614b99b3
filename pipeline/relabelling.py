"""Telling the points of renamed documents their new name. The catalog knew it first, and search goes by the catalog."""

from __future__ import annotations

from itertools import groupby
from typing import Any

from pipeline.catalog import indexes, moves
from pipeline.catalog.engine import writing
from pipeline.catalog.slices import slices
from pipeline.services import Services
from pipeline.vectorstore.base import Filter

__all__ = ["relabel"]

SLICE = 200
"""Documents whose points are labelled between two writes to the catalog."""


def relabel(services: Services) -> int:
    """Write the new source, and the title that follows from it, to the points of all renamed documents.

    Whatever ends it early, the catalog still knows what is left to do.

    Returns:
        How many documents it were.
    """
    with services.catalog.connect() as connection:
        renamed = moves.to_label(connection)
    for collection, rows in groupby(renamed, key=lambda one: str(one.collection)):
        with services.catalog.connect() as connection:
            places = [index.name for index in indexes.of_collection(connection, collection)]
        for piece in slices(rows, SLICE):
            for one in piece:
                _label(services, places, one)
            with writing(services.catalog) as connection:
                moves.labelled(connection, {one.id: one.moved_at for one in piece})
    return len(renamed)


def _label(services: Services, places: list[str], one: Any) -> None:
    label = {"source": one.source} | ({"title": one.title} if one.title is not None else {})
    where = Filter(document_ids=(one.id,))
    for index in places:
        services.store.set_payload(index, label, where)
        services.store.set_payload(index, label, where, "metadata")
