"""Errors of requests that the API does not let in."""

from __future__ import annotations

from collections.abc import Mapping

from pipeline.errors.base import PipelineError

__all__ = [
    "BodyTooLarge",
    "BrokenBody",
    "Busy",
    "Gone",
    "HookRefused",
    "InProgress",
    "Invalid",
    "NoKey",
    "NoSuchMethod",
    "NoSuchRoute",
    "NotAllowed",
    "NotReady",
    "OtherRequest",
    "PathNotAllowed",
    "Refused",
    "TooMany",
    "TooSlow",
    "WrongMediaType",
]


class Refused(PipelineError):
    """The request is not let in."""

    code = "refused"
    hint = "See docs/api.md."


class NoKey(Refused):
    """The API key is missing or not valid."""

    code = "unauthorized"
    hint = "Send `Authorization: Bearer KEY`; a key is made with: docrelay keys create"


class NotAllowed(Refused):
    """This request is not allowed."""

    code = "forbidden"
    hint = "Use a key with the scope that docs/api.md names for it."


class PathNotAllowed(Refused):
    """The path is outside the folders that the API may read."""

    code = "path_not_allowed"
    hint = "Name the folder in the setting `api_roots`, or send the files themselves."


class TooMany(Refused):
    """The key has sent more requests than it may."""

    code = "rate_limited"
    hint = "Wait as long as the header Retry-After says."
    retry_after = 60.0
    """Seconds until the next request is served."""


class Busy(Refused):
    """The API serves as many requests as it can at once."""

    code = "busy"
    hint = "Try again a little later."


class NotReady(Refused):
    """No document can be accepted and kept just now."""

    code = "not_ready"
    hint = "Ask GET /health with a key for the cause, or run on the machine: docrelay doctor"


class TooSlow(Refused):
    """The body of the request did not come in time."""

    code = "too_slow"
    hint = "Send it without pauses."


class BodyTooLarge(Refused):
    """The request has more bytes, files or fields than it may."""

    code = "body_too_large"
    hint = "Split the request."


class WrongMediaType(Refused):
    """A body of this kind is not read here."""

    code = "wrong_media_type"
    hint = "docs/api.md says which kind each address reads."


class BrokenBody(Refused):
    """The body of the request cannot be read."""

    code = "broken_body"
    hint = "Check how the request is put together."


class Invalid(Refused):
    """Fields of the request are unknown, missing or wrong."""

    code = "invalid_request"
    hint = "The list `errors` names them."

    def __init__(self, message: str = "", hint: str = "", fields: Mapping[str, str] | None = None) -> None:
        super().__init__(message, hint)
        self.fields = dict(fields or {})
        """What is wrong with each of them, by where it stands: `body.colour`."""


class NoSuchRoute(Refused):
    """The API has no such path."""

    code = "not_found"
    hint = "The paths are listed at /docs and /openapi.json."


class NoSuchMethod(Refused):
    """This path does not have this method."""

    code = "method_not_allowed"
    hint = "The header Allow lists the methods that it has."


class OtherRequest(Refused):
    """This Idempotency-Key stands for another request."""

    code = "idempotency_mismatch"
    hint = "Take a new key for every new request."


class InProgress(Refused):
    """The same request with this Idempotency-Key is being carried out."""

    code = "request_in_progress"
    hint = "Wait as long as the header Retry-After says, then send it again with the same key."
    retry_after = 4.0
    """Seconds until the request is worth sending again."""


class Gone(Refused):
    """The original of this document is not there any more."""

    code = "content_gone"
    hint = "Set `keep_originals`, or send the file instead of naming its path."


class HookRefused(Refused):
    """No webhook may have this address."""

    code = "webhook_refused"
    hint = "Give an http(s) address of a public host, or set `webhook_private`."
