"""Metadata of the catalog's tables, and the types of their columns."""

from __future__ import annotations

import re

import sqlalchemy as sa
from sqlalchemy.engine import Dialect

__all__ = ["Code", "Id", "Name", "Text", "metadata", "storable"]

metadata = sa.MetaData(
    naming_convention={
        "ix": "ix_%(table_name)s_%(column_0_N_name)s",
        "uq": "uq_%(table_name)s_%(column_0_N_name)s",
        "pk": "pk_%(table_name)s",
    }
)

Id = sa.String(64)
Code = sa.String(64)
Name = sa.String(96)
UNSTORABLE = re.compile("[\x00\ud800-\udfff]")


def storable(text: str) -> str:
    """The text as a column of `Text` holds it."""
    return UNSTORABLE.sub("\N{REPLACEMENT CHARACTER}", text)


class Text(sa.TypeDecorator[str]):
    """Text of any length, whatever it holds.

    Titles and messages come out of files: NUL, which PostgreSQL refuses, and lone surrogates, which have no UTF-8,
    become U+FFFD.
    """

    impl = sa.Text
    cache_ok = True

    def process_bind_param(self, value: str | None, dialect: Dialect) -> str | None:
        """What is sent to the database."""
        return value if value is None else storable(value)
