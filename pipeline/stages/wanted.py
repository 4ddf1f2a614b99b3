"""Whether a document is still wanted: a task that works on it for long asks now and then, and ends if it is not."""

from __future__ import annotations

from collections.abc import Callable

from pipeline.catalog import CATALOG_ERRORS
from pipeline.catalog.work import batch_documents
from pipeline.services import Services

__all__ = ["wanted"]


def wanted(services: Services, attempt_id: str) -> Callable[[], bool]:
    """Return the function that reads in the catalog whether an attempt is still running and the current one.

    It is not any more after a cancel, a deletion, or a newer submission of the same document. While the catalog cannot
    be read, the attempt counts as wanted: the task's own commit decides.
    """

    def is_wanted() -> bool:
        try:
            with services.catalog.connect() as connection:
                return batch_documents.is_running(connection, attempt_id)
        except CATALOG_ERRORS:
            return True

    return is_wanted
