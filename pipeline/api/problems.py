"""Errors as problem details (RFC 9457), with the codes that the command line prints too."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import redis
import sqlalchemy.exc
import structlog
from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from pydantic import BaseModel, Field
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect

from embeddings.errors import EmbedError
from pipeline.errors import (
    BrokenBody,
    Invalid,
    NoSuchMethod,
    NoSuchRoute,
    PipelineError,
    Rejected,
    StackUnavailable,
)

__all__ = ["MEDIA_TYPE", "STATUS", "FieldError", "Problem", "answer", "install", "problem_of", "responses", "status_of"]

log = structlog.get_logger()

MEDIA_TYPE = "application/problem+json"

STATUS: dict[str, int] = {
    "internal": 500,
    "unknown_id": 404,
    "bad_request": 422,
    "conflict": 409,
    "space_mismatch": 409,
    "stack_unavailable": 503,
    "no_worker": 503,
    "verification_failed": 503,
    "refused": 400,
    "unauthorized": 401,
    "forbidden": 403,
    "path_not_allowed": 403,
    "rate_limited": 429,
    "busy": 503,
    "too_slow": 408,
    "body_too_large": 413,
    "wrong_media_type": 415,
    "broken_body": 400,
    "invalid_request": 422,
    "not_found": 404,
    "method_not_allowed": 405,
    "idempotency_mismatch": 409,
    "content_gone": 410,
    "webhook_refused": 422,
    "too_large": 413,
}
"""HTTP status of every code; `docs/api.md` has the same table. A code of a file that is not here is 422."""

FILE_STATUS = 422
EMBED_STATUS = 503
"""Embedding errors: the question cannot be answered now."""


class FieldError(BaseModel):
    """One wrong field."""

    field: str = Field(description="where it stands, as in body.collection", examples=["body.priority"])
    message: str = Field(examples=["Input should be less than or equal to 10"])


class Problem(BaseModel):
    """A problem detail of RFC 9457 with the stable `code` and a `hint` what to do."""

    type: str = Field(examples=["urn:docrelay:unknown_id"])
    title: str = Field(examples=["No job, document or task has this id."])
    status: int = Field(examples=[404])
    detail: str = Field(examples=["There is no job 0d7c6c0e-5b47-4a3f-9d0a-0c3e0a6b7e11."])
    code: str = Field(examples=["unknown_id"])
    hint: str = Field(examples=["List what there is with: docrelay status"])
    request_id: str | None = Field(None, description="names the request in the log of the API")
    errors: list[FieldError] | None = Field(None, description="wrong fields, with the code invalid_request")


def status_of(error: PipelineError | EmbedError) -> int:
    """The HTTP status of an error."""
    if isinstance(error, EmbedError):
        return EMBED_STATUS
    return STATUS.get(error.code, FILE_STATUS if isinstance(error, Rejected) else 500)


def problem_of(error: PipelineError | EmbedError, errors: Sequence[FieldError] | None = None) -> Problem:
    """An error as a problem detail."""
    hint = error.hint if isinstance(error, EmbedError) else error.advice
    return Problem(
        type=f"urn:docrelay:{error.code}",
        title=(type(error).__doc__ or "").splitlines()[0],
        status=status_of(error),
        detail=printable(error.message),
        code=error.code,
        hint=printable(hint),
        errors=list(errors) if errors else None,
    )


def answer(problem: Problem, headers: Mapping[str, str] | None = None, request_id: str | None = None) -> JSONResponse:
    """The response that a problem is."""
    told = problem.model_copy(update={"request_id": request_id}).model_dump(exclude_none=True)
    return JSONResponse(told, problem.status, headers=dict(headers or {}), media_type=MEDIA_TYPE)


def responses(*codes: int) -> dict[int | str, dict[str, Any]]:
    """These statuses as OpenAPI describes them."""
    schema = {"schema": {"$ref": "#/components/schemas/Problem"}}
    return {code: {"description": WORDS[code], "content": {MEDIA_TYPE: schema}} for code in codes}


WORDS = {
    400: "The body cannot be read.",
    401: "The API key is missing or not valid.",
    403: "The key, the host or the path is not allowed.",
    404: "There is no such thing.",
    405: "The path does not have this method.",
    408: "The body did not come in time.",
    409: "It does not fit what is there: another model, or another request with this Idempotency-Key.",
    410: "The original is not there any more.",
    413: "The body is too large.",
    415: "The body is of a kind that is not read here.",
    422: "A field is wrong, or the request cannot be carried out.",
    429: "Too many requests.",
    500: "Something failed inside.",
    503: "A service is away, or too much is going on.",
}


def install(app: FastAPI) -> None:
    """Make every error of the application, the framework's own too, a problem detail."""
    app.add_exception_handler(PipelineError, _ours)
    app.add_exception_handler(EmbedError, _ours)
    app.add_exception_handler(RequestValidationError, _wrong_fields)
    app.add_exception_handler(HTTPException, _framework)
    for kind in (redis.RedisError, sqlalchemy.exc.DBAPIError, sqlalchemy.exc.TimeoutError, OSError):
        app.add_exception_handler(kind, _away)
    app.add_exception_handler(ClientDisconnect, _unheard)
    app.add_exception_handler(Exception, _unforeseen)


def printable(words: str) -> str:
    """Words that may hold what came from outside, on one line without control characters."""
    return "".join(char if char.isprintable() else char.encode("unicode_escape").decode() for char in words)


def _request_id(request: Request) -> str | None:
    found = request.scope.get("request_id")
    return str(found) if found else None


async def _ours(request: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, (PipelineError, EmbedError))  # noqa: S101 - registered for these alone
    found = problem_of(error)
    return answer(found, _headers(found, getattr(error, "retry_after", None)), _request_id(request))


def _headers(problem: Problem, retry_after: float | None = None) -> dict[str, str]:
    if retry_after is not None:
        return {"Retry-After": str(int(retry_after) + 1)}
    if problem.status == 401:
        return {"WWW-Authenticate": "Bearer"}
    return {"Retry-After": "5"} if problem.status == 503 else {}


async def _wrong_fields(request: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, RequestValidationError)  # noqa: S101 - registered for this alone
    found = error.errors()
    if any(one["type"] == "json_invalid" for one in found):
        return answer(problem_of(BrokenBody("The body is no JSON.")), None, _request_id(request))
    wrong = [
        FieldError(field=printable(".".join(map(str, one["loc"])))[:200], message=printable(one["msg"])[:500])
        for one in found[:20]
    ]
    told = "; ".join(f"{one.field}: {one.message}" for one in wrong[:3])
    return answer(problem_of(Invalid(f"{told}."), wrong), None, _request_id(request))


async def _framework(request: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, HTTPException)  # noqa: S101 - registered for this alone
    kinds: dict[int, type[PipelineError]] = {404: NoSuchRoute, 405: NoSuchMethod, 400: BrokenBody}
    kind = kinds.get(error.status_code, Invalid)
    found = problem_of(kind()).model_copy(update={"status": error.status_code})
    return answer(found, error.headers, _request_id(request))


async def _away(request: Request, error: Exception) -> JSONResponse:
    log.warning("request.service_away", error=f"{type(error).__name__}: {error}")
    found = problem_of(StackUnavailable())
    return answer(found, _headers(found), _request_id(request))


async def _unheard(request: Request, error: Exception) -> JSONResponse:
    """Whoever sent it has gone: nobody hears this."""
    return answer(problem_of(BrokenBody("The body ends in the middle.")), None, _request_id(request))


async def _unforeseen(request: Request, error: Exception) -> JSONResponse:
    # Outside of everything that names the request for the log.
    log.error("request.failed", request=_request_id(request), exc_info=error)
    return answer(problem_of(PipelineError("The request failed inside.")), None, _request_id(request))
