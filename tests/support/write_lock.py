"""Guards the catalog's write lock: other writers wait for its holder, which uses no file, network, spool or store."""

from __future__ import annotations

import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import sqlalchemy as sa

from pipeline.services import Services

__all__ = ["Guard", "guarded"]

WORK = ("open", "os.link", "os.mkdir", "os.remove", "os.rename", "os.rmdir", "socket.connect", "subprocess.Popen")
"""Events of `sys.addaudithook`: files and the network, whatever library uses them."""

CODE = (".py", ".pyc", ".so")
"""Files of a module that is imported when it is first needed."""


class Guard:
    """Notes which threads hold the write lock, and what they do meanwhile."""

    def __init__(self) -> None:
        self.refused: list[str] = []
        self.calls = 0
        self._holders: set[int] = set()

    def watch(self, engine: sa.Engine) -> None:
        """Note the holders of a catalog's lock."""
        sa.event.listen(engine, "begin", self._begin)
        sa.event.listen(engine, "commit", self._end)
        sa.event.listen(engine, "rollback", self._end)

    def check(self, what: str) -> None:
        """Note this as wrong if the thread holds the lock."""
        if threading.get_ident() in self._holders:
            self.refused.append(what)

    def audit(self, event: str, arguments: tuple[Any, ...]) -> None:
        """Check an event of the interpreter."""
        if self._holders and event in WORK and not str(arguments[0]).endswith(CODE):
            self.check(f"{event} {arguments[0]}")

    def _begin(self, connection: sa.Connection) -> None:
        if connection.get_execution_options().get("writing"):
            self._holders.add(threading.get_ident())

    def _end(self, _connection: sa.Connection) -> None:
        self._holders.discard(threading.get_ident())


class Guarded:
    """An object whose methods are checked, and then called."""

    def __init__(self, wrapped: object, guard: Guard) -> None:
        self._wrapped = wrapped
        self._guard = guard

    def __getattr__(self, name: str) -> Any:
        value = getattr(self._wrapped, name)
        if callable(value):
            self._guard.check(f"{type(self._wrapped).__name__}.{name}")
            self._guard.calls += 1
        return value


@contextmanager
def guarded(services: Services) -> Iterator[Guard]:
    """Watch the catalog, the spool and the vector store of these services; at the end nothing may have been wrong."""
    guard = Guard()
    guard.watch(services.catalog)
    for name in ("spool", "store"):
        services.__dict__[name] = Guarded(getattr(services, name), guard)
    sys.addaudithook(guard.audit)  # it stays for good, and does nothing once no lock is held
    yield guard
    assert guard.refused == []
