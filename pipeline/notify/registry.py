"""The senders, by the scheme of the addresses that they serve."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from pipeline.notify.base import Sender
from pipeline.notify.mail import MailSender
from pipeline.notify.template import TemplateSender
from pipeline.notify.webhook import WebhookSender
from pipeline.settings import Settings

__all__ = ["SENDERS", "Senders", "can_send", "channel_of", "check_address"]

SENDERS: Mapping[str, Callable[[Settings], Sender]] = {
    "http": WebhookSender,
    "https": WebhookSender,
}
"""Senders of addresses that users register for jobs and keys, and that rules may name."""

RULE_SENDERS: Mapping[str, Callable[[Settings], Sender]] = {
    "mailto": MailSender,
}
"""Senders of addresses that only rules of the settings name: a user of the API must not send mail to anyone."""

TEMPLATED = ("+http", "+https")
"""Ends of the schemes that a template serves, as in slack+https; only rules name them, too."""

DEFAULT = "https"
"""The sender whose check refuses an address with a scheme that no sender serves."""


class Senders:
    """The senders of one process, each made when it is first needed."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._open: dict[Callable[[Settings], Sender], Sender] = {}

    def of(self, address: str) -> Sender:
        """The sender for an address of a rule or a hook."""
        scheme = _scheme(address)
        make = TemplateSender if scheme.endswith(TEMPLATED) else RULE_SENDERS.get(scheme) or _hook_sender(scheme)
        if make not in self._open:
            self._open[make] = make(self._settings)
        return self._open[make]

    def close(self) -> None:
        """Close all that were made."""
        for sender in self._open.values():
            sender.close()


def channel_of(address: str) -> str:
    """The channel of an address, as metrics name it: webhook, mail, or the name of a template."""
    scheme = _scheme(address)
    if scheme.endswith(TEMPLATED):
        return scheme.rpartition("+")[0]
    return "mail" if scheme in RULE_SENDERS else "webhook"


def can_send(address: str, settings: Settings) -> bool:
    """Whether these settings have the mail server or the template that an address takes; a URL alone needs neither."""
    channel = channel_of(address)
    if channel == "mail":
        return bool(settings.smtp_url and settings.smtp_from)
    return channel == "webhook" or channel in settings.templates


def check_address(address: str, settings: Settings) -> None:
    """Refuse an address when a user registers it for a job or a key.

    Raises:
        HookRefused: no notification may go there.
    """
    sender = _hook_sender(_scheme(address))(settings)
    try:
        sender.check(address)
    finally:
        sender.close()


def _hook_sender(scheme: str) -> Callable[[Settings], Sender]:
    return SENDERS.get(scheme, SENDERS[DEFAULT])


def _scheme(address: str) -> str:
    return address.partition(":")[0].lower()
