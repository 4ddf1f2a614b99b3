"""Many small writes as one transaction: those of an entry point wait for the write lock once, together."""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import Future
from queue import SimpleQueue
from typing import Any, TypeVar, cast

from sqlalchemy.engine import Connection, Engine

from pipeline.catalog.database.connection import writing
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

    The thread that has the turn commits the changes of all. Of several changes each has a savepoint of its own: what
    fails leaves nothing behind and harms no other. A change is durable when `do` returns.
    """

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._waiting: SimpleQueue[tuple[Change, Future[Any]]] = SimpleQueue()
        self._turn = threading.Lock()

    def do(self, change: Callable[[Connection], T]) -> T:
        """Carry out a change; whatever it raises is raised here.

        Raises:
            StackUnavailable: the catalog did not take it in time.
        """
        done: Future[Any] = Future()
        self._waiting.put((change, done))
        while not done.done():
            if not self._turn.acquire(timeout=PATIENCE_S):
                if done.cancel():
                    raise StackUnavailable("The catalog is busy and did not take the request in time.")
                continue  # it is being carried out
            try:
                if not done.done():
                    self._commit(self._next())
            finally:
                self._turn.release()
        return cast(T, done.result())

    def later(self, change: Change) -> None:
        """Carry out a change that no thread waits for; with the next one, if others write at this moment."""
        self._waiting.put((change, Future()))
        if self._turn.acquire(blocking=False):
            try:
                threading.Thread(target=self._work, name="writer", daemon=True).start()
            except RuntimeError:  # there can be no more threads: the next one takes it along
                self._turn.release()

    def _work(self) -> None:
        try:
            self._commit(self._next())
        finally:
            self._turn.release()

    def _next(self) -> list[tuple[Change, Future[Any]]]:
        # Only the thread that has the turn takes changes, and a thread that waits for it has put one there.
        found = [self._waiting.get() for _ in range(min(MOST, self._waiting.qsize()))]
        return [(change, done) for change, done in found if done.set_running_or_notify_cancel()]

    def _commit(self, group: list[tuple[Change, Future[Any]]]) -> None:
        ended: list[tuple[Future[Any], Any, BaseException | None]] = []
        try:
            with writing(self._engine, urgent=True) as connection:
                if len(group) == 1:
                    ((change, done),) = group
                    ended = [(done, change(connection), None)]
                else:
                    ended = [_one(connection, change, done) for change, done in group]
        except BaseException as error:  # the transaction as a whole failed: every caller gets the error
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
    except Exception as error:  # it belongs to the caller of this change
        return done, None, error
