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


class Held:
    """A computation of some seconds of the clock, which a test can hold in the middle."""

    def __init__(self, takes_s: float) -> None:
        self.clock, self.may_end = Clock(takes_s), threading.Event()
        self.may_end.set()
        self.value = KeptValue(self._compute, self.clock)

    def _compute(self) -> int:
        assert self.may_end.wait(60)
        return self.clock.compute()


def test_who_does_not_wait_gets_the_old_value_while_a_new_one_is_computed() -> None:
    held = Held(1.0)
    assert held.value.get_soon(60) == 1
    held.clock.now += 2 * TIMES
    held.may_end.clear()
    assert [held.value.get_soon(0.01) for _ in range(3)] == [1, 1, 1]
    held.may_end.set()
    assert held.value.get_soon(60) == 2
    assert (held.value.get_soon(60), held.clock.computed) == (2, 2)


def test_nobody_has_to_wait_for_the_first_value() -> None:
    held = Held(60.0)
    held.may_end.clear()
    with ThreadPoolExecutor(12) as pool:
        assert set(pool.map(lambda _: held.value.get_soon(0.01), range(24))) == {None}
    held.may_end.set()
    assert held.value.get_soon(60) == 1
    assert held.clock.computed == 1


@pytest.mark.parametrize("takes_s", [0.06, 1.0, 60.0, 600.0])
def test_computing_takes_a_twentieth_of_the_time_at_most(takes_s: float) -> None:
    """Someone asks every 15 s, for long; the others wait for nothing."""
    clock = Clock(takes_s)
    value = KeptValue(clock.compute, clock)
    began = clock.now
    for _ in range(10_000):
        value.get_soon(60)
        clock.now += 15.0
    assert clock.computed * takes_s <= (clock.now - began) / TIMES + takes_s


def test_what_takes_a_moment_is_new_without_a_wait() -> None:
    clock = Clock(0.01)
    value = KeptValue(clock.compute, clock)
    assert [value.get_soon(60) for _ in range(3)] == [1, 2, 3]


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


def test_an_error_leaves_the_value_out_for_who_does_not_wait() -> None:
    failing = [True]

    def compute() -> str:
        if failing:
            raise OSError("gone")
        return "value"

    value = KeptValue(compute)
    assert value.get_soon(60) is None
    failing.clear()
    assert value.get_soon(60) == "value"
    failing.append(True)
    assert value.get_soon(60) == "value"
