"""Packing files into batches: bounded by a number of files and by their bytes."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import TypeVar

from pipeline.names import LARGE

__all__ = ["batch_limits", "pack"]

Item = TypeVar("Item")


def pack(
    items: Iterable[Item], size_of: Callable[[Item], int], limits: Iterator[int], max_bytes: int
) -> Iterator[list[Item]]:
    """Pack items into batches, in their order; a large one gets a batch of its own.

    The others of its batch would wait until it has passed all stages.

    Lists of rows and ids, whose bytes do not matter, are split by `pipeline.catalog.database.id_lists.split_list`.

    Args:
        items: read one by one, at most one further than the batch that is returned.
        size_of: bytes of an item.
        limits: how many items each batch may hold, from the first batch on; endless.
        max_bytes: bytes of a batch at most; an item that takes a `LARGE` part of it has a batch of its own.

    Returns:
        Batches, none empty; no batch if there is no item.
    """
    batch, batch_bytes, limit = list[Item](), 0, next(limits)
    after_large = False
    for item in items:
        size = size_of(item)
        is_large = size * LARGE > max_bytes
        if batch and (len(batch) >= limit or batch_bytes + size > max_bytes or is_large or after_large):
            yield batch
            batch, batch_bytes, limit = [], 0, next(limits)
        batch.append(item)
        batch_bytes, after_large = batch_bytes + size, is_large
    if batch:
        yield batch


def batch_limits(first: int, limit: int) -> Iterator[int]:
    """Limits for `pack` that double from `first` up to `limit`: 4, 8, 16, 16, … without end."""
    size = min(first, limit)
    while True:
        yield size
        size = min(size * 2, limit)
