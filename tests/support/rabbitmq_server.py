"""A RabbitMQ server of the tests' own: Debian's package, a temporary folder, free ports of the loopback."""

from __future__ import annotations

import os
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import psutil
import pytest
from kombu.connection import Connection
from postgres_server import free_port

PROGRAM = Path("/usr/lib/rabbitmq/bin/rabbitmq-server")
START_S = 120.0


@contextmanager
def running_rabbitmq() -> Iterator[str]:
    """The URL of a server for the block; where the package is not installed, the test is skipped."""
    if not PROGRAM.exists():
        pytest.skip("RabbitMQ is not installed: Debian's package is called rabbitmq-server")
    with tempfile.TemporaryDirectory(prefix="docrelay-rabbitmq-", ignore_cleanup_errors=True) as folder:
        port = free_port()
        with Path(folder, "out").open("wb") as out:
            server = subprocess.Popen(
                [PROGRAM], env=_environment(folder, port), stdout=out, stderr=out, start_new_session=True
            )
        url = f"amqp://guest:guest@127.0.0.1:{port}//"
        try:
            _wait(server, url, Path(folder, "out"))
            yield url
        finally:
            _kill_all(folder)
            server.wait()


def _kill_all(folder: str) -> None:
    """The server is a family, and the daemon that names its nodes has left it."""
    for process in psutil.process_iter():
        with suppress(psutil.Error):
            if process.environ().get("HOME") == folder:
                process.kill()


def _environment(folder: str, port: int) -> dict[str, str]:
    return {
        "PATH": os.environ["PATH"],
        "HOME": folder,
        "RABBITMQ_NODENAME": f"docrelay{port}@localhost",
        "RABBITMQ_NODE_PORT": str(port),
        "RABBITMQ_NODE_IP_ADDRESS": "127.0.0.1",
        "RABBITMQ_DIST_PORT": str(free_port()),
        "ERL_EPMD_PORT": str(free_port()),
        "ERL_EPMD_ADDRESS": "127.0.0.1",
        "RABBITMQ_MNESIA_BASE": f"{folder}/mnesia",
        "RABBITMQ_LOG_BASE": f"{folder}/logs",
        "RABBITMQ_CONFIG_FILE": f"{folder}/none",
        "RABBITMQ_ENABLED_PLUGINS_FILE": f"{folder}/plugins",
        "RABBITMQ_CONF_ENV_FILE": f"{folder}/none",
    }


def _wait(server: subprocess.Popen[bytes], url: str, out: Path) -> None:
    deadline = time.monotonic() + START_S
    while time.monotonic() < deadline and server.poll() is None:
        try:
            with Connection(url, connect_timeout=2) as connection:
                connection.connect()
        except OSError:
            time.sleep(0.3)
        else:
            return
    server.kill()
    pytest.fail(f"RabbitMQ did not start:\n{out.read_text()[-2000:]}")
