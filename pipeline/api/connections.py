"""The connections of the API: how many there may be, and which one is closed so that a new one can be served."""

from __future__ import annotations

import time
from collections import Counter
from ipaddress import IPv4Address, ip_address

__all__ = ["Connection", "Connections", "sender_of"]

NETWORK_BITS = 64
"""One customer of a provider has this much of IPv6, and so as many addresses as wanted."""


class Connection:
    """A connection of one sender. It is idle while no whole request of it is being answered.

    `idle_since` is a time of `time.monotonic()`; None while a request is answered.
    """

    def __init__(self, sender: str) -> None:
        self.sender = sender
        self.idle_since: float | None = time.monotonic()

    def close(self) -> None:
        """Close it at once; what is left to be sent is dropped."""
        raise NotImplementedError

    def begin(self) -> None:
        """A request has begun."""
        self.idle_since = None

    def rest(self) -> None:
        """The request has been answered."""
        self.idle_since = time.monotonic()


class Connections:
    """The open connections, at most `limit` in all and `per_sender` of one sender.

    When there are too many, the one that is idle for the longest time is closed: of the sender that has too many, else
    of the sender that has the most. So connections that are only held open keep no request out.
    """

    def __init__(self, limit: int, per_sender: int) -> None:
        self._limit = limit
        self._per_sender = per_sender
        self._open: dict[Connection, None] = {}
        self._by_sender: Counter[str] = Counter()

    def __len__(self) -> int:
        return len(self._open)

    def admit(self, new: Connection) -> bool:
        """Add a connection; False if there is no room, as all connections that could be closed are at work."""
        if self._by_sender[new.sender] >= self._per_sender:
            if not self._close_idle({new.sender}):
                return False
        elif len(self._open) >= self._limit and not self._make_room():
            return False
        self._open[new] = None
        self._by_sender[new.sender] += 1
        return True

    def remove(self, gone: Connection) -> None:
        """Forget a connection that was closed; a second call does nothing."""
        if gone in self._open:
            del self._open[gone]
            self._by_sender[gone.sender] -= 1
            self._by_sender += Counter()  # forgets the zeros

    def _make_room(self) -> bool:
        most = max(self._by_sender.values())
        greedy = {sender for sender, number in self._by_sender.items() if number == most}
        return self._close_idle(greedy) or self._close_idle(set(self._by_sender))

    def _close_idle(self, senders: set[str]) -> bool:
        """Close the connection of these senders that is idle for the longest time; False if none is idle."""
        idle = [one for one in self._open if one.sender in senders and one.idle_since is not None]
        if not idle:
            return False
        oldest = min(idle, key=lambda one: one.idle_since or 0.0)
        self.remove(oldest)
        oldest.close()
        return True


def sender_of(address: str) -> str:
    """Who is counted as one sender: an IPv4 address, or a network of IPv6; "" where there is no address."""
    try:
        parsed = ip_address(address.partition("%")[0])
    except ValueError:
        return ""
    if isinstance(parsed, IPv4Address):
        return str(parsed)
    if parsed.ipv4_mapped is not None:
        return str(parsed.ipv4_mapped)
    return str(int(parsed) >> (128 - NETWORK_BITS))
