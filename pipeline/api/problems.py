"""Errors as problem details (RFC 9457), with the codes that the command line prints too."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import redis
import structlog
from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from pydantic import BaseModel, Field
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect

from embeddings.errors import EmbedError
from extractors.errors import ExtractError
from pipeline.catalog import CATALOG_ERRORS
from pipeline.errors import (
    BrokenBody,
    DiskFull,
    Invalid,
    NoSuchMethod,
    NoSuchRoute,
    PipelineError,
    Rejected,
    StackUnavailable,
)
from pipeline.errors.problem import KNOWN, KnownError, problem_of
from pipeline.retries import NO_ROOM_SENTENCES

__all__ = [
    "MEDIA_TYPE",
    "STATUS",
    "FieldError",
    "ProblemDetails",
    "describe",
    "install",
    "printable",
    "respond",
    "responses",
    "status_of",
]

log = structlog.get_logger()

MEDIA_TYPE = "application/problem+json"

STATUS: dict[str, int] = {
    "internal": 500,
    "unknown_id": 404,
    "unknown_page": 404,
    "bad_request": 422,
    "conflict": 409,
    "space_mismatch": 409,
    "stack_unavailable": 503,
    "no_worker": 503,
    "disk_full": 507,
    "store_damaged": 503,
    "verification_failed": 503,
    "refused": 400,
    "unauthorized": 401,
    "forbidden": 403,
    "path_not_allowed": 403,
    "rate_limited": 429,
    "busy": 503,
    "not_ready": 503,
    "too_slow": 408,
    "body_too_large": 413,
    "wrong_media_type": 415,
    "broken_body": 400,
    "invalid_request": 422,
    "not_found": 404,
    "method_not_allowed": 405,
    "idempotency_mismatch": 409,
    "request_in_progress": 409,
    "content_gone": 410,
    "webhook_refused": 422,
    "too_large": 413,
}
"""HTTP status of every code; `docs/api.md` has the same table. A code of a file that is not here has the status 422."""

MOST_FIELDS = 20
"""So many wrong fields of a request are named at most."""

RETRY_AFTER_S = {503: "5", 507: "60"}

FILE_STATUS = 422
EMBED_STATUS = 503
"""Status of every error of the embedder: the search cannot be answered now."""


class FieldError(BaseModel):
    """One wrong field."""

    field: str = Field(description="where it stands, as in body.collection", examples=["body.priority"])
    message: str = Field(examples=["Input should be less than or equal to 10"])


class ProblemDetails(BaseModel, title="Problem"):
    """A problem detail of RFC 9457 with the stable `code` and a `hint` what to do."""

    type: str = Field(examples=["urn:docrelay:unknown_id"])
    title: str = Field(examples=["No job, document or task has this id."])
    status: int = Field(examples=[404])
    detail: str = Field(examples=["There is no job 0d7c6c0e-5b47-4a3f-9d0a-0c3e0a6b7e11."])
    code: str = Field(examples=["unknown_id"])
    hint: str = Field(examples=["List what there is with: docrelay status"])
    request_id: str | None = Field(None, description="names the request in the log of the API")
    errors: list[FieldError] | None = Field(None, description="wrong fields, with the code invalid_request")


def status_of(error: KnownError) -> int:
    """The HTTP status of an error."""
    if isinstance(error, EmbedError):
        return EMBED_STATUS
    return STATUS.get(error.code, FILE_STATUS if isinstance(error, (Rejected, ExtractError)) else 500)


def describe(error: KnownError, errors: Sequence[FieldError] | None = None) -> ProblemDetails:
    """An error as a problem detail."""
    problem = problem_of(error)
    return ProblemDetails(
        type=f"urn:docrelay:{problem.code}",
        title=(type(error).__doc__ or "").splitlines()[0],
        status=status_of(error),
        detail=printable(problem.message),
        code=problem.code,
        hint=printable(problem.hint),
        errors=list(errors) if errors else None,
    )


def respond(
    details: ProblemDetails, headers: Mapping[str, str] | None = None, request_id: str | None = None
) -> JSONResponse:
    """The response with this problem detail as its body."""
    body = details.model_copy(update={"request_id": request_id}).model_dump(exclude_none=True)
    return JSONResponse(body, details.status, headers=dict(headers or {}), media_type=MEDIA_TYPE)


def responses(*codes: int) -> dict[int | str, dict[str, Any]]:
    """OpenAPI's description of the responses with these statuses."""
    schema = {"schema": {"$ref": "#/components/schemas/Problem"}}
    return {code: {"description": DESCRIPTIONS[code], "content": {MEDIA_TYPE: schema}} for code in codes}


DESCRIPTIONS = {
    400: "The body cannot be read.",
    401: "The API key is missing or not valid.",
    403: "The key, the host or the path is not allowed.",
    404: "There is no such thing.",
    405: "The path does not have this method.",
    408: "The body did not come in time.",
    409: "It does not fit what is there: another model, or a request with this Idempotency-Key, another or under way.",
    410: "The original is not there any more.",
    413: "The body is too large.",
    415: "The body is of a kind that is not read here.",
    422: "A field is wrong, or the request cannot be carried out.",
    429: "Too many requests.",
    500: "Something failed inside.",
    503: "A service is away, or too much is going on.",
    507: "The disk of the server is full.",
}


def install(app: FastAPI) -> None:
    """Make every error of the application, those of the framework included, a problem detail."""
    for root in KNOWN:
        app.add_exception_handler(root, _known)
    app.add_exception_handler(RequestValidationError, _wrong_fields)
    app.add_exception_handler(HTTPException, _framework)
    services: tuple[type[Exception], ...] = (redis.RedisError, *CATALOG_ERRORS, OSError)
    for kind in services:
        app.add_exception_handler(kind, _service_unavailable)
    app.add_exception_handler(ClientDisconnect, _disconnected)
    app.add_exception_handler(Exception, _unexpected)


def printable(text: str) -> str:
    """Text that may hold what came from outside, on one line without control characters."""
    return "".join(char if char.isprintable() else char.encode("unicode_escape").decode() for char in text)


def _request_id(request: Request) -> str | None:
    request_id = request.scope.get("request_id")
    return str(request_id) if request_id else None


async def _known(request: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, KNOWN)  # noqa: S101 - registered for these alone
    wrong = getattr(error, "fields", {})
    details = describe(error, [_field_error(*field) for field in list(wrong.items())[:MOST_FIELDS]])
    return respond(details, _headers(details, getattr(error, "retry_after", None)), _request_id(request))


def _headers(details: ProblemDetails, retry_after: float | None = None) -> dict[str, str]:
    """Headers of a problem: how to authenticate, or when to try again."""
    if retry_after is not None:
        return {"Retry-After": str(int(retry_after) + 1)}
    if details.status == 401:
        return {"WWW-Authenticate": "Bearer"}
    return {"Retry-After": RETRY_AFTER_S[details.status]} if details.status in RETRY_AFTER_S else {}


async def _wrong_fields(request: Request, error: Exception) -> JSONResponse:
    """Fields that FastAPI found wrong, as one problem that lists the first of them."""
    assert isinstance(error, RequestValidationError)  # noqa: S101 - registered for this alone
    wrong = error.errors()
    if any(row["type"] == "json_invalid" for row in wrong):
        return respond(describe(BrokenBody("The body is no JSON.")), None, _request_id(request))
    fields = [_field_error(".".join(map(str, row["loc"])), row["msg"]) for row in wrong[:MOST_FIELDS]]
    summary = "; ".join(f"{row.field}: {row.message}" for row in fields[:3])
    return respond(describe(Invalid(f"{summary}."), fields), None, _request_id(request))


def _field_error(field: str, message: str) -> FieldError:
    return FieldError(field=printable(field)[:200], message=printable(message)[:500])


async def _framework(request: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, HTTPException)  # noqa: S101 - registered for this alone
    kinds: dict[int, type[PipelineError]] = {404: NoSuchRoute, 405: NoSuchMethod, 400: BrokenBody}
    kind = kinds.get(error.status_code, Invalid)
    details = describe(kind()).model_copy(update={"status": error.status_code})
    return respond(details, error.headers, _request_id(request))


async def _service_unavailable(request: Request, error: Exception) -> JSONResponse:
    log.warning("request.service_away", error=f"{type(error).__name__}: {error}")
    is_full = any(sentence in str(error) for sentence in NO_ROOM_SENTENCES)
    details = describe(DiskFull() if is_full else StackUnavailable())
    return respond(details, _headers(details), _request_id(request))


async def _disconnected(request: Request, error: Exception) -> JSONResponse:
    """The client closed the connection while it was sending; no client reads this response."""
    return respond(describe(BrokenBody("The body ends in the middle.")), None, _request_id(request))


async def _unexpected(request: Request, error: Exception) -> JSONResponse:
    # The middleware has unbound the request id by now, so it is named here.
    log.error("request.failed", request=_request_id(request), exc_info=error)
    return respond(describe(PipelineError("The request failed inside.")), None, _request_id(request))
