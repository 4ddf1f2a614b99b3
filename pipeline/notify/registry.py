"""The senders, by the scheme of the addresses that they serve."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from pipeline.notify.base import Sender
from pipeline.notify.mail import MailSender
from pipeline.notify.template import TemplateSender
from pipeline.notify.webhook import OperatorsWebhookSender, WebhookSender
from pipeline.settings import Settings

__all__ = ["SENDERS", "Senders", "can_send", "channel_of", "channels", "check_address"]

SENDERS: Mapping[str, Callable[[Settings], Sender]] = {
    "http": WebhookSender,
    "https": WebhookSender,
}
"""Senders of addresses that users register for jobs and keys."""

RULE_SENDERS: Mapping[str, Callable[[Settings], Sender]] = {
    "mailto": MailSender,
    "http": OperatorsWebhookSender,
    "https": OperatorsWebhookSender,
}
"""Senders of addresses of rules, which the operator names: they may be private ones, and a mailbox of anyone."""

TEMPLATED = ("+http", "+https")
"""Ends of the schemes that a template serves, as in slack+https; only rules name them."""

DEFAULT = "https"
"""The sender whose check refuses an address with a scheme that no sender serves."""


class Senders:
    """The senders of one process, each made when it is first needed."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._open: dict[Callable[[Settings], Sender], Sender] = {}

    def of(self, address: str, *, of_rule: bool) -> Sender:
        """The sender for an address of a rule, or of a hook that a user has registered."""
        make = _rule_sender(_scheme(address)) if of_rule else _hook_sender(_scheme(address))
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
    return "mail" if scheme == "mailto" else "webhook"


def can_send(address: str, settings: Settings) -> bool:
    """Whether these settings have the mail server or the template that an address takes; a URL alone needs neither."""
    channel = channel_of(address)
    if channel == "mail":
        return bool(settings.smtp_url and settings.smtp_from)
    return channel == "webhook" or channel in settings.templates


def channels(settings: Settings) -> tuple[str, ...]:
    """Every channel that `channel_of` may name with these settings."""
    return ("webhook", "mail", *settings.templates)


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


def _rule_sender(scheme: str) -> Callable[[Settings], Sender]:
    return TemplateSender if scheme.endswith(TEMPLATED) else RULE_SENDERS.get(scheme, SENDERS[DEFAULT])


def _hook_sender(scheme: str) -> Callable[[Settings], Sender]:
    return SENDERS.get(scheme, SENDERS[DEFAULT])


def _scheme(address: str) -> str:
    return address.partition(":")[0].lower()
