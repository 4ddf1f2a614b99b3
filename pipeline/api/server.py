"""Serving the application: one process, bounded connections, headers and bodies that must come in time."""

from __future__ import annotations

import asyncio
import os
import socket
from collections.abc import Callable
from functools import partial
from typing import Any

import structlog
import uvicorn
from uvicorn.protocols.http.h11_impl import H11Protocol

from pipeline.api.app import make_app
from pipeline.api.auth import check_start
from pipeline.catalog.api import keys
from pipeline.engine.process import freeze
from pipeline.errors import StackUnavailable
from pipeline.names import PREFIX
from pipeline.services import Services
from pipeline.settings import Settings
from pipeline.stack.cpu_share import shorten_time_slices
from pipeline.stack.logs import configure_logging

__all__ = ["URL_KEY", "run_api", "server_config"]

log = structlog.get_logger()

URL_KEY = f"{PREFIX}api"
"""Where the API says in Redis what its URL is: with the port 0 nobody else knows."""

READY_TTL_S = 7 * 86400
GRACE_S = 5
BACKLOG = 512
LARGEST_HEADERS = 32 << 10


def run_api(settings: Settings, name: str, *, embedded: bool, tell: Callable[[str], None] = lambda _: None) -> None:
    """Serve until SIGTERM or SIGINT.

    Args:
        settings: with `redis_url`.
        name: its name in logs.
        embedded: whether programs of this machine need no key as long as none was made.
        tell: takes the line that says where it listens.

    Raises:
        BadRequest: the address needs keys and there are none.
        StackUnavailable: the port is not to be had.
    """
    configure_logging(settings, name)
    shorten_time_slices()
    services = Services(settings)
    with services.catalog.connect() as connection:
        made = keys.is_any_created(connection)
    check_start(made, settings.api_host, embedded=embedded)
    # Both answer at once, and a wrong configuration is told before anybody is served.
    services.redis.ping()
    _ = services.fingerprint
    listener = _listen(settings)
    url = _url(settings, listener)

    def ready() -> None:
        freeze()
        services.redis.set(URL_KEY, url, ex=READY_TTL_S)
        services.redis.set(f"{PREFIX}ready:{name}", f"{os.getpid()} {url}", ex=READY_TTL_S)
        log.info("api.ready", url=url, pid=os.getpid())
        tell(f"The API is ready at {url} (try {url}/docs)")

    app = make_app(services, embedded=embedded, ready=ready)
    uvicorn.Server(server_config(app, settings)).run(sockets=[listener])


def server_config(app: Any, settings: Settings) -> uvicorn.Config:
    """How uvicorn serves the application with these settings."""
    patience_s = settings.api_patience_s
    # As many again for event streams, and some for those who are told to come later.
    most = settings.api_requests + settings.api_followers + 64
    return uvicorn.Config(
        app,
        http=partial(_Impatient, patience_s, most),  # type: ignore[arg-type]
        ws="none",
        lifespan="on",
        log_config=None,
        access_log=False,
        server_header=False,
        date_header=True,
        proxy_headers=False,
        timeout_keep_alive=30,
        timeout_graceful_shutdown=GRACE_S,
        h11_max_incomplete_event_size=LARGEST_HEADERS,
        backlog=BACKLOG,
    )


class _Impatient(H11Protocol):
    """A connection that is closed when its headers do not come, or nobody takes what is sent, or there are too many."""

    def __init__(self, patience_s: float, most: int, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._patience_s = patience_s
        self._most = most
        self._timer: asyncio.TimerHandle | None = None
        self._watch: asyncio.TimerHandle | None = None
        self._held = 0
        self._moved = False

    def connection_made(self, transport: Any) -> None:
        """Begin to wait for headers."""
        super().connection_made(transport)
        if len(self.connections) > self._most:
            transport.close()
            return
        self._start()
        self._watch = self.loop.call_later(self._patience_s, self._look)

    def data_received(self, data: bytes) -> None:
        """Something has come: wait on as long as it is part of headers."""
        before = self.cycle
        if self._timer is None and (before is None or before.response_complete):
            self._start()
        super().data_received(data)
        if self.cycle is not before:
            self._stop()

    def connection_lost(self, exc: Exception | None) -> None:
        """It is over."""
        self._stop()
        if self._watch is not None:
            self._watch.cancel()
        super().connection_lost(exc)

    def resume_writing(self) -> None:
        """The other side has taken much of what was sent."""
        self._moved = True
        super().resume_writing()

    def _look(self) -> None:
        """Drop the connection if nothing was taken of what waits to be sent; closing would wait for it."""
        held = self.transport.get_write_buffer_size()
        if 0 < self._held <= held and not self._moved:
            self.transport.abort()
            return
        self._held, self._moved = held, False
        self._watch = self.loop.call_later(self._patience_s, self._look)

    def _start(self) -> None:
        self._timer = self.loop.call_later(self._patience_s, self._give_up)

    def _stop(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _give_up(self) -> None:
        self._timer = None
        if not self.transport.is_closing():
            self.transport.close()


def _listen(settings: Settings) -> socket.socket:
    host = settings.api_host
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    # Said outright, or asyncio does not send small pieces at once: the end of an answer would wait 40 ms.
    listener = socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind((host, settings.api_port))
    except OSError as error:
        listener.close()
        raise StackUnavailable(
            f"The API cannot listen on {host} port {settings.api_port}: {error.strerror}.",
            "Set `api_port` to another one, or to 0 for any free one.",
        ) from error
    listener.set_inheritable(True)
    return listener


def _url(settings: Settings, listener: socket.socket) -> str:
    host, port = settings.api_host, listener.getsockname()[1]
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"
