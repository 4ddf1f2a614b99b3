"""Which failed requests are sent again, after which pause, and which exception a failed one raises."""

from __future__ import annotations

import time
from email.utils import parsedate_to_datetime

import httpx

from pipeline.backoff import backoff_s
from pipeline.errors import InProgress, PipelineError, StackUnavailable
from pipeline.errors.problem import class_of_code

__all__ = ["TRANSPORT_ERRORS", "Attempts", "error_of"]

TRANSPORT_ERRORS = (httpx.TransportError, httpx.InvalidURL)

MAX_ATTEMPTS = 4
FIRST_PAUSE_S = 0.2
MAX_PAUSE_S = 10.0
"""A server that asks for a longer pause than this is not asked again."""

MAX_WAIT_S = 900.0
"""So long in all a request is waited for that an earlier attempt began: an import of very many records."""

TOO_MANY_REQUESTS, SERVICE_UNAVAILABLE = 429, 503


class Attempts:
    """Counts the attempts of one request.

    Args:
        url: the server, for messages.
        repeatable: whether the request may be sent twice.
    """

    def __init__(self, url: str, *, repeatable: bool = True) -> None:
        self._url = url
        self._number = 0
        self._waited_s = 0.0
        self._limit = MAX_ATTEMPTS if repeatable else 1

    def after_error(self, error: Exception) -> float:
        """The pause in seconds after a connection that broke.

        Raises:
            StackUnavailable: that was the last attempt.
        """
        self._number += 1
        if self._number >= self._limit:
            reason = str(error) or type(error).__name__
            raise StackUnavailable(
                f"The server {self._url} cannot be reached: {reason}", "Check the URL, and that the server runs."
            ) from error
        return backoff_s(self._number, FIRST_PAUSE_S, MAX_PAUSE_S)

    def after_response(self, response: httpx.Response) -> float:
        """The pause in seconds after a response that is not a success.

        Raises:
            PipelineError: the error of the response, if it does not pass or that was the last attempt.
        """
        error, pause_s = error_of(response), _retry_after_s(response.headers.get("Retry-After", "1"))
        if isinstance(error, InProgress) and self._limit > 1 and self._waited_s < MAX_WAIT_S:
            # The connection of an earlier attempt broke, and the server works on: this is no failed attempt.
            self._waited_s += pause_s
            return pause_s
        self._number += 1
        busy = response.status_code in (TOO_MANY_REQUESTS, SERVICE_UNAVAILABLE)
        if not busy or pause_s > MAX_PAUSE_S or self._number >= self._limit:
            raise error
        return pause_s


def error_of(response: httpx.Response) -> PipelineError:
    """The exception for a response that is not a success: that of its code, with its message and hint."""
    try:
        body = response.json()
        code, detail, hint = str(body["code"]), str(body["detail"]), str(body.get("hint") or "")
    except (ValueError, KeyError, TypeError):
        return StackUnavailable(
            f"The server answered {response.status_code}, and not as Docrelay does.", "Check the URL of the server."
        )
    return _class_of(code, response.status_code)(detail, hint)


def _class_of(code: str, status: int) -> type[PipelineError]:
    """The class with this code. For a code without one (an embedder's, or a newer server's) a class is made."""
    base = StackUnavailable if status == SERVICE_UNAVAILABLE else PipelineError
    attributes = {"__doc__": "The server refused the request.", "code": code}
    return class_of_code(code) or type("RemoteError", (base,), attributes)


def _retry_after_s(header: str) -> float:
    """The pause that a header Retry-After asks for, in seconds or as a date; 1 if it cannot be read."""
    if header.isdecimal():
        return float(header)
    try:
        return max(float(parsedate_to_datetime(header).timestamp()) - time.time(), 0.0)
    except ValueError:
        return 1.0
