"""Which deliveries are sent at once: no host and no kind of delivery takes what others need."""

from __future__ import annotations

from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.catalog.work.due_deliveries import Delivery, Due
from pipeline.notify.slots import PER_HOST, SLOTS, SLOTS_OF_HOOKS, choose, host_of

HOSTS = st.sampled_from(["a", "b", "c", "d", "e"])
URLS = st.builds("https://{}/{}".format, HOSTS, st.integers(0, 5)) | st.just("mailto:ops@example.org")


def due(urls: list[str], kind: str) -> list[Due]:
    return [Due(f"{kind}-{number}", url, number, kind == "rule") for number, url in enumerate(urls)]


def sending(urls: list[str], rule: str | None) -> list[Delivery]:
    return [Delivery(f"sent-{rule}-{number}", "", url, "", 1, None, rule) for number, url in enumerate(urls)]


@given(st.lists(URLS), st.lists(URLS), st.lists(URLS, max_size=30))
def test_the_limits_hold_from_round_to_round_and_nothing_waits_that_has_room(
    rules: list[str], hooks: list[str], ended: list[str]
) -> None:
    waiting = {"rule": due(rules, "rule"), "hook": due(hooks, "hook")}
    running: list[Delivery] = []
    rounds = 0
    while waiting["rule"] or waiting["hook"]:
        chosen = choose([*waiting["hook"], *waiting["rule"]], running)
        assert chosen or running, "nothing is sent, and something waits"
        for kind, rows in waiting.items():
            taken = {row.id for row in chosen if row in rows}
            waiting[kind] = [row for row in rows if row.id not in taken]
            running += sending([row.url for row in rows if row.id in taken], "ops" if kind == "rule" else None)
        busy = Counter(host_of(row.url) for row in running)
        assert max(busy.values(), default=0) <= PER_HOST
        assert len(running) <= SLOTS
        assert sum(row.rule is None for row in running) <= SLOTS_OF_HOOKS
        if len(running) < SLOTS:
            assert all(busy[host_of(row.url)] == PER_HOST for row in waiting["rule"])
        running, rounds = running[1:], rounds + 1
    assert rounds <= len(rules) + len(hooks)


def test_one_dead_webhook_holds_up_neither_alerts_nor_other_webhooks() -> None:
    dead = due([f"https://dead.example.org/job/{number}" for number in range(10_000)], "hook")
    lively = due(["https://well.example.org/"], "other")
    alerts = due(["mailto:ops@example.org", "ntfy+https://ntfy.sh/alerts"], "rule")
    assert all(alert.of_rule for alert in alerts)
    running = sending(["https://dead.example.org/job/x"] * PER_HOST, None)

    assert choose([*dead, *lively, *alerts], running) == [*alerts, *lively]
    many = due([f"https://dead-{number}.example.org/" for number in range(100)], "hook")
    assert len(choose(many, running)) == SLOTS_OF_HOOKS - PER_HOST
    full = sending([row.url for row in many[:SLOTS_OF_HOOKS]], None)
    assert choose([*many, *alerts], full) == alerts


@pytest.mark.parametrize(
    ("address", "host"),
    [
        ("https://Hooks.example.org:8443/a+b://c?d", "hooks.example.org:8443"),
        ("slack+https://hooks.example.org/x", "hooks.example.org"),
        ("mailto:ops@example.org", "mail"),
        ("https://host?token=a", "host"),
    ],
)
def test_the_host_of_an_address(address: str, host: str) -> None:
    assert host_of(address) == host
