"""What the commands with lists share: options, how a page is filled, and how it is printed."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Annotated, Any, TypeVar

import typer
from rich.table import Table
from rich.text import Text

from pipeline.cli.output import plain, print_table, quantity

if TYPE_CHECKING:
    from pipeline.lists.documents import DocumentQuery
    from pipeline.lists.jobs import JobQuery

__all__ = ["Before", "Code", "Cursor", "OfCollection", "Since", "Source", "full_page", "page_end", "print_rows"]

Code = Annotated[str | None, typer.Option("--code", help="Only this code.", show_default=False)]
Cursor = Annotated[str | None, typer.Option("--cursor", help="`next` of the page before.", show_default=False)]
OfCollection = Annotated[
    str | None, typer.Option("--collection", "-c", help="Only of this collection.", show_default=False)
]
Source = Annotated[
    str | None, typer.Option("--source", help="Only sources of this name or like this glob.", show_default=False)
]
Since = Annotated[
    str | None, typer.Option("--since", help="Only since then: a time (ISO 8601), or 2h, 3d ago.", show_default=False)
]
Before = Annotated[
    str | None, typer.Option("--before", help="Only before then: a time (ISO 8601), or 2h, 3d ago.", show_default=False)
]

Query = TypeVar("Query", "DocumentQuery", "JobQuery")
T = TypeVar("T")


def print_rows(rows: Iterable[Sequence[str]]) -> None:
    """Print rows of texts as a table without a head, whose first column is ids."""
    table = Table.grid(padding=(0, 2))
    table.add_column(no_wrap=True)  # ids are copied from a terminal: they stay on one line
    for row in rows:
        table.add_row(*(Text(plain(cell)) for cell in row))
    print_table(table)


def page_end(number: int, noun: str, following: str | None) -> str:
    """The line below a page: how many rows it has, and how to see the following ones."""
    return f"{quantity(number, noun)}." + (f" Go on with: --cursor {following}" if following else "")


def full_page(
    read: Callable[[Query], Any], query: Query, rows_of: Callable[[Any], list[T]]
) -> tuple[list[T], str | None]:
    """Read pages of a list until there are as many rows as were asked for.

    Args:
        read: reads a page, which may have fewer rows than its query asks for.
        query: the list, and how many rows are wanted.
        rows_of: the rows of a page.

    Returns:
        The rows, and where the list goes on, None at its end.
    """
    rows: list[T] = []
    after = query.after
    while True:
        page = read(replace(query, after=after, limit=query.limit - len(rows)))
        rows, after = rows + rows_of(page), page.next
        if after is None or len(rows) >= query.limit:
            return rows, after
