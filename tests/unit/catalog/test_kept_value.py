"""What takes long to compute is kept for a while."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor

import pytest

from pipeline.catalog.work.kept_value import LONGEST_S, TIMES, KeptValue


class Clock:
    """A clock that a computation advances."""

    def __init__(self, takes_s: float) -> None:
        self.now, self.takes_s, self.computed = 100.0, takes_s, 0

    def __call__(self) -> float:
        return self.now

    def compute(self) -> int:
        self.now += self.takes_s
        self.computed += 1
        return self.computed


def test_what_takes_a_moment_is_always_new() -> None:
    clock = Clock(0.01)
    value = KeptValue(clock.compute, clock)
    assert [value.get() for _ in range(3)] == [1, 2, 3]


@pytest.mark.parametrize(("takes_s", "kept_s"), [(0.5, 0.5 * TIMES), (60.0, LONGEST_S)])
def test_what_takes_long_is_kept_in_proportion(takes_s: float, kept_s: float) -> None:
    clock = Clock(takes_s)
    value = KeptValue(clock.compute, clock)
    assert value.get() == 1
    clock.now += kept_s * 0.99
    assert value.get() == 1
    clock.now += kept_s * 0.02
    assert value.get() == 2


def test_who_asks_at_once_gets_the_old_value_while_a_new_one_is_computed() -> None:
    clock, may_end = Clock(1.0), threading.Event()
    may_end.set()

    def compute() -> int:
        assert may_end.wait(60)
        return clock.compute()

    value = KeptValue(compute, clock)
    assert value.get(at_once=True) == 1
    clock.now += 2 * TIMES
    may_end.clear()
    assert [value.get(at_once=True) for _ in range(3)] == [1, 1, 1]
    may_end.set()
    assert value.get() == 2
    assert (value.get(at_once=True), clock.computed) == (2, 2)


def test_what_takes_a_moment_is_new_at_once() -> None:
    clock = Clock(0.01)
    value = KeptValue(clock.compute, clock)
    assert [value.get(at_once=True) for _ in range(3)] == [1, 2, 3]


def test_threads_compute_it_once() -> None:
    clock = Clock(1.0)
    value = KeptValue(clock.compute, clock)
    with ThreadPoolExecutor(8) as pool:
        assert set(pool.map(lambda _: value.get(), range(50))) == {1}


def test_an_error_is_not_kept() -> None:
    failing = [True]

    def compute() -> str:
        if failing:
            failing.pop()
            raise OSError("gone")
        return "value"

    value = KeptValue(compute)
    with pytest.raises(OSError, match="gone"):
        value.get()
    assert value.get() == "value"
