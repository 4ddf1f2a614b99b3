"""One HTTP request to a checked address, without redirects: for webhooks, templates and the dead-man URL."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from functools import partial

import httpx

from pipeline.notify import webhook_address
from pipeline.notify.base import SendError
from pipeline.notify.webhook_address import Target

__all__ = ["CheckedHttp"]

LOOKUP_THREADS = 32
"""Host names are looked up in threads of their own: a lookup cannot be interrupted, and may outlive its delivery."""

TIMEOUT_S = 10.0


class CheckedHttp:
    """Sends requests to http:// and https:// addresses; private ones only where `private` allows them."""

    def __init__(self, *, private: bool) -> None:
        self._private = private
        self._lookups = ThreadPoolExecutor(LOOKUP_THREADS, "webhook-lookup")

    def check(self, url: str) -> None:
        """Refuse a URL without resolving its host name.

        Raises:
            HookRefused: nothing may be sent there.
        """
        webhook_address.check(url, private=self._private)

    async def send(self, method: str, url: str, headers: Mapping[str, str], content: bytes = b"") -> int:
        """Resolve the host, check all its addresses, and send to a checked one.

        Returns:
            The status of the answer, from 200 to 299.

        Raises:
            HookRefused: nothing may be sent there.
            SendError: another status, or no answer that is HTTP.
            OSError: the host cannot be reached.
        """
        resolve = partial(webhook_address.resolve, url, private=self._private)
        try:
            target = await asyncio.get_running_loop().run_in_executor(self._lookups, resolve)
            status = await _request(method, target, headers, content)
        except (httpx.HTTPError, ValueError) as error:
            raise SendError(f"{type(error).__name__}: {error}") from error
        if not 200 <= status < 300:
            raise SendError(f"The answer was {status}.", status)
        return status

    def close(self) -> None:
        """Release the threads, without waiting for lookups that hang."""
        self._lookups.shutdown(wait=False, cancel_futures=True)


async def _request(method: str, target: Target, headers: Mapping[str, str], content: bytes) -> int:
    """Connect to the checked address, under the host's own name. The body of the response is not read."""
    extensions = {"sni_hostname": target.host} if target.scheme == "https" else {}
    async with (
        httpx.AsyncClient(timeout=TIMEOUT_S, trust_env=False, follow_redirects=False) as client,
        client.stream(
            method,
            target.url,
            content=content,
            headers={**headers, "Host": target.authority},
            extensions=extensions,
        ) as response,
    ):
        return response.status_code
