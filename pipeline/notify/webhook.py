"""The webhook sender: a signed POST to a checked address, without redirects."""

from __future__ import annotations

from pipeline.notify.base import Notification
from pipeline.notify.http_request import CheckedHttp
from pipeline.notify.webhook_signature import headers
from pipeline.settings import Settings

__all__ = ["OperatorsWebhookSender", "WebhookSender"]


class WebhookSender:
    """Sends to http:// and https:// addresses. Any status from 200 to 299 means that the receiver has accepted."""

    timeout_s = 10.0

    def __init__(self, settings: Settings, *, private: bool | None = None) -> None:
        self._http = CheckedHttp(private=settings.webhook_private if private is None else private)

    def check(self, address: str) -> None:
        """Refuse an address without resolving its host name."""
        self._http.check(address)

    async def send(self, notification: Notification) -> int:
        """Sign the body, and send it."""
        signed = headers(notification.secret, notification.id, notification.body)
        return await self._http.send("POST", notification.address, signed, notification.body)

    def close(self) -> None:
        """Release the threads."""
        self._http.close()


class OperatorsWebhookSender(WebhookSender):
    """Sends to addresses of the settings: the operator may name private ones."""

    def __init__(self, settings: Settings) -> None:
        super().__init__(settings, private=True)
