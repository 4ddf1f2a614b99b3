"""The contract of a sender: how a notification travels to one kind of address."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Protocol

__all__ = ["Notification", "SendError", "Sender"]


@dataclass(frozen=True, slots=True)
class Notification:
    """What is sent. Every try of a delivery has the same `id` and the same `body`.

    Args:
        id: id of the delivery, by which a receiver recognises one that it already has.
        address: where it goes: the column `url` of the hook.
        secret: what proves to the receiver that this Docrelay has sent it.
        body: a JSON object with `type`, `delivery` and `at`. With the type `job.finished` it has `job`; with `notice`,
            what `pipeline.notify.messages.Message` has.
    """

    id: str
    address: str
    secret: str = field(repr=False)
    body: bytes


class SendError(Exception):
    """The receiver did not accept a notification: it is tried again after a pause, unless that is `final`.

    Args:
        message: one sentence; it is stored as the error of the delivery.
        status: the receiver's status, if it has answered; it is stored, too.
        final: the receiver will not accept it later either.
    """

    def __init__(self, message: str, status: int | None = None, *, final: bool = False) -> None:
        super().__init__(message)
        self.message = message
        self.status = status
        self.final = final


class Sender(Protocol):
    """Sends notifications to addresses of one kind. One instance serves a process, on its event loop."""

    timeout_s: float
    """A try is cancelled after this time, which is below the time after which another process may claim it."""

    def check(self, address: str) -> None:
        """Refuse an address when it is registered. Asks no other machine.

        Raises:
            HookRefused: no notification may go to this address.
        """

    async def send(self, notification: Notification) -> int:
        """Send once. The caller bounds the time by cancelling, and tries again after a pause.

        Returns:
            The status with which the receiver has accepted it; it is stored.

        Raises:
            HookRefused: no notification may go to this address; it is given up at once.
            SendError: the receiver did not accept it.
            OSError: the receiver could not be reached, which may pass.
        """

    def close(self) -> None:
        """Release threads and connections."""
