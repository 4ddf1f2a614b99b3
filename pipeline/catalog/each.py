"""Many rows, each with values of its own, as one statement: what composes a statement costs more than what runs it."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Connection

__all__ = ["update_each"]


def update_each(
    connection: Connection,
    table: sa.Table,
    changes: Mapping[str, Mapping[str, Any]],
    *where: sa.ColumnElement[bool],
    same: Mapping[str, Any] | None = None,
    add: bool = False,
) -> None:
    """Update rows of a table by their column `id`; those that change the same columns go together.

    Args:
        connection: a writing transaction.
        table: it.
        changes: {id: {column: value}}.
        where: what else must hold of a row.
        same: {column: value or expression}, for every row that changes.
        add: the values are added to what stands there.
    """
    groups: dict[tuple[str, ...], list[dict[str, Any]]] = defaultdict(list)
    for identity, values in changes.items():
        if values:
            given = {f"new_{name}": value for name, value in values.items()}
            groups[tuple(sorted(values))].append({"row": identity, **given})
    for names, rows in groups.items():
        new: dict[str, Any] = {name: sa.bindparam(f"new_{name}", type_=table.c[name].type) for name in names}
        if add:
            new = {name: table.c[name] + value for name, value in new.items()}
        statement = table.update().where(table.c.id == sa.bindparam("row"), *where)
        connection.execute(statement.values({**new, **(same or {})}), rows)
