"""One try to send a notification: whatever happens becomes an answer."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable
from dataclasses import dataclass

import structlog

from pipeline.errors import HookRefused
from pipeline.notify.base import Notification, SendError
from pipeline.notify.registry import Senders

__all__ = ["Answer", "answer_of", "send_once"]

log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class Answer:
    """How a try ended: accepted with `status`, or with an error; a further try is of use unless that is `final`."""

    status: int | None = None
    error: str | None = None
    hint: str = ""
    final: bool = False

    @property
    def accepted(self) -> bool:
        """Whether the receiver has taken it."""
        return self.error is None


async def send_once(senders: Senders, notification: Notification, *, of_rule: bool) -> Answer:
    """Send to an address of a rule, or of a hook, within the time that the sender has."""

    async def send() -> int:
        sender = senders.of(notification.address, of_rule=of_rule)
        async with asyncio.timeout(sender.timeout_s):
            return await sender.send(notification)

    return await answer_of(send())


async def answer_of(sending: Awaitable[int]) -> Answer:
    """Wait for the status with which a receiver accepts."""
    try:
        return Answer(status=await sending)
    except HookRefused as refused:
        return Answer(error=refused.message, hint=refused.hint, final=True)
    except SendError as failed:
        return Answer(failed.status, failed.message, final=failed.final)
    except OSError as failed:  # TimeoutError is one
        return Answer(error=f"{type(failed).__name__}: {failed}")
    except Exception as failed:  # the entry point of a try: a fault of a sender counts, and so has an end
        log.exception("notify.sender_failed")
        return Answer(error=f"{type(failed).__name__}: {failed}")
