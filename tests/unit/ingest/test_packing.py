"""Packing into batches: the order is kept, nothing is lost, and every batch keeps to its limits."""

from __future__ import annotations

from itertools import count, islice, repeat

from hypothesis import given
from hypothesis import strategies as st

from pipeline.ingest.packing import LARGE, batch_limits, pack

SIZES = st.lists(st.integers(0, 20), max_size=60)
LIMITS = st.lists(st.integers(1, 8), min_size=60, max_size=60)


def same(size: int) -> int:
    """A number is an item of so many bytes."""
    return size


@given(sizes=SIZES, limits=LIMITS, max_bytes=st.integers(0, 40))
def test_the_order_is_kept_and_nothing_is_lost(sizes: list[int], limits: list[int], max_bytes: int) -> None:
    batches = list(pack(sizes, same, iter(limits), max_bytes))
    assert [size for batch in batches for size in batch] == sizes
    assert all(batches)


@given(sizes=SIZES, limits=LIMITS, max_bytes=st.integers(0, 40))
def test_a_batch_keeps_to_its_limits(sizes: list[int], limits: list[int], max_bytes: int) -> None:
    """Only an item that is too large by itself goes beyond the bytes, alone in its batch."""
    for batch, limit in zip(pack(sizes, same, iter(limits), max_bytes), limits, strict=False):
        assert len(batch) <= limit
        assert sum(batch) <= max_bytes or len(batch) == 1


@given(sizes=SIZES, limits=LIMITS, max_bytes=st.integers(0, 40))
def test_a_batch_ends_only_where_the_next_item_would_exceed_a_limit(
    sizes: list[int], limits: list[int], max_bytes: int
) -> None:
    batches = list(pack(sizes, same, iter(limits), max_bytes))
    for batch, following, limit in zip(batches, batches[1:], limits, strict=False):
        apart = any(size * LARGE > max_bytes for size in (batch[-1], following[0]))
        assert len(batch) == limit or sum(batch) + following[0] > max_bytes or apart


@given(sizes=SIZES, limits=LIMITS, max_bytes=st.integers(0, 40))
def test_a_large_item_is_alone(sizes: list[int], limits: list[int], max_bytes: int) -> None:
    """No other document waits for it."""
    for batch in pack(sizes, same, iter(limits), max_bytes):
        assert len(batch) == 1 or max(batch) * LARGE <= max_bytes


def test_items_are_read_at_most_one_ahead() -> None:
    """The walk goes on while the first batches are already ingested."""
    items = count()
    assert next(pack(items, same, repeat(2), 100)) == [0, 1]
    assert next(items) == 3


def test_limits_double_up_to_the_last_one() -> None:
    assert list(islice(batch_limits(4, 20), 5)) == [4, 8, 16, 20, 20]
    assert list(islice(batch_limits(4, 3), 3)) == [3, 3, 3]
