"""Part `catalog`: does it take a write in time, as a submission needs it."""

from __future__ import annotations

import time

from pipeline.catalog.database.connection import writing
from pipeline.catalog.index import checks
from pipeline.health.finding import Finding, ok
from pipeline.services import Services

__all__ = ["check_catalog"]


def check_catalog(services: Services) -> Finding:
    """Write a row to the catalog, with the turn of a submission. Raises the error of the database."""
    began = time.monotonic()
    with writing(services.catalog, urgent=True, durable=False) as connection:
        checks.store(connection, checks.WRITTEN, {})
    return ok(write_s=time.monotonic() - began)
