"""What every request goes through first: a name for the log, a bound on how many, and on how long a body may take."""

from __future__ import annotations

import asyncio
import time
import uuid
from typing import Any

import structlog
from starlette.datastructures import Headers
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from pipeline.api.problems import answer, problem_of
from pipeline.errors import BodyTooLarge, Busy, Refused, TooSlow
from pipeline.settings import Settings

__all__ = ["Limits"]

log = structlog.get_logger()

LEAST_BYTES_PER_S = 4096
"""A body that comes more slowly than this, all in all, is given up after `api_patience_s`."""

JSON_BYTES = 1 << 20
"""Largest body that is not an upload."""

ROOM = 1 << 20
"""What names and fields may add to the files of an upload."""

FILES_PER_REQUEST = 4
"""An upload may have as many bytes as so many files of the largest size."""

STREAMS = "/events"


class Limits:
    """An ASGI middleware that bounds requests, and answers those that go beyond with a problem detail."""

    def __init__(self, app: ASGIApp, settings: Settings) -> None:
        self._app = app
        self._settings = settings
        self._now = 0

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        scope["request_id"] = uuid.uuid4().hex[:12]
        body = _Body(receive, self._largest(scope), self._settings.api_patience_s)
        told = _Told(send, scope["request_id"], body)
        began = time.monotonic()
        # Event streams have a bound of their own; they must not keep others out.
        counted = not scope["path"].endswith(STREAMS)
        self._now += counted
        try:
            with structlog.contextvars.bound_contextvars(request=scope["request_id"]):
                await self._serve(scope, body, told)
                _log(scope, told.status, began)
        finally:
            self._now -= counted

    async def _serve(self, scope: Scope, body: _Body, told: _Told) -> None:
        try:
            if self._now > self._settings.api_requests:
                raise Busy
            body.check(Headers(scope=scope))
            await self._app(scope, body.receive, told)
        except Refused as error:
            if told.status:
                raise
            headers = {"Retry-After": "1"} if isinstance(error, Busy) else {}
            await answer(problem_of(error), headers, scope["request_id"])(scope, body.receive, told)

    def _largest(self, scope: Scope) -> int:
        is_upload = scope["method"] == "POST" and scope["path"] == "/v1/documents"
        return (self._settings.max_file_mb << 20) * FILES_PER_REQUEST + ROOM if is_upload else JSON_BYTES


class _Told:
    """Sends, and knows the status that was sent.

    Where a body was not read to its end, the connection is closed: nobody waits for the rest of it.
    """

    def __init__(self, send: Send, request_id: str, body: _Body) -> None:
        self._send = send
        self._id = request_id
        self._body = body
        self.status = 0

    async def __call__(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            self.status = message["status"]
            own = [(b"x-request-id", self._id.encode()), (b"x-content-type-options", b"nosniff")]
            if not self._body.whole:
                own.append((b"connection", b"close"))
            message = {**message, "headers": [*message["headers"], *own]}
        await self._send(message)


class _Body:
    """Receives a body that must not be too large and must keep coming."""

    def __init__(self, receive: Receive, most: int, patience_s: float) -> None:
        self._receive = receive
        self._most = most
        self._patience_s = patience_s
        self._size = 0
        self._began = time.monotonic()
        self.whole = False

    def check(self, headers: Headers) -> None:
        """Refuse a body that says beforehand that it is too large."""
        told = headers.get("content-length")
        self.whole = told in (None, "0") and "transfer-encoding" not in headers
        if told is not None and told.isdecimal() and int(told) > self._most:
            raise BodyTooLarge(f"The request may have {self._most} bytes at most.")

    async def receive(self) -> Message:
        """The next piece; what comes after the whole body, a disconnect, may take any time."""
        if self.whole:
            return await self._receive()
        allowed_s = self._patience_s + self._size / LEAST_BYTES_PER_S
        left_s = min(self._patience_s, self._began + allowed_s - time.monotonic())
        try:
            async with asyncio.timeout(max(left_s, 0.0)):
                message = await self._receive()
        except TimeoutError:
            raise TooSlow from None
        self._size += len(message.get("body", b""))
        if self._size > self._most:
            raise BodyTooLarge(f"The request may have {self._most} bytes at most.")
        self.whole = not message.get("more_body", False)
        return message


def _log(scope: Scope, status: int, began: float) -> None:
    route: Any = scope.get("route")
    # The route, not the path: names from outside stay out of the log.
    place = getattr(route, "path", "-")
    log.info("request.served", method=scope["method"][:10], route=place, status=status, ms=_ms(began))


def _ms(began: float) -> float:
    return round((time.monotonic() - began) * 1000, 1)
