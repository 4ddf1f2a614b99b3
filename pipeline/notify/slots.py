"""Which deliveries a process sends at once: alerts before ends of jobs, and few to one host, which may not answer."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Sequence
from urllib.parse import urlsplit

from pipeline.catalog.work.due_deliveries import Delivery, Due

__all__ = ["PER_HOST", "SLOTS", "SLOTS_OF_HOOKS", "choose", "host_of"]

SLOTS = 8
"""Deliveries that a process sends at once."""

SLOTS_OF_HOOKS = 6
"""Of these, for the hooks of jobs and keys: the others are kept for rules, which report trouble."""

PER_HOST = 2
"""Deliveries that go to one host at once: one that does not answer takes up no more."""


def choose(due: Sequence[Due], sending: Collection[Delivery]) -> list[Due]:
    """The deliveries that there is room for: first those to the addresses of rules, then those to hooks.

    Args:
        due: those that are due, in their order.
        sending: those that are being sent.
    """
    busy = Counter(host_of(delivery.url) for delivery in sending)
    free = SLOTS - len(sending)
    chosen = list(_fitting((one for one in due if one.of_rule), busy, free))
    hooks = sum(delivery.rule is None for delivery in sending)
    room = min(free - len(chosen), SLOTS_OF_HOOKS - hooks)
    return [*chosen, *_fitting((one for one in due if not one.of_rule), busy, room)]


def host_of(address: str) -> str:
    """What must answer for a delivery: host and port of a URL; for mail it is always the same server."""
    _, mark, rest = address.partition("://")
    return urlsplit(f"//{rest}").netloc.lower() if mark else "mail"


def _fitting(due: Iterable[Due], busy: Counter[str], room: int) -> Iterator[Due]:
    """The first `room` deliveries whose hosts are not busy yet; `busy` counts them in."""
    if room <= 0:
        return
    for delivery in due:
        host = host_of(delivery.url)
        if busy[host] >= PER_HOST:
            continue
        busy[host] += 1
        yield delivery
        room -= 1
        if room == 0:
            return
