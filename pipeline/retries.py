"""The retry policy: which errors are those of a service, and how long to wait before the next try.

Not beside the error classes: it names the errors of every service, and imports their libraries.
"""

from __future__ import annotations

import errno
import random

import httpx
import redis.exceptions

from embeddings.errors import EmbedError
from pipeline.backoff import backoff_s
from pipeline.catalog import TRANSIENT_CATALOG_ERRORS
from pipeline.errors import DiskFull, StackUnavailable, VerificationFailed
from pipeline.errors.problem import KNOWN, Problem, problem_of
from pipeline.settings import Settings
from pipeline.settings.room import LATER, full_disk

__all__ = [
    "NO_ROOM_SENTENCES",
    "TRANSIENT",
    "delay_s",
    "is_service_error",
    "is_worth_retrying",
    "needs_room",
    "service_problem",
]

TRANSIENT: tuple[type[Exception], ...] = (
    StackUnavailable,
    VerificationFailed,
    ConnectionError,
    redis.exceptions.ConnectionError,
    redis.exceptions.TimeoutError,
    *TRANSIENT_CATALOG_ERRORS,
    httpx.TransportError,
    httpx.HTTPStatusError,
    OSError,
)
"""Errors that a retry can cure: of Redis, Qdrant, the catalog, the disk, a model endpoint."""

NO_ROOM_SENTENCES = ("database or disk is full", "No space left on device", "Disk quota exceeded")
"""Of SQLite, and of the system; the engine of the vectors has the latter ones in its messages."""

UNAVAILABLE_HINT = "Remove the cause, then run: docrelay failures retry"


def is_service_error(error: BaseException) -> bool:
    """Whether the error is about a service, and not about the document that is processed.

    A missing artifact is about the document: waiting does not bring it back, processing the document anew does.
    """
    return isinstance(error, (EmbedError, *TRANSIENT)) and not isinstance(error, FileNotFoundError)


def needs_room(settings: Settings, error: BaseException) -> bool:
    """Whether the error is that of a disk without room: it passes as soon as there is some, and uses up no try.

    Without room, a service fails in many ways (SQLite: "disk I/O error"; the store of vectors ends): there any error of
    a service counts. A disk that has room again is full no more: then the error is one of those that are tried again.
    """
    if isinstance(error, DiskFull) or getattr(error, "errno", None) == errno.EDQUOT:
        return True
    says_so = any(sentence in str(error) for sentence in NO_ROOM_SENTENCES)
    return (says_so or is_service_error(error)) and full_disk(settings, LATER) is not None


def is_worth_retrying(error: BaseException) -> bool:
    """Whether a service error is worth a retry: errors of embedding have a flag for it, all others are."""
    return bool(getattr(error, "transient", True))


def service_problem(error: BaseException) -> Problem:
    """Return the problem of a service error; its code is `unavailable` if the error is one of a service's library."""
    if isinstance(error, KNOWN):
        return problem_of(error)
    return Problem("unavailable", f"{type(error).__name__}: {error}", UNAVAILABLE_HINT, transient=True)


def delay_s(settings: Settings, retries: int, cause: BaseException | None) -> float:
    """Return the seconds until the next try of a task: doubling, never before the service allows it.

    Only half of a pause is left to chance: all of it would let a bad streak use up the tries within seconds.

    Args:
        settings: `retry_backoff_s` bounds the first pause, `retry_backoff_max_s` every one.
        retries: retries so far.
        cause: the error; its `retry_after`, in seconds, is what an endpoint asked for.
    """
    longest = backoff_s(retries + 1, settings.retry_backoff_s, settings.retry_backoff_max_s)
    asked = getattr(cause, "retry_after", None) or 0.0
    return max(random.uniform(longest / 2, longest), min(asked, settings.retry_backoff_max_s))  # noqa: S311 - no secret
