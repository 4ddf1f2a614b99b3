"""The retry policy: which errors pass by themselves, and how long to wait before the next try.

Apart from the errors themselves, since it names those of every service, and with them come their libraries.
"""

from __future__ import annotations

import random

import httpx
import redis.exceptions

from embeddings.errors import EmbedError
from pipeline.backoff import backoff_s
from pipeline.catalog import TRANSIENT_CATALOG_ERRORS
from pipeline.errors import StackUnavailable, VerificationFailed
from pipeline.errors.problem import KNOWN, Problem, problem_of
from pipeline.settings import Settings

__all__ = ["TRANSIENT", "delay_s", "passes", "passes_by_itself", "service_problem"]

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
"""What a retry can cure: Redis, Qdrant, the catalog, the disk, a model endpoint."""


UNAVAILABLE_HINT = "Mend the cause, then run: docrelay failures retry"


def passes(error: BaseException) -> bool:
    """Whether the error is about a service, and not about the document in hand.

    An artifact that is gone is about the document: waiting does not bring it back, beginning anew does.
    """
    return isinstance(error, (EmbedError, *TRANSIENT)) and not isinstance(error, FileNotFoundError)


def passes_by_itself(error: BaseException) -> bool:
    """Of an error that `passes`, whether it is worth a retry: an embedding endpoint says so itself."""
    return bool(getattr(error, "transient", True))


def service_problem(error: BaseException) -> Problem:
    """The problem of an error that `passes`; `unavailable` if it is an error of a service's library."""
    if isinstance(error, KNOWN):
        return problem_of(error)
    return Problem("unavailable", f"{type(error).__name__}: {error}", UNAVAILABLE_HINT, transient=True)


def delay_s(settings: Settings, retries: int, cause: BaseException | None) -> float:
    """Seconds until the next try of a task: doubling, with full jitter, and never before the time the service named.

    Args:
        settings: `retry_backoff_s` bounds the first pause, `retry_backoff_max_s` every one.
        retries: retries so far.
        cause: the error; its `retry_after`, in seconds, is what an endpoint asked for.
    """
    longest = backoff_s(retries + 1, settings.retry_backoff_s, settings.retry_backoff_max_s)
    asked = getattr(cause, "retry_after", None) or 0.0
    return max(random.uniform(0, longest), min(asked, settings.retry_backoff_max_s))  # noqa: S311 - no secret
