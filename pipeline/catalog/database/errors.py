"""Errors of the database that other rooms catch: it does not answer, is locked, or its file cannot be used."""

from __future__ import annotations

from sqlalchemy import exc

__all__ = ["CATALOG_ERRORS", "TRANSIENT_CATALOG_ERRORS"]

CATALOG_ERRORS: tuple[type[Exception], ...] = (exc.DBAPIError, exc.TimeoutError)
"""Every error of a statement that the database did not carry out; `TimeoutError`: no connection was free in time."""

TRANSIENT_CATALOG_ERRORS: tuple[type[Exception], ...] = (exc.OperationalError,)
"""Those of them that pass by themselves: a task that meets one is tried again."""
