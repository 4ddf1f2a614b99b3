"""Pages of sorted lists: a page begins after a key, and looks at a bounded number of rows, however many there are.

Where a condition leaves few rows, these are read and sorted. Elsewhere the index of the order is read from the key on:
until the page is full, or until so many rows of it were looked at that the page ends with fewer rows than it may have.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from itertools import islice
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from pipeline.catalog.database.cursors import Key

__all__ = ["Listing", "Order", "count_ids", "few_ids", "read_page", "unindexed"]

FEW = 1000
"""So many rows at most are read and sorted for a page."""

EXAMINED = 2000
"""So many rows of an index at most are looked at for a page."""

ROWS_AT_ONCE = 500
"""Rows that are fetched at once while they are looked at."""

Ids = sa.Select[Any] | sa.CompoundSelect[Any]


@dataclass(frozen=True, slots=True)
class Order:
    """The order of a list: by a column, and by ids where its values are the same; `value` may be the id itself."""

    value: sa.ColumnElement[Any]
    id: sa.ColumnElement[str]
    descending: bool = False

    def clauses(self) -> tuple[sa.ColumnElement[Any], ...]:
        """What the statement is ordered by."""
        columns = (self.id,) if self.value is self.id else (self.value, self.id)
        return tuple(column.desc() if self.descending else column.asc() for column in columns)

    def after(self, key: Key) -> sa.ColumnElement[bool]:
        """Whether a row comes after a key."""
        row, place = self._compared(key)
        follows: sa.ColumnElement[bool] = row < place if self.descending else row > place
        return follows

    def between(self, first: Key, last: Key) -> sa.ColumnElement[bool]:
        """Whether a row is one of two keys or stands between them."""
        low, high = (last, first) if self.descending else (first, last)
        (row, lowest), (_, highest) = self._compared(low), self._compared(high)
        return sa.and_(row >= lowest, row <= highest)

    def during(
        self, since: float | None, before: float | None, after: Key | None = None
    ) -> list[sa.ColumnElement[bool]]:
        """Conditions on a time by which a list is sorted; one that each row after the key meets is left out.

        SQLite looks up one limit of each side only, which must be the closer one.
        """
        limits = (None if since is None else self.value >= since, None if before is None else self.value < before)
        implied = None if after is None else int(self.descending)
        return [limit for side, limit in enumerate(limits) if limit is not None and side != implied]

    def _compared(self, key: Key) -> tuple[Any, Any]:
        row_id = sa.literal(key.id, self.id.type)
        if self.value is self.id:
            return self.id, row_id
        return sa.tuple_(self.value, self.id), sa.tuple_(sa.literal(key.value, self.value.type), row_id)


@dataclass(frozen=True, slots=True)
class Listing:
    """A list: the statement of its rows with `value` and `id`, and the statement of the index that has its order.

    `index` selects value and id of at least the rows of the list; None if these are few. `accepts` decides about rows
    beyond what the statement does.
    """

    rows: sa.Select[Any]
    order: Order
    index: sa.Select[Any] | None = None
    accepts: Callable[[Any], bool] | None = None


def few_ids(connection: Connection, choices: Iterable[Ids]) -> list[str] | None:
    """The ids of the choice that has the fewest, if that is at most `FEW`; None if each has more, or there is none."""
    sized = [(count_ids(connection, choice), number, choice) for number, choice in enumerate(choices)]
    size, _, smallest = min(sized, default=(FEW + 1, 0, None))
    return None if smallest is None or size > FEW else list(connection.scalars(smallest))


def count_ids(connection: Connection, choice: Ids) -> int:
    """How many ids a choice has; more than one above `FEW` are not counted."""
    return connection.scalar(sa.select(sa.func.count()).select_from(choice.limit(FEW + 1).subquery())) or 0


def unindexed(column: sa.ColumnElement[Any]) -> sa.ColumnElement[Any]:
    """A column of texts or numbers, so that no index of it is read where another one has fewer rows."""
    return column.concat("") if isinstance(column.type, sa.String) else column + sa.literal_column("0")


def read_page(connection: Connection, listing: Listing, after: Key | None, limit: int) -> tuple[list[Key], Key | None]:
    """Read the first rows after a key.

    Returns:
        Keys of at most `limit` rows, and the key after which the next page begins, None if this is the last one.
    """
    order, rows, bound = listing.order, listing.rows, None
    if listing.index is not None:
        first, last, bound = _stretch(connection, listing.index, order, after)
        if first is None or last is None:
            return [], None
        rows = rows.where(order.between(first, last))
    elif after is not None:
        rows = rows.where(order.after(after))
    rows = rows.order_by(*order.clauses())
    if listing.accepts is None:
        rows = rows.limit(limit + 1)
    found = connection.execution_options(yield_per=ROWS_AT_ONCE).execute(rows)
    accepted = (row for row in found if listing.accepts is None or listing.accepts(row))
    keys = [Key(row.value, row.id) for row in islice(accepted, limit + 1)]
    found.close()
    return (keys[:limit], keys[limit - 1]) if len(keys) > limit else (keys, bound)


def _stretch(
    connection: Connection, index: sa.Select[Any], order: Order, after: Key | None
) -> tuple[Key | None, Key | None, Key | None]:
    """The stretch of an index that is looked at: its first and its last key, and the last one again if more follow."""
    if after is not None:
        index = index.where(order.after(after))
    forth, back = order.clauses(), replace(order, descending=not order.descending).clauses()
    first = _key(connection, index.order_by(*forth))
    bound = _key(connection, index.order_by(*forth).offset(EXAMINED - 1))
    return first, bound or _key(connection, index.order_by(*back)), bound


def _key(connection: Connection, query: sa.Select[Any]) -> Key | None:
    row = connection.execute(query.limit(1)).one_or_none()
    return None if row is None else Key(row.value, row.id)
