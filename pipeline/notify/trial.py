"""A test message by every rule, past the outbox, quiet hours and digest windows; a call of the dead-man URL."""

from __future__ import annotations

import asyncio
import time
import uuid
from collections.abc import Sequence

from pipeline.catalog.work.notices import Notice
from pipeline.errors import UnknownId
from pipeline.notify.attempt import Answer, answer_of, send_once
from pipeline.notify.base import Notification
from pipeline.notify.deadman import call_once
from pipeline.notify.messages import body_of
from pipeline.notify.registry import Senders
from pipeline.results import NotificationTest, NotificationTestList
from pipeline.settings import NotifyRule, Settings
from pipeline.settings.masking import masked_address

__all__ = ["send_tests"]

DEADMAN = "deadman_url"
"""What stands in the place of a rule in the outcome of the call of the dead-man URL."""


async def send_tests(settings: Settings, name: str | None = None) -> NotificationTestList:
    """Send one message to each address of a rule, or of all rules, all at the same time.

    Without a name the dead-man URL is called as well, whatever is wrong.

    Raises:
        UnknownId: there is no such rule.
    """
    rules = _choose(settings, name)
    senders = Senders(settings)
    try:
        sending = [_send(senders, rule, address) for rule in rules for address in rule.to]
        calling = [_call(settings.deadman_url)] if name is None and settings.deadman_url is not None else []
        return NotificationTestList(tests=await asyncio.gather(*sending, *calling))
    finally:
        senders.close()


def _choose(settings: Settings, name: str | None) -> Sequence[NotifyRule]:
    chosen = [rule for rule in settings.notify if name in (None, rule.name)]
    if name is not None and not chosen:
        raise UnknownId(f"There is no rule {name}.", "See which there are with: docrelay notify list")
    return chosen


async def _send(senders: Senders, rule: NotifyRule, address: str) -> NotificationTest:
    delivery_id, now = str(uuid.uuid4()), time.time()
    notice = Notice(delivery_id, "test", "test", "info", cleared=False, at=now, facts={"rule": rule.name})
    body = body_of(delivery_id, rule.name, now, [notice]).encode()
    notification = Notification(delivery_id, address, rule.secret or "", body)
    return _outcome(rule.name, address, await send_once(senders, notification, of_rule=True))


async def _call(url: str) -> NotificationTest:
    return _outcome(DEADMAN, url, await answer_of(call_once(url)))


def _outcome(rule: str, address: str, answer: Answer) -> NotificationTest:
    error = f"{answer.error} {answer.hint}".strip() if answer.error is not None else None
    return NotificationTest(
        rule=rule, address=masked_address(address), accepted=answer.accepted, status=answer.status, error=error
    )
