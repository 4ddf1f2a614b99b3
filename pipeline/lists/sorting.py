"""The order of a list as users name it."""

from __future__ import annotations

from pipeline.errors import BadRequest

__all__ = ["sort_of"]


def sort_of(text: str, orders: tuple[str, ...]) -> tuple[str, bool]:
    """The order that a user names, and whether it is descending: `size`, or `-size` from the largest on.

    Raises:
        BadRequest: there is no such order.
    """
    name = text.removeprefix("-")
    if name not in orders:
        raise BadRequest(
            f"There is no order {text!r}.", f"Sort by one of: {', '.join(orders)}; -{orders[-1]} reverses."
        )
    return name, text != name
