"""Counters and histograms in Redis: what any process adds is what is read, and labels may hold anything."""

from __future__ import annotations

import math
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
import redis
from hypothesis import given
from hypothesis import strategies as st
from search_rig import redis_server

from pipeline.counters import Counter, Histogram

BOUNDS = (0.1, 1.0, 10.0)
WITHOUT_SLASH = st.characters(codec="utf-8", exclude_characters="/")


@pytest.fixture(scope="module")
def connection() -> Iterator[redis.Redis]:
    with redis_server() as address, redis.Redis.from_url(address) as connection:
        yield connection


@contextmanager
def emptied(connection: redis.Redis) -> Iterator[redis.client.Pipeline]:
    """A pipeline into an empty Redis, executed at the end of the block."""
    connection.flushall()
    with connection.pipeline() as pipe:
        yield pipe
        pipe.execute()


@given(st.lists(st.floats(0, 100, allow_subnormal=False)))
def test_a_histogram_counts_what_is_at_most_each_bound(connection: redis.Redis, seconds: list[float]) -> None:
    histogram = Histogram("key", ("stage",), BOUNDS)
    with emptied(connection) as pipe:
        for value in seconds:
            histogram.add(pipe, ("embed",), value)
    found = histogram.read(connection)
    assert set(found) == ({("embed",)} if seconds else set())
    for distribution in found.values():
        assert distribution.bounds == ("0.1", "1", "10", "+Inf")
        limits = (*BOUNDS, math.inf)
        assert distribution.counts == tuple(sum(value <= limit for value in seconds) for limit in limits)
        assert distribution.sum == pytest.approx(sum(seconds))


def test_durations_that_an_earlier_version_counted_with_other_bounds_stay_valid(connection: redis.Redis) -> None:
    with emptied(connection) as pipe:
        Histogram("key", (), (0.5, 5.0)).add(pipe, (), 0.3)
        Histogram("key", (), (0.5, 5.0)).add(pipe, (), 100.0)
    ((_, found),) = Histogram("key", (), BOUNDS).read(connection).items()
    assert found.counts == (0, 1, 1, 2)


@given(
    st.text(st.characters(codec="utf-8", exclude_characters="/"), max_size=5),
    st.text(st.characters(codec="utf-8"), max_size=8),
)
def test_labels_are_read_as_they_were_added(connection: redis.Redis, first: str, last: str) -> None:
    counter = Counter("key", ("method", "route"))
    with emptied(connection) as pipe:
        counter.add(pipe, (first, last))
        counter.add(pipe, (first, last), 2)
    assert counter.read(connection) == {(first, last): 3}


def test_a_counter_without_labels_is_one_number(connection: redis.Redis) -> None:
    counter = Counter("key")
    with emptied(connection) as pipe:
        counter.add(pipe, amount=1.5)
    assert counter.read(connection) == {(): 1.5}
    connection.flushall()
    assert counter.read(connection) == {}
