"""The server process: one uvicorn server with limits on connections and on the time of headers."""

from __future__ import annotations

import asyncio
import os
import socket
from collections.abc import Callable
from functools import partial
from typing import Any

import structlog
import uvicorn
from fastapi import FastAPI
from uvicorn.protocols.http.h11_impl import H11Protocol

from pipeline.api.app import make_app
from pipeline.api.auth import check_start
from pipeline.api.connections import Connection, Connections, sender_of
from pipeline.catalog.api import keys
from pipeline.engine.process import freeze
from pipeline.errors import StackUnavailable
from pipeline.names import PREFIX
from pipeline.services import Services
from pipeline.settings import Settings
from pipeline.stack.cpu_share import shorten_time_slices
from pipeline.stack.logs import configure_logging
from pipeline.stack.pulse import start_pulse

__all__ = ["URL_KEY", "run_api", "server_config"]

log = structlog.get_logger()

URL_KEY = f"{PREFIX}api"
"""Redis key with the URL of the API: with port 0 only the process itself knows its port."""

URL_TTL_S = 7 * 86400
GRACE_S = 5
BACKLOG = 512
MAX_HEADER_BYTES = 32 << 10


def run_api(settings: Settings, name: str, *, embedded: bool, say: Callable[[str], None] = lambda _: None) -> None:
    """Serve until SIGTERM or SIGINT.

    Args:
        settings: with `redis_url`.
        name: its name in logs.
        embedded: whether programs of this machine need no key as long as none was made.
        say: called with the line that says where it listens.

    Raises:
        BadRequest: the address needs keys and there are none.
        StackUnavailable: the port cannot be bound.
    """
    configure_logging(settings, name)
    shorten_time_slices()
    services = Services(settings)
    with services.catalog.connect() as connection:
        has_keys = keys.is_any_created(connection)
    check_start(has_keys, settings.api_host, embedded=embedded)
    # Both fail fast, so that a wrong configuration is reported before the first request.
    services.redis.ping()
    _ = services.fingerprint
    listener = _listen(settings)
    url = _url(settings, listener)

    def ready() -> None:
        freeze()
        services.redis.set(URL_KEY, url, ex=URL_TTL_S)
        start_pulse(services.redis, name, url)
        log.info("api.ready", url=url, pid=os.getpid())
        say(f"The API is ready at {url} (try {url}/docs)")

    app = make_app(services, embedded=embedded, ready=ready)
    _Server(server_config(app, settings), app).run(sockets=[listener])


def server_config(app: Any, settings: Settings) -> uvicorn.Config:
    """How uvicorn serves the application with these settings."""
    patience_s = settings.api_patience_s
    # Requests, event streams, and some connections to respond with `busy`.
    limit = settings.api_requests + settings.api_followers + 64
    connections = Connections(limit, settings.api_connections or limit // 2)
    return uvicorn.Config(
        app,
        http=partial(_LimitedProtocol, patience_s, connections),  # type: ignore[arg-type]
        ws="none",
        lifespan="on",
        log_config=None,
        access_log=False,
        server_header=False,
        date_header=True,
        proxy_headers=False,
        timeout_keep_alive=30,
        timeout_graceful_shutdown=GRACE_S,
        h11_max_incomplete_event_size=MAX_HEADER_BYTES,
        backlog=BACKLOG,
    )


class _Server(uvicorn.Server):
    """The server; when it is stopped, requests that take long end in order within the grace."""

    def __init__(self, config: uvicorn.Config, app: FastAPI) -> None:
        super().__init__(config)
        self._app = app

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """Let the requests know, then wait for them: at the end of the grace uvicorn cuts them off."""
        self._app.state.api.closing.set()
        await super().shutdown(sockets)


class _Entry(Connection):
    """A connection of uvicorn."""

    def __init__(self, transport: Any, sender: str) -> None:
        super().__init__(sender)
        self._transport = transport

    def close(self) -> None:
        """Close it at once."""
        self._transport.abort()


class _LimitedProtocol(H11Protocol):
    """A connection that is closed if its headers or its reader are too slow, or if there are too many connections."""

    def __init__(self, patience_s: float, connections: Connections, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._patience_s = patience_s
        self._all = connections
        self._entry: _Entry | None = None
        self._header_timer: asyncio.TimerHandle | None = None
        self._reader_timer: asyncio.TimerHandle | None = None
        self._unread = 0
        self._progressed = False

    def connection_made(self, transport: Any) -> None:
        """Start to wait for headers."""
        super().connection_made(transport)
        self._entry = _Entry(transport, sender_of(self.client[0] if self.client else ""))
        if not self._all.admit(self._entry):
            transport.abort()
            return
        self._start_header_timer()
        self._reader_timer = self.loop.call_later(self._patience_s, self._check_reader)

    def data_received(self, data: bytes) -> None:
        """Bytes arrived: stop the timer once the headers are complete."""
        before = self.cycle
        if self._header_timer is None and (before is None or before.response_complete):
            self._start_header_timer()
        super().data_received(data)
        if self.cycle is not before:
            self._stop_header_timer()
            if self._entry is not None:
                self._entry.begin()

    def on_response_complete(self) -> None:
        """From now on the connection is idle, unless the next request has arrived already."""
        super().on_response_complete()
        if self._entry is not None and (self.cycle is None or self.cycle.response_complete):
            self._entry.rest()

    def connection_lost(self, exc: Exception | None) -> None:
        """Cancel the timers, and make room for another connection."""
        if self._entry is not None:
            self._all.remove(self._entry)
        self._stop_header_timer()
        if self._reader_timer is not None:
            self._reader_timer.cancel()
        super().connection_lost(exc)

    def resume_writing(self) -> None:
        """The client has read enough for the buffer to drain."""
        self._progressed = True
        super().resume_writing()

    def _check_reader(self) -> None:
        """Abort the connection if the client has read nothing since the last check; a close would wait for it."""
        unread = self.transport.get_write_buffer_size()
        if 0 < self._unread <= unread and not self._progressed:
            self.transport.abort()
            return
        self._unread, self._progressed = unread, False
        self._reader_timer = self.loop.call_later(self._patience_s, self._check_reader)

    def _start_header_timer(self) -> None:
        self._header_timer = self.loop.call_later(self._patience_s, self._close_slow)

    def _stop_header_timer(self) -> None:
        if self._header_timer is not None:
            self._header_timer.cancel()
            self._header_timer = None

    def _close_slow(self) -> None:
        self._header_timer = None
        if not self.transport.is_closing():
            self.transport.close()


def _listen(settings: Settings) -> socket.socket:
    """The listening socket.

    Raises:
        StackUnavailable: the port cannot be bound.
    """
    host = settings.api_host
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    # With the protocol named, asyncio sets TCP_NODELAY; without it the end of a response waits 40 ms.
    listener = socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind((host, settings.api_port))
        # From here on a client can connect: one that hears that the API is ready is never a moment too soon.
        listener.listen(BACKLOG)
    except OSError as error:
        listener.close()
        raise StackUnavailable(
            f"The API cannot listen on {host} port {settings.api_port}: {error.strerror}.",
            "Set `api_port` to another one (docrelay up --api-port PORT), or to 0 for any free one.",
        ) from error
    listener.set_inheritable(True)
    return listener


def _url(settings: Settings, listener: socket.socket) -> str:
    host, port = settings.api_host, listener.getsockname()[1]
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"
