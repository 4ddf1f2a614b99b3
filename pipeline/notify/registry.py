"""The senders, by the scheme of the addresses that they serve."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from pipeline.notify.base import Sender
from pipeline.notify.webhook import WebhookSender
from pipeline.settings import Settings

__all__ = ["SENDERS", "Senders", "check_address"]

SENDERS: Mapping[str, Callable[[Settings], Sender]] = {
    "http": WebhookSender,
    "https": WebhookSender,
}

DEFAULT = "https"
"""The sender whose check refuses an address with a scheme that no sender serves."""


class Senders:
    """The senders of one process, each made when it is first needed."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._open: dict[Callable[[Settings], Sender], Sender] = {}

    def of(self, address: str) -> Sender:
        """The sender for an address."""
        make = SENDERS.get(address.partition(":")[0].lower(), SENDERS[DEFAULT])
        if make not in self._open:
            self._open[make] = make(self._settings)
        return self._open[make]

    def close(self) -> None:
        """Close all that were made."""
        for sender in self._open.values():
            sender.close()


def check_address(address: str, settings: Settings) -> None:
    """Refuse an address when it is registered.

    Raises:
        HookRefused: no notification may go there.
    """
    senders = Senders(settings)
    try:
        senders.of(address).check(address)
    finally:
        senders.close()
