"""One try to send a notification: whatever happens becomes an answer."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass

import structlog

from pipeline.errors import HookRefused
from pipeline.notify.base import Notification, SendError
from pipeline.notify.registry import Senders

__all__ = ["Answer", "send_once"]

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


async def send_once(senders: Senders, notification: Notification) -> Answer:
    """Send, within the time that the sender has."""
    try:
        sender = senders.of(notification.address)
        async with asyncio.timeout(sender.timeout_s):
            return Answer(status=await sender.send(notification))
    except HookRefused as refused:
        return Answer(error=refused.message, hint=refused.hint, final=True)
    except SendError as failed:
        return Answer(failed.status, failed.message, final=failed.final)
    except OSError as failed:  # TimeoutError is one
        return Answer(error=f"{type(failed).__name__}: {failed}")
    except Exception as failed:  # the entry point of a try: a fault of a sender counts, and so has an end
        log.exception("notify.sender_failed", delivery=notification.id)
        return Answer(error=f"{type(failed).__name__}: {failed}")
