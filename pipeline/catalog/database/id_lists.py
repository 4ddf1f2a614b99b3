"""Split long lists of ids: databases bound the parameters of one statement (PostgreSQL at 65,535)."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from itertools import islice
from typing import TypeVar

__all__ = ["split_list"]

Item = TypeVar("Item")

SIZE = 5000


def split_list(items: Iterable[Item], size: int = SIZE) -> Iterator[Sequence[Item]]:
    """The items in order, at most `size` at a time."""
    rest = iter(items)
    while group := list(islice(rest, size)):
        yield group
