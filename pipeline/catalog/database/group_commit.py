"""Group commit: the small writes of one process that wait at the same time are committed in one transaction."""

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

MAX_CHANGES = 32
"""Changes of one transaction at most: other processes wait for the lock too."""

TIMEOUT_S = 65.0
"""Longest wait for a change: what SQLite waits for its lock, and a little."""


class GroupWriter:
    """Commits changes of many threads in the order they come, as many together as wait.

    The thread that holds the commit lock commits the changes of all. Of several changes each has a savepoint of its
    own: what fails leaves nothing behind and harms no other. A change is durable when `run` returns.
    """

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._waiting: SimpleQueue[tuple[Change, Future[Any]]] = SimpleQueue()
        self._commit_lock = threading.Lock()

    def run(self, change: Callable[[Connection], T]) -> T:
        """Run a change and wait until it is committed; whatever it raises is raised here.

        Raises:
            StackUnavailable: the catalog did not take it in time.
        """
        done: Future[Any] = Future()
        self._waiting.put((change, done))
        while not done.done():
            if not self._commit_lock.acquire(timeout=TIMEOUT_S):
                if done.cancel():
                    raise StackUnavailable("The catalog is busy and did not take the request in time.")
                continue  # it is running
            try:
                if not done.done():
                    self._commit(self._next_group())
            finally:
                self._commit_lock.release()
        return cast(T, done.result())

    def run_in_background(self, change: Change) -> None:
        """Run a change that no thread waits for; with the next one, if another thread writes at this moment."""
        self._waiting.put((change, Future()))
        if self._commit_lock.acquire(blocking=False):
            try:
                threading.Thread(target=self._work, name="writer", daemon=True).start()
            except RuntimeError:  # no more threads can be started: the next change takes it along
                self._commit_lock.release()

    def _work(self) -> None:
        try:
            self._commit(self._next_group())
        finally:
            self._commit_lock.release()

    def _next_group(self) -> list[tuple[Change, Future[Any]]]:
        # Only the thread that holds the commit lock takes changes, and a thread that waits for it has put one there.
        waiting = [self._waiting.get() for _ in range(min(MAX_CHANGES, self._waiting.qsize()))]
        return [(change, done) for change, done in waiting if done.set_running_or_notify_cancel()]

    def _commit(self, group: list[tuple[Change, Future[Any]]]) -> None:
        ended: list[tuple[Future[Any], Any, BaseException | None]] = []
        try:
            with writing(self._engine, urgent=True) as connection:
                if len(group) == 1:
                    ((change, done),) = group
                    ended = [(done, change(connection), None)]
                else:
                    ended = [_run_in_savepoint(connection, change, done) for change, done in group]
        except BaseException as error:  # the transaction as a whole failed: every caller gets the error
            ended = [(done, None, error) for _, done in group]
        for done, result, problem in ended:
            if problem is None:
                done.set_result(result)
            else:
                done.set_exception(problem)


def _run_in_savepoint(
    connection: Connection, change: Change, done: Future[Any]
) -> tuple[Future[Any], Any, BaseException | None]:
    try:
        with connection.begin_nested():
            return done, change(connection), None
    except Exception as error:  # it belongs to the caller of this change
        return done, None, error
