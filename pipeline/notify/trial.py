"""A test message by every rule, past the outbox, quiet hours and digest windows; a call of the dead-man URL."""

from __future__ import annotations

import asyncio
import time
import uuid
from collections.abc import Sequence
from dataclasses import dataclass

from pipeline.catalog.work.notices import Notice
from pipeline.errors import UnknownId
from pipeline.notify.attempt import Answer, answer_of, send_once
from pipeline.notify.base import Notification
from pipeline.notify.deadman import call_once
from pipeline.notify.messages import body_of
from pipeline.notify.registry import Senders
from pipeline.settings import NotifyRule, Settings
from pipeline.settings.masking import masked_address

__all__ = ["Outcome", "choose", "send_tests"]


DEADMAN = "deadman_url"
"""What stands in the place of a rule in the outcome of the call of the dead-man URL."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of one test message or call; `status` and `error` as a delivery has them, the address masked."""

    rule: str
    address: str
    accepted: bool
    status: int | None
    error: str | None


def choose(settings: Settings, name: str | None) -> Sequence[NotifyRule]:
    """The rule of this name, or all.

    Raises:
        UnknownId: there is no such rule.
    """
    chosen = [rule for rule in settings.notify if name in (None, rule.name)]
    if name is not None and not chosen:
        raise UnknownId(f"There is no rule {name}.", "See which there are with: docrelay notify list")
    return chosen


async def send_tests(settings: Settings, rules: Sequence[NotifyRule], deadman_url: str | None = None) -> list[Outcome]:
    """Send one message to each address of these rules, and call the dead-man URL, all at the same time."""
    senders = Senders(settings)
    try:
        sending = [_send(senders, rule, address) for rule in rules for address in rule.to]
        calling = [_call(deadman_url)] if deadman_url is not None else []
        return list(await asyncio.gather(*sending, *calling))
    finally:
        senders.close()


async def _send(senders: Senders, rule: NotifyRule, address: str) -> Outcome:
    delivery_id, now = str(uuid.uuid4()), time.time()
    notice = Notice(delivery_id, "test", "test", "info", cleared=False, at=now, facts={"rule": rule.name})
    body = body_of(delivery_id, rule.name, now, [notice]).encode()
    notification = Notification(delivery_id, address, rule.secret or "", body)
    return _outcome(rule.name, address, await send_once(senders, notification, of_rule=True))


async def _call(url: str) -> Outcome:
    return _outcome(DEADMAN, url, await answer_of(call_once(url)))


def _outcome(rule: str, address: str, answer: Answer) -> Outcome:
    error = f"{answer.error} {answer.hint}".strip() if answer.error is not None else None
    return Outcome(rule, masked_address(address), answer.accepted, answer.status, error)
