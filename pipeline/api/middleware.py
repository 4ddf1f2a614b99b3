"""What every request goes through first: a name for the log, a bound on how many, and on how long a body may take."""

from __future__ import annotations

import asyncio
import time
import uuid
from collections import Counter, deque
from typing import Any

import structlog
from starlette.datastructures import Headers
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from pipeline.api.problems import describe, respond
from pipeline.errors import BodyTooLarge, Busy, Refused, TooSlow
from pipeline.settings import Settings

__all__ = ["Limits"]

log = structlog.get_logger()

LEAST_BYTES_PER_S = 4096
"""An upload that comes more slowly than this, all in all, is given up after `api_patience_s`."""

JSON_BYTES = 1 << 20
"""Largest body that is not an upload; it has `api_patience_s` in all."""

ROOM = 1 << 20
"""What names and fields may add to the files of an upload."""

FILES_PER_REQUEST = 4
"""An upload may have as many bytes as so many files of the largest size."""

STREAMS = "/events"

LINGER_S = 2.0
"""How long a body is read on that was refused: who still sends it would lose the answer with the connection."""


class _Slots:
    """How many requests are served at once, and, apart from them, how many bodies are on their way.

    Who sends slowly then keeps out nobody who only asks. Of the bodies one key may send half.
    """

    def __init__(self, most: int) -> None:
        self.most = most
        self.serving = 0
        self.arriving = 0
        self.keys: Counter[str] = Counter()


class _Slot:
    """The place of one request. Raises Busy: there is none."""

    def __init__(self, slots: _Slots, *, whole: bool, counted: bool) -> None:
        if counted and (slots.serving if whole else slots.arriving) >= slots.most:
            raise Busy
        self._slots = slots
        self._key: str | None = None
        self._serving = counted and whole
        self._arriving = counted and not whole
        slots.serving += self._serving
        slots.arriving += self._arriving

    def belongs_to(self, key: str | None) -> None:
        """Say whose request it is. Raises Busy: the key has as many bodies on their way as it may."""
        if key is None or not self._arriving:
            return
        if self._slots.keys[key] >= max(self._slots.most // 2, 1):
            raise Busy("The key sends as many bodies at once as it may.")
        self._key = key
        self._slots.keys[key] += 1

    def arrived(self) -> None:
        """The body is there; what comes of it is served, however many that makes."""
        counted = self._arriving
        self.leave()
        self._serving = counted
        self._slots.serving += counted

    def leave(self) -> None:
        """Give the place back; once more does nothing."""
        self._slots.serving -= self._serving
        self._slots.arriving -= self._arriving
        self._serving = self._arriving = False
        if self._key is not None:
            self._slots.keys[self._key] -= 1
            self._slots.keys += Counter()  # forgets the zeros
            self._key = None


class Limits:
    """An ASGI middleware that bounds requests, and answers those that go beyond with a problem detail."""

    def __init__(self, app: ASGIApp, settings: Settings) -> None:
        self._app = app
        self._settings = settings
        self._slots = _Slots(settings.api_requests)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        scope["request_id"] = uuid.uuid4().hex[:12]
        body = _Body(receive, self._is_upload(scope), self._settings)
        told = _Told(send, scope["request_id"], body)
        began = time.monotonic()
        try:
            with structlog.contextvars.bound_contextvars(request=scope["request_id"]):
                await self._serve(scope, body, told)
                _log(scope, told.status, began)
        finally:
            body.leave()

    async def _serve(self, scope: Scope, body: _Body, told: _Told) -> None:
        try:
            body.check(Headers(scope=scope))
            # Event streams have a bound of their own; they must not keep others out.
            counted = not scope["path"].endswith(STREAMS)
            scope["body"] = body
            scope["slot"] = body.slot = _Slot(self._slots, whole=body.whole, counted=counted)
            await self._app(scope, body.receive, told)
        except Refused as error:
            if told.status:
                raise
            headers = {"Retry-After": "1"} if isinstance(error, Busy) else {}
            await respond(describe(error), headers, scope["request_id"])(scope, body.receive, told)

    def _is_upload(self, scope: Scope) -> bool:
        return bool(scope["method"] == "POST" and scope["path"] == "/v1/documents")


class _Told:
    """Sends, and knows the status that was sent.

    Where a body was not read to its end, the connection is closed: nobody waits long for the rest of it.
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
        if message["type"] == "http.response.body" and not message.get("more_body") and not self._body.whole:
            await self._send({**message, "more_body": True})
            await self._body.linger()
            message = {"type": "http.response.body", "body": b""}
        await self._send(message)


class _Body:
    """Receives a body that must not be too large and must keep coming."""

    def __init__(self, receive: Receive, is_upload: bool, settings: Settings) -> None:
        self._receive = receive
        self._is_upload = is_upload
        self._most = (settings.max_file_mb << 20) * FILES_PER_REQUEST + ROOM if is_upload else JSON_BYTES
        self._patience_s = settings.api_patience_s
        self._ahead: deque[Message] = deque()
        self._size = 0
        self._began = time.monotonic()
        self.whole = False
        self.slot: _Slot | None = None

    def check(self, headers: Headers) -> None:
        """Refuse a body that says beforehand that it is too large."""
        told = headers.get("content-length")
        self.whole = told in (None, "0") and "transfer-encoding" not in headers
        if told is not None and told.isdecimal() and int(told) > self._most:
            raise BodyTooLarge(f"The request may have {self._most} bytes at most.")

    async def arrives_within(self, seconds: float) -> bool:
        """Whether the whole of it comes within this time; `receive` gives it out afterwards."""
        try:
            async with asyncio.timeout(seconds):
                while not self.whole:
                    self._ahead.append(await self._next())
        except TimeoutError:
            return False
        return True

    async def receive(self) -> Message:
        """The next piece; what comes after the whole body, a disconnect, may take any time."""
        return self._ahead.popleft() if self._ahead else await self._next()

    async def _next(self) -> Message:
        if self.whole:
            return await self._receive()
        allowed_s = self._patience_s + (self._size / LEAST_BYTES_PER_S if self._is_upload else 0.0)
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
        if self.whole and self.slot is not None:
            self.slot.arrived()
        return message

    async def linger(self) -> None:
        """Read on for a while, for nothing: the answer is sent, and takes no place any more."""
        self.leave()
        try:
            async with asyncio.timeout(LINGER_S):
                while (await self._receive()).get("more_body", False):
                    pass
        except TimeoutError:
            return

    def leave(self) -> None:
        """Give the request's place back."""
        if self.slot is not None:
            self.slot.leave()


def _log(scope: Scope, status: int, began: float) -> None:
    route: Any = scope.get("route")
    # The route, not the path: names from outside stay out of the log.
    place = getattr(route, "path", "-")
    log.info("request.served", method=scope["method"][:10], route=place, status=status, ms=_ms(began))


def _ms(began: float) -> float:
    return round((time.monotonic() - began) * 1000, 1)
