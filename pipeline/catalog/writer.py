"""Many small writes as one transaction: what a door has to write waits for the write lock once, together."""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import Future
from queue import SimpleQueue
from typing import Any, TypeVar, cast

from sqlalchemy.engine import Connection, Engine

from pipeline.catalog.engine import writing
from pipeline.errors import StackUnavailable

__all__ = ["GroupWriter"]

T = TypeVar("T")
Change = Callable[[Connection], Any]

MOST = 32
"""Changes of one transaction at most: others wait for the lock too."""

PATIENCE_S = 65.0
"""Longest wait for a change: what SQLite waits for its lock, and a little."""


class GroupWriter:
    """Commits changes of many threads in the order they come, as many together as wait.

    Each change has a savepoint of its own: what fails leaves nothing behind and harms no other. A change is
    durable when `do` returns.
    """

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._waiting: SimpleQueue[tuple[Change, Future[Any]] | None] = SimpleQueue()
        self._thread = threading.Thread(target=self._work, name="group-writer", daemon=True)
        self._thread.start()

    def do(self, change: Callable[[Connection], T]) -> T:
        """Carry out a change; whatever it raises is raised here.

        Raises:
            StackUnavailable: the catalog did not take it in time.
        """
        done: Future[Any] = Future()
        self._waiting.put((change, done))
        try:
            return cast(T, done.result(PATIENCE_S))
        except TimeoutError:
            raise StackUnavailable("The catalog is busy and did not take the request in time.") from None

    def later(self, change: Change) -> None:
        """Carry out a change that nobody waits for."""
        self._waiting.put((change, Future()))

    def close(self) -> None:
        """Carry out what waits, then end."""
        self._waiting.put(None)
        self._thread.join(PATIENCE_S)

    def _work(self) -> None:
        while (first := self._waiting.get()) is not None:
            group, ending = [first], False
            while len(group) < MOST and not self._waiting.empty():
                item = self._waiting.get()
                if item is None:
                    ending = True
                    break
                group.append(item)
            self._commit(group)
            if ending:
                return

    def _commit(self, group: list[tuple[Change, Future[Any]]]) -> None:
        ended: list[tuple[Future[Any], Any, BaseException | None]] = []
        try:
            with writing(self._engine, urgent=True) as connection:
                ended = [_one(connection, change, done) for change, done in group]
        except Exception as error:  # the transaction as a whole failed: everybody who waits is told
            ended = [(done, None, error) for _, done in group]
        for done, result, problem in ended:
            if problem is None:
                done.set_result(result)
            else:
                done.set_exception(problem)


def _one(connection: Connection, change: Change, done: Future[Any]) -> tuple[Future[Any], Any, BaseException | None]:
    try:
        with connection.begin_nested():
            return done, change(connection), None
    except Exception as error:  # it is the caller's, who gets it
        return done, None, error
