"""Limits of every request: how many at once, how large a body, how slowly it may arrive; and its id in the log."""

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
from pipeline.api.request_times import RequestTimes
from pipeline.api.request_traces import RequestTrace
from pipeline.errors import BodyTooLarge, Busy, Refused, TooSlow
from pipeline.settings import Settings
from pipeline.tracing import Traces

__all__ = ["Limits"]

log = structlog.get_logger()

MIN_BYTES_PER_S = 4096
"""An upload with a lower average rate than this is refused once `api_patience_s` has passed."""

MAX_JSON_BYTES = 1 << 20
"""Largest body that is not an upload; it must arrive within `api_patience_s`."""

FORM_OVERHEAD = 1 << 20
"""Bytes that names and fields may add to the files of an upload."""

FILES_PER_REQUEST = 4
"""An upload may have as many bytes as this many files of the largest size."""

UPLOADS = ("/v1/documents", "/v1/texts", "/v1/texts/delete")
"""Paths to which a large body may be sent."""

STREAM_SUFFIX = "/events"
PROBES = ("/health", "/health/live", "/health/ready", "/metrics")
"""Addresses that programs ask all the time.

They are served however many requests are, as a busy process must not look like a dead one, and have no traces.
"""

SECURITY_HEADERS = (
    (b"x-content-type-options", b"nosniff"),
    (b"x-frame-options", b"DENY"),
    (b"referrer-policy", b"no-referrer"),
    (b"content-security-policy", b"default-src 'none'; frame-ancestors 'none'"),
)
"""Headers of every response that has none of the same name: a browser shows nothing of it in a frame, and runs no
script in it."""

LINGER_S = 2.0
"""How long a refused body is still read: a client that sends would lose the response with the connection."""


class _Slots:
    """Counts the requests that are served and, separately, the bodies that still arrive.

    So a client that sends slowly takes no slot from requests without a body. One key may use half of the bodies' slots.
    """

    def __init__(self, limit: int) -> None:
        self.limit = limit
        self.serving = 0
        self.arriving = 0
        self.keys: Counter[str] = Counter()


class _Slot:
    """The slot of one request. Raises Busy: none is free."""

    def __init__(self, slots: _Slots, *, whole: bool, counted: bool) -> None:
        if counted and (slots.serving if whole else slots.arriving) >= slots.limit:
            raise Busy
        self._slots = slots
        self._key: str | None = None
        self._serving = counted and whole
        self._arriving = counted and not whole
        slots.serving += self._serving
        slots.arriving += self._arriving

    def belongs_to(self, key: str | None) -> None:
        """Count the body for a key. Raises Busy: the limit of the key is reached."""
        if key is None or not self._arriving:
            return
        if self._slots.keys[key] >= max(self._slots.limit // 2, 1):
            raise Busy("The key sends as many bodies at once as it may.")
        self._key = key
        self._slots.keys[key] += 1

    def arrived(self) -> None:
        """The body has arrived: from now on its request is served, even beyond the limit."""
        counted = self._arriving
        self.leave()
        self._serving = counted
        self._slots.serving += counted

    def leave(self) -> None:
        """Release the slot; a second call does nothing."""
        self._slots.serving -= self._serving
        self._slots.arriving -= self._arriving
        self._serving = self._arriving = False
        if self._key is not None:
            self._slots.keys[self._key] -= 1
            self._slots.keys += Counter()  # forgets the zeros
            self._key = None


class Limits:
    """ASGI middleware that limits requests, and responds with a problem detail to those beyond a limit."""

    def __init__(self, app: ASGIApp, settings: Settings, traces: Traces, request_times: RequestTimes) -> None:
        self._app = app
        self._settings = settings
        self._traces = traces
        self._request_times = request_times
        self._slots = _Slots(settings.api_requests)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        scope["request_id"] = uuid.uuid4().hex[:12]
        body = _Body(receive, self._is_upload(scope), self._settings)
        response = _Response(send, scope["request_id"], body)
        trace = RequestTrace(self._traces, scope, wanted=scope["path"] not in PROBES)
        began = time.monotonic()
        try:
            with structlog.contextvars.bound_contextvars(request=scope["request_id"], **trace.log_fields):
                await self._serve(scope, body, response)
                self._note(scope, response.status, time.monotonic() - began)
        finally:
            body.leave()
            trace.end(response.status or 500)

    async def _serve(self, scope: Scope, body: _Body, response: _Response) -> None:
        """Take a slot and run the application; a refusal becomes a problem detail."""
        try:
            body.check(Headers(scope=scope))
            # Event streams have a limit of their own, and do not count here.
            counted = not scope["path"].endswith(STREAM_SUFFIX) and scope["path"] not in PROBES
            scope["body"] = body
            scope["slot"] = body.slot = _Slot(self._slots, whole=body.whole, counted=counted)
            await self._app(scope, body.receive, response)
        except Refused as error:
            if response.status:
                raise
            headers = {"Retry-After": "1"} if isinstance(error, Busy) else {}
            await respond(describe(error), headers, scope["request_id"])(scope, body.receive, response)

    def _note(self, scope: Scope, status: int, seconds: float) -> None:
        """Log a request that was served, and count its duration; that of a stream says nothing."""
        matched: Any = scope.get("route")
        # The route and not the path, so that names chosen by users stay out of the log.
        route = getattr(matched, "path", "-")
        log.info("request.served", method=scope["method"][:10], route=route, status=status, ms=round(seconds * 1000, 1))
        if not scope["path"].endswith(STREAM_SUFFIX):
            self._request_times.observe(scope["method"], route, status, seconds)

    def _is_upload(self, scope: Scope) -> bool:
        return bool(scope["method"] == "POST" and scope["path"] in UPLOADS)


class _Response:
    """Sends the response, and remembers its status.

    If the request's body was not read to its end, the connection is closed after the response.
    """

    def __init__(self, send: Send, request_id: str, body: _Body) -> None:
        self._send = send
        self._id = request_id
        self._body = body
        self.status = 0

    async def __call__(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            self.status = message["status"]
            sent = {name.lower() for name, _ in message["headers"]}
            added = [(b"x-request-id", self._id.encode())]
            added += [(name, value) for name, value in SECURITY_HEADERS if name not in sent]
            if not self._body.whole:
                added.append((b"connection", b"close"))
            message = {**message, "headers": [*message["headers"], *added]}
        if message["type"] == "http.response.body" and not message.get("more_body") and not self._body.whole:
            await self._send({**message, "more_body": True})
            await self._body.linger()
            message = {"type": "http.response.body", "body": b""}
        await self._send(message)


class _Body:
    """Receives a body that must not be too large or too slow."""

    def __init__(self, receive: Receive, is_upload: bool, settings: Settings) -> None:
        self._receive = receive
        self._is_upload = is_upload
        self._limit = (settings.max_file_mb << 20) * FILES_PER_REQUEST + FORM_OVERHEAD if is_upload else MAX_JSON_BYTES
        self._patience_s = settings.api_patience_s
        self._buffered: deque[Message] = deque()
        self._size = 0
        self._began = time.monotonic()
        self.whole = False
        self.slot: _Slot | None = None

    def check(self, headers: Headers) -> None:
        """Refuse a body whose declared length is too large."""
        length = headers.get("content-length")
        self.whole = length in (None, "0") and "transfer-encoding" not in headers
        if length is not None and length.isdecimal() and int(length) > self._limit:
            raise BodyTooLarge(f"The request may have {self._limit} bytes at most.")

    async def arrives_within(self, seconds: float) -> bool:
        """Whether the whole body arrives within this time; it is buffered for `receive`."""
        try:
            async with asyncio.timeout(seconds):
                while not self.whole:
                    self._buffered.append(await self._next())
        except TimeoutError:
            return False
        return True

    async def receive(self) -> Message:
        """The next ASGI message. After the whole body only a disconnect can follow, at any time."""
        return self._buffered.popleft() if self._buffered else await self._next()

    async def _next(self) -> Message:
        """The next message of the client; once the body is whole, the request counts as served.

        Raises:
            TooSlow, BodyTooLarge: the body is refused.
        """
        if self.whole:
            return await self._receive()
        allowed_s = self._patience_s + (self._size / MIN_BYTES_PER_S if self._is_upload else 0.0)
        left_s = min(self._patience_s, self._began + allowed_s - time.monotonic())
        try:
            async with asyncio.timeout(max(left_s, 0.0)):
                message = await self._receive()
        except TimeoutError:
            raise TooSlow from None
        self._size += len(message.get("body", b""))
        if self._size > self._limit:
            raise BodyTooLarge(f"The request may have {self._limit} bytes at most.")
        self.whole = not message.get("more_body", False)
        if self.whole and self.slot is not None:
            self.slot.arrived()
        return message

    async def linger(self) -> None:
        """Read on for a while and drop what arrives: the response is sent, and needs no slot any more."""
        self.leave()
        try:
            async with asyncio.timeout(LINGER_S):
                while (await self._receive()).get("more_body", False):
                    pass
        except TimeoutError:
            return

    def leave(self) -> None:
        """Release the request's slot."""
        if self.slot is not None:
            self.slot.leave()
