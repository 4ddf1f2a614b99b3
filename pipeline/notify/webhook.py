"""The webhook sender: a signed POST to a checked address, without redirects."""

from __future__ import annotations

import asyncio
from concurrent.futures import ThreadPoolExecutor
from functools import partial

import httpx

from pipeline.notify import webhook_address
from pipeline.notify.base import Notification, SendError
from pipeline.notify.webhook_address import Target
from pipeline.notify.webhook_signature import headers
from pipeline.settings import Settings

__all__ = ["WebhookSender"]

LOOKUP_THREADS = 32
"""Host names are looked up in threads of their own: a lookup cannot be interrupted, and may outlive its delivery."""

TIMEOUT_S = 10.0


class WebhookSender:
    """Sends to http:// and https:// addresses. Any status from 200 to 299 means that the receiver has accepted."""

    def __init__(self, settings: Settings) -> None:
        self._private = settings.webhook_private
        self._lookups = ThreadPoolExecutor(LOOKUP_THREADS, "webhook-lookup")

    def check(self, address: str) -> None:
        """Refuse an address without resolving its host name."""
        webhook_address.check(address, private=self._private)

    async def send(self, notification: Notification) -> int:
        """Resolve the host, check all its addresses, and send to a checked one."""
        resolve = partial(webhook_address.resolve, notification.address, private=self._private)
        try:
            target = await asyncio.get_running_loop().run_in_executor(self._lookups, resolve)
            status = await _post(target, notification)
        except (httpx.HTTPError, ValueError) as error:
            raise SendError(f"{type(error).__name__}: {error}") from error
        if not 200 <= status < 300:
            raise SendError(f"The answer was {status}.", status)
        return status

    def close(self) -> None:
        """Release the threads, without waiting for lookups that hang."""
        self._lookups.shutdown(wait=False, cancel_futures=True)


async def _post(target: Target, notification: Notification) -> int:
    """Connect to the checked address, under the host's own name. The body of the response is not read."""
    signed = headers(notification.secret, notification.id, notification.body)
    extensions = {"sni_hostname": target.host} if target.scheme == "https" else {}
    async with (
        httpx.AsyncClient(timeout=TIMEOUT_S, trust_env=False, follow_redirects=False) as client,
        client.stream(
            "POST",
            target.url,
            content=notification.body,
            headers={**signed, "Host": target.authority},
            extensions=extensions,
        ) as response,
    ):
        return response.status_code
