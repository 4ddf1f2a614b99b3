"""A test message by every rule: sent at once, past the outbox, quiet hours and digest windows."""

from __future__ import annotations

import asyncio
import time
import uuid
from collections.abc import Sequence

from pipeline.catalog.work.notices import Notice
from pipeline.errors import HookRefused, UnknownId
from pipeline.notify.base import Notification, SendError
from pipeline.notify.messages import body_of
from pipeline.notify.registry import Senders
from pipeline.results import NotificationTest, NotificationTestList
from pipeline.settings import NotifyRule, Settings
from pipeline.settings.printable import printable_address

__all__ = ["choose", "send_tests"]


def choose(settings: Settings, name: str | None) -> Sequence[NotifyRule]:
    """The rule of this name, or all.

    Raises:
        UnknownId: there is no such rule.
    """
    chosen = [rule for rule in settings.notify if name in (None, rule.name)]
    if name is not None and not chosen:
        raise UnknownId(f"There is no rule {name}.", "See which there are with: docrelay notify list")
    return chosen


async def send_tests(settings: Settings, rules: Sequence[NotifyRule]) -> NotificationTestList:
    """Send one message to each address of these rules, all at the same time."""
    senders = Senders(settings)
    try:
        sending = [_send(senders, rule, address) for rule in rules for address in rule.to]
        return NotificationTestList(tests=await asyncio.gather(*sending))
    finally:
        senders.close()


async def _send(senders: Senders, rule: NotifyRule, address: str) -> NotificationTest:
    delivery_id, now = str(uuid.uuid4()), time.time()
    notice = Notice(delivery_id, "test", "test", "info", cleared=False, at=now, facts={"rule": rule.name})
    body = body_of(delivery_id, rule.name, now, [notice]).encode()
    status, error = None, None
    try:
        sender = senders.of(address)
        async with asyncio.timeout(sender.timeout_s):
            status = await sender.send(Notification(delivery_id, address, rule.secret or "", body))
    except HookRefused as refused:
        error = f"{refused.message} {refused.hint}"
    except SendError as failed:
        status, error = failed.status, failed.message
    except OSError as failed:  # TimeoutError is one
        error = f"{type(failed).__name__}: {failed}"
    shown = printable_address(address)
    return NotificationTest(rule=rule.name, address=shown, accepted=error is None, status=status, error=error)
