"""Which workers are dead, over plain data: restarts, twins of one name, sign-offs, and those that are forgotten."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from pipeline.notify.dead_workers import compare, observations
from pipeline.notify.memory import FORGOTTEN_S


class Looks:
    """Looks one after the other, with what is remembered between them."""

    def __init__(self) -> None:
        self.seen: dict[str, float] = {}
        self.now = 1e9

    def look(self, *living: str, signed_off: tuple[str, ...] = (), after_s: float = 30.0) -> dict[str, bool | None]:
        """For each worker whether it is dead; None: it is forgotten."""
        self.now += after_s
        found = compare(self.seen, living, signed_off.__contains__, self.now)
        self.seen |= dict.fromkeys(living, self.now)
        for node in found.dropped:
            del self.seen[node]
        return {
            item.subject.removeprefix("worker "): None if item.forgotten else item.present
            for item in observations(found)
        }


def test_a_worker_is_dead_until_it_is_back_has_signed_off_or_was_gone_for_a_day() -> None:
    looks = Looks()
    assert looks.look("a@1", "b@1", "c@1") == {"a": False, "b": False, "c": False}
    assert looks.look("a@1", signed_off=("c@1",)) == {"a": False, "b": True}
    assert looks.look("a@2", "b@2") == {"a": False, "b": False}
    assert looks.look("a@2") == {"a": False, "b": True}
    assert looks.look("a@2", after_s=FORGOTTEN_S + 1) == {"a": False, "b": None}
    assert looks.look("a@2") == {"a": False}


def test_the_death_of_one_of_two_workers_of_one_name_is_seen() -> None:
    looks = Looks()
    assert looks.look("embed@1", "embed@2") == {"embed": False}
    assert looks.look("embed@1") == {"embed": True}
    assert looks.look("embed@1") == {"embed": True}
    assert looks.look("embed@1", "embed@3") == {"embed": False}
    assert looks.look("embed@4") == {"embed": True}  # both died, one is back
    assert looks.look("embed@4", "embed@5") == {"embed": False}
    assert looks.look("embed@4", signed_off=("embed@5",)) == {"embed": False}
    assert looks.look() == {"embed": True}
    assert looks.look("embed@6", after_s=FORGOTTEN_S + 1) == {"embed": None}
    assert looks.look("embed@6") == {"embed": False}


def test_more_workers_of_a_name_are_no_replacement_before_one_is_gone() -> None:
    looks = Looks()
    looks.look("store@1")
    assert looks.look("store@1", "store@2", "store@3") == {"store": False}
    assert looks.look("store@1") == {"store": True}
    assert looks.look("store@1", "store@4") == {"store": True}
    assert looks.look("store@1", "store@4", "store@5") == {"store": False}


@given(st.lists(st.sets(st.integers(0, 40), max_size=6), min_size=1, max_size=12))
def test_so_many_are_dead_as_have_gone_and_not_been_replaced(sets: list[set[int]]) -> None:
    """Of one name, without sign-offs: the model counts, and knows no nodes."""
    looks, dead, before, ever = Looks(), 0, set[int](), set[int]()
    for living in sets:
        now = {number for number in living if number in before or number not in ever}  # a node that ended is gone
        gone, come = len(before - now), len(now - ever)
        dead = max(dead + gone - come, 0)
        before, ever = now, ever | now
        assert looks.look(*(f"w@{number}" for number in now)).get("w", False) is (dead > 0)
