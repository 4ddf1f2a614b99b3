"""Updates of many rows, each with its own values, in one statement: composing one costs more than running it."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping
from functools import cache
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Connection

__all__ = ["Same", "update_each"]

Same = tuple[tuple[str, Any], ...]
"""(column, value or expression) pairs, of a constant."""


def update_each(
    connection: Connection,
    table: sa.Table,
    changes: Mapping[str, Mapping[str, Any]],
    where: Mapping[str, Any] | None = None,
    *,
    same: Same = (),
    add: bool = False,
) -> None:
    """Update rows of a table by their column `id`; those that change the same columns go together.

    Args:
        connection: a writing transaction.
        table: the table.
        changes: {id: {column: value}}.
        where: {column: value}, the condition that a row must meet besides.
        same: columns that get the same value in every row.
        add: the values are added to the columns instead of replacing them.
    """
    groups: dict[tuple[str, ...], list[dict[str, Any]]] = defaultdict(list)
    conditions = {f"where_{name}": value for name, value in (where or {}).items()}
    for row_id, values in changes.items():
        if values:
            new = {f"new_{name}": value for name, value in values.items()}
            groups[tuple(sorted(values))].append({"row": row_id, **new, **conditions})
    for names, rows in groups.items():
        connection.execute(_update(table, names, tuple(where or ()), same, add), rows)


@cache
def _update(table: sa.Table, names: tuple[str, ...], conditions: tuple[str, ...], same: Same, add: bool) -> sa.Update:
    new: dict[str, Any] = {name: sa.bindparam(f"new_{name}", type_=table.c[name].type) for name in names}
    if add:
        new = {name: table.c[name] + value for name, value in new.items()}
    matches = [table.c[name] == sa.bindparam(f"where_{name}") for name in conditions]
    return table.update().where(table.c.id == sa.bindparam("row"), *matches).values({**new, **dict(same)})
