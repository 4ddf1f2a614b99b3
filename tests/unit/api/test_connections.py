"""Which connections of the API are closed when there are too many."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.api.connections import Connection, Connections, sender_of


class Opened(Connection):
    """A connection that only remembers that it was closed."""

    closed = False

    def close(self) -> None:
        self.closed = True


def opened(connections: Connections, sender: str, idle_since: float | None) -> Opened:
    new = Opened(sender)
    new.idle_since = idle_since
    assert connections.admit(new)
    return new


def test_the_oldest_idle_connection_of_a_greedy_address_goes_first() -> None:
    connections = Connections(10, 3)
    busy, old, young = (opened(connections, "a", since) for since in (None, 1.0, 2.0))
    other = opened(connections, "b", 0.5)

    opened(connections, "a", 3.0)

    assert [one.closed for one in (busy, old, young, other)] == [False, True, False, False]
    assert len(connections) == 4


def test_an_address_whose_connections_all_work_gets_no_other_one() -> None:
    connections = Connections(10, 2)
    working = [opened(connections, "a", None) for _ in range(2)]

    assert not connections.admit(Opened("a"))
    assert connections.admit(Opened("b"))
    assert not any(one.closed for one in working)


def test_a_full_server_makes_room_at_the_cost_of_the_address_that_has_most() -> None:
    connections = Connections(5, 4)
    few = opened(connections, "few", 0.0)
    many = [opened(connections, "many", since) for since in (4.0, 1.0, 2.0, 3.0)]

    opened(connections, "new", 5.0)

    assert not few.closed
    assert [one.closed for one in many] == [False, True, False, False]


def test_a_closed_connection_leaves_room_once() -> None:
    connections = Connections(2, 2)
    first, _ = opened(connections, "a", None), opened(connections, "a", None)
    connections.remove(first)
    connections.remove(first)

    opened(connections, "a", None)
    assert not connections.admit(Opened("a"))


@given(st.lists(st.tuples(st.sampled_from("abcd"), st.booleans())), st.integers(1, 6), st.integers(1, 6))
def test_no_limit_is_ever_passed(arrivals: list[tuple[str, bool]], limit: int, per_sender: int) -> None:
    connections = Connections(limit, per_sender)
    held: list[Opened] = []
    for number, (sender, is_busy) in enumerate(arrivals):
        new = Opened(sender)
        new.idle_since = None if is_busy else float(number)
        if connections.admit(new):
            held.append(new)
        alive = [one for one in held if not one.closed]
        assert len(alive) == len(connections) <= limit
        assert max(sum(one.sender == sender for one in alive) for sender in "abcd") <= per_sender
        assert not any(one.closed and one.idle_since is None for one in held)


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        ("192.0.2.1", "192.0.2.2", False),
        ("::ffff:192.0.2.1", "192.0.2.1", True),
        ("2001:db8::1", "2001:db8::ffff:1", True),
        ("2001:db8::1", "2001:db8:0:1::1", False),
        ("fe80::1%eth0", "fe80::1", True),
        ("", "a socket", True),
    ],
)
def test_a_network_of_ipv6_counts_as_one_sender(one: str, other: str, same: bool) -> None:
    assert (sender_of(one) == sender_of(other)) is same
