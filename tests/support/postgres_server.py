"""A PostgreSQL server of the tests' own: Debian's binaries, a temporary folder, a free port of the loopback.

The fixture `postgres` stands in postgres_fixture.py, which is named in `pytest_plugins`.
"""

from __future__ import annotations

import os
import pwd
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from uuid import uuid4

import psycopg
import pytest

PASSWORD = "a-word-of-the-tests"
PLACES = "/usr/lib/postgresql/*/bin"
QUICK = ("fsync=off", "full_page_writes=off", "synchronous_commit=off", "max_connections=200")
START_S = 60.0


@dataclass(frozen=True)
class Postgres:
    """A running server; `user` may make databases."""

    port: int
    user: str = "docrelay"

    def url(self, database: str) -> str:
        return f"postgresql://{self.user}:{PASSWORD}@127.0.0.1:{self.port}/{database}"

    def create(self, name: str = "") -> str:
        """Make an empty database and return its URL."""
        name = name or f"test_{uuid4().hex}"
        with psycopg.connect(self.url("postgres"), autocommit=True) as connection:
            connection.execute(f'CREATE DATABASE "{name}"')
        return self.url(name)


@contextmanager
def running_postgres() -> Iterator[Postgres]:
    """A server for the block; where there is none, the test is skipped, and on CI it fails."""
    binaries = find_binaries()
    if binaries is None:
        if os.environ.get("CI"):
            pytest.fail("PostgreSQL is not installed: Debian's package is called postgresql")
        pytest.skip("PostgreSQL is not installed")
    with tempfile.TemporaryDirectory(prefix="docrelay-postgres-", ignore_cleanup_errors=True) as folder:
        server, port = start_server(binaries, Path(folder))
        try:
            yield Postgres(port)
        finally:
            server.send_signal(signal.SIGINT)  # a fast shutdown: sessions are ended
            server.wait(120)


def find_binaries() -> Path | None:
    """The folder of the newest installed server."""
    programs = sorted(Path("/").glob(f"{PLACES[1:]}/initdb"), key=lambda path: float(path.parts[-3]))
    if programs:
        return programs[-1].parent
    on_path = shutil.which("initdb")
    return Path(on_path).resolve().parent if on_path else None


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return int(listener.getsockname()[1])


def start_server(
    binaries: Path, folder: Path, port: int = 0, chosen: Sequence[str] = QUICK
) -> tuple[subprocess.Popen[bytes], int]:
    """Start a server on a folder, with what is in it; a free port is taken where none is given. Returns the port too.

    Where the folder is empty, it is made ready; the caller ends the server. With the settings `QUICK` it may lose what
    was committed when it is killed.
    """
    user = _unprivileged()
    data, log = folder / "data", folder / "log"
    if not data.exists():
        _initialise(binaries, folder, user)
    port = port or free_port()
    settings = [*chosen, f"port={port}", "listen_addresses=127.0.0.1", f"unix_socket_directories={folder}"]
    line = [binaries / "postgres", "-D", data, *(word for setting in settings for word in ("-c", setting))]
    with log.open("wb") as out:
        server = subprocess.Popen(line, stdout=out, stderr=out, **_as(user))
    _wait(server, port, log)
    return server, port


def _initialise(binaries: Path, folder: Path, user: pwd.struct_passwd | None) -> None:
    secret = folder / "password"
    secret.write_text(PASSWORD)
    if user is not None:
        for path in (folder, secret):
            os.chown(path, user.pw_uid, user.pw_gid)
    initdb = [binaries / "initdb", "-D", folder / "data", "-U", Postgres.user, f"--pwfile={secret}"]
    more = ["-A", "scram-sha-256", "-E", "UTF8", "--locale=C", "--no-sync"]
    subprocess.run([*initdb, *more], check=True, capture_output=True, **_as(user))


def _wait(server: subprocess.Popen[bytes], port: int, log: Path) -> None:
    deadline = time.monotonic() + START_S
    while time.monotonic() < deadline and server.poll() is None:
        try:
            psycopg.connect(Postgres(port).url("postgres"), connect_timeout=2).close()
        except psycopg.OperationalError:
            time.sleep(0.05)
        else:
            return
    server.kill()
    pytest.fail(f"PostgreSQL did not start:\n{log.read_text()}")


def _unprivileged() -> pwd.struct_passwd | None:
    """The user to run as: PostgreSQL refuses root."""
    if os.geteuid() != 0:
        return None
    names = {entry.pw_name: entry for entry in pwd.getpwall()}
    return names.get("postgres") or names["nobody"]


def _as(user: pwd.struct_passwd | None) -> dict[str, object]:
    where: dict[str, object] = {"cwd": "/", "start_new_session": True}
    return where if user is None else {**where, "user": user.pw_uid, "group": user.pw_gid, "extra_groups": []}
