"""Routes that take work: files in the body, or paths on the server."""

from __future__ import annotations

import asyncio
import json
import re
from collections.abc import Mapping
from dataclasses import replace
from hashlib import sha256
from typing import Annotated, Any

from fastapi import APIRouter, Header, Request, Response
from pydantic import ValidationError

from pipeline.api.auth import Caller, Entry, Guarded, Sender, Submitter
from pipeline.api.models import EXAMPLE_JOB, TAG, Accepted, JobRequest, RefusedUpload, WebhookRequest
from pipeline.api.multipart import Form, RefusedFile, boundary_of, read_object
from pipeline.api.problems import printable, responses
from pipeline.api.state import Api, ApiState
from pipeline.catalog.api.idempotency import scope_of
from pipeline.catalog.work.outbox import Hook
from pipeline.errors import BadRequest, Invalid
from pipeline.errors.problem import problem_of
from pipeline.gates_for_tests import INTAKE, pass_gate
from pipeline.ingest.path_jobs import confined, place
from pipeline.ingest.request import Request as Submission
from pipeline.ingest.submit import check, check_terms
from pipeline.ingest.uploads import Draft, Extra, Once, answered, fingerprint, take_uploads
from pipeline.names import COLLECTION
from pipeline.notify.registry import check_address
from pipeline.types import MOST

__all__ = ["router"]

router = APIRouter(route_class=Guarded, tags=["submit"])

JOB = re.compile(r"[0-9a-f-]{1,64}")
FEED = 1 << 20
"""Bytes that are parsed and written in one call of a thread."""

IdempotencyKey = Annotated[
    str | None,
    Header(
        alias="Idempotency-Key",
        min_length=1,
        max_length=255,
        pattern=r"^[\x21-\x7e]+$",
        description="The same request with the same key is carried out once, and answered the same for a day.",
        examples=["9f0c1c9e-invoice-4711"],
    ),
]

JSON_FIELD = {"type": "string", "contentMediaType": "application/json"}
FORM: dict[str, Any] = {
    "requestBody": {
        "required": True,
        "description": "There is at least one `file`, but with `job`. A field comes once, `source` and `metadata` once "
        "before each file.",
        "content": {
            "multipart/form-data": {
                "schema": {
                    "type": "object",
                    "additionalProperties": False,
                    "properties": {
                        "source": {
                            "type": "string",
                            "pattern": r"^(?![Ff][Ii][Ll][Ee]:)[A-Za-z][A-Za-z0-9+.-]*://.",
                            "maxLength": 2000,
                            "description": "URI of the file that follows; a file of the same source is a new version",
                            "example": "https://wiki.example/report",
                        },
                        "metadata": {
                            **JSON_FIELD,
                            "contentSchema": {"type": "object"},
                            "description": "JSON object told of the file that follows; workflows read it",
                            "example": '{"department": "harbour"}',
                        },
                        "file": {
                            "type": "array",
                            "items": {"type": "string", "format": "binary"},
                            "description": "the files; how many at most, the setting `api_documents` says",
                        },
                        "collection": {"type": "string", "pattern": COLLECTION, "example": "documents"},
                        "workflow": {"type": "string", "description": "see GET /v1/workflows", "example": "ingest"},
                        "options": {
                            **JSON_FIELD,
                            "contentSchema": {"type": "object"},
                            "description": "JSON object: parameters of the workflow",
                            "example": "{}",
                        },
                        "priority": {"type": "integer", "minimum": 1, "maximum": 10, "example": 5},
                        "tags": {
                            "type": "string",
                            "pattern": f"^({TAG}(,{TAG}){{0,{MOST - 1}}})?$",
                            "description": "tags of the documents with commas between; empty takes theirs away",
                            "example": "invoice,2026",
                        },
                        "webhook": {
                            **JSON_FIELD,
                            "contentSchema": {"$ref": "#/components/schemas/WebhookRequest"},
                            "description": "JSON: url and secret",
                            "example": '{"url": "https://example.org/hook", "secret": "a-long-random-secret"}',
                        },
                        "job": {
                            "type": "string",
                            "pattern": f"^{JOB.pattern}$",
                            "description": "add the files to this job, which was begun with `more`; no file closes it",
                            "example": EXAMPLE_JOB,
                        },
                        "more": {
                            "type": "string",
                            "enum": ["true", "false"],
                            "description": "keep the job open for further files; the last request leaves it out",
                            "example": "false",
                        },
                    },
                },
                "encoding": {"file": {"contentType": "application/octet-stream"}},
            }
        },
    }
}
WRONG = responses(400, 401, 403, 408, 409, 413, 415, 422, 429, 500, 503)
LOCATION = {"headers": {"Location": {"description": "the job", "schema": {"type": "string"}}}}
ACCEPTED: dict[int | str, dict[str, Any]] = {202: {"description": "The job is durable and goes on by itself."}}


@router.post(
    "/v1/documents",
    status_code=202,
    summary="Submit files",
    responses={**WRONG, **responses(404), 202: {**ACCEPTED[202], **LOCATION}},
    openapi_extra=FORM,
)
async def submit_documents(
    request: Request, response: Response, api: Api, entry: Sender, idempotency_key: IdempotencyKey = None
) -> Accepted:
    """Take files as multipart/form-data and make a job of them; the answer comes when all of it is durable."""
    loop, upload, pending = asyncio.get_running_loop(), _Upload(request, api, entry, idempotency_key), bytearray()
    try:
        async for piece in request.stream():
            pending += piece
            if len(pending) >= FEED:
                await loop.run_in_executor(api.uploads, upload.feed, bytes(pending))
                pending.clear()
        # A small upload is parsed and recorded in one call: each change of threads waits for a processor.
        accepted = await loop.run_in_executor(api.uploads, upload.take, bytes(pending))
    except BaseException:
        upload.drop()
        raise
    api.admission.wake()
    response.headers["Location"] = f"/v1/jobs/{accepted.job_id}"
    return accepted


@router.post(
    "/v1/jobs",
    status_code=202,
    summary="Submit paths on the server",
    responses={**WRONG, 202: {**ACCEPTED[202], **LOCATION}},
)
def submit_paths(
    wanted: JobRequest, response: Response, api: Api, entry: Submitter, idempotency_key: IdempotencyKey = None
) -> Accepted:
    """Make a job of files and folders below the setting `api_roots`; they are read afterwards."""
    body = sha256(wanted.model_dump_json().encode("utf-8", "surrogatepass")).hexdigest()
    caller = entry.caller()
    once = _once(caller, "jobs", idempotency_key, body)
    before = answered(api.services, once)
    job_id = str(before["job_id"]) if before else _order(api, wanted, caller, once)
    response.headers["Location"] = f"/v1/jobs/{job_id}"
    return Accepted(job_id=job_id)


def _order(api: ApiState, wanted: JobRequest, caller: Caller, once: Once | None) -> str:
    paths = confined(wanted.paths, api.settings.api_roots)
    request = Submission(
        paths, wanted.collection, wanted.workflow, wanted.priority, tags=wanted.tags, options=wanted.options
    )
    check(api.services, request)
    extra = Extra(once, _hook(api, wanted.webhook), caller.key)
    job_id = place(api.services, api.writer, request, wanted.glob, extra)
    api.path_jobs.wake()
    return job_id


class _Upload:
    """A form that arrives; its methods are called in threads, one at a time."""

    def __init__(self, request: Request, api: ApiState, entry: Entry, key: str | None) -> None:
        self._kind = request.headers.get("content-type")
        self._api = api
        self._entry = entry
        self._key = key
        self._form: Form | None = None

    def feed(self, data: bytes) -> Form:
        """Authenticate the sender, and parse the next bytes."""
        self._entry.caller()
        if self._form is None:
            api = self._api
            self._form = Form(boundary_of(self._kind), lambda: Draft(api.services), api.settings.api_documents)
        self._form.feed(data)
        return self._form

    def take(self, rest: bytes) -> Accepted:
        """Parse the last bytes, and make a job of the files."""
        form = self.feed(rest)
        form.end()
        return _submit(self._api, form, self._entry.caller(), self._key)

    def drop(self) -> None:
        """Delete what has arrived."""
        if self._form is not None:
            self._form.drop()


def _submit(api: ApiState, form: Form, caller: Caller, key: str | None) -> Accepted:
    refused = [_refused(file) for file in form.refused]
    fields = form.fields
    if not form.uploads and "job" not in fields:
        raise form.refused[0].error
    once = _once(caller, "documents", key, fingerprint(fields, form.uploads))
    before = answered(api.services, once)
    if before is not None:
        form.drop()
        return Accepted(**before, refused=refused)
    request = _request(fields)
    # The options of a job that is there were checked with its workflow, which need not be named again.
    terms = replace(request, options=None) if "job" in fields else request
    if check_terms(api.services, terms).collections:
        check(api.services, terms)
    hook = _hook(api, _webhook(fields.get("webhook")))
    extra = Extra(once, hook, caller.key, _job(fields.get("job")), _flag(fields.get("more")))
    accepted = take_uploads(api.services, api.writer, request, form.uploads, extra)
    pass_gate(INTAKE, accepted["job_id"])
    return Accepted(**accepted, refused=refused)


def _refused(file: RefusedFile) -> RefusedUpload:
    return RefusedUpload(name=printable(file.name)[:255], **problem_of(file.error).to_json())


def _request(fields: Mapping[str, str]) -> Submission:
    options = fields.get("options")
    return Submission(
        (),
        fields.get("collection"),
        fields.get("workflow"),
        _number(fields.get("priority")),
        tags=_tags(fields.get("tags")),
        options=None if options is None else read_object("options", options),
    )


def _once(caller: Caller, route: str, key: str | None, body: str) -> Once | None:
    return Once(scope_of(caller.key_id, route, key), body) if key else None


def _hook(api: ApiState, wanted: WebhookRequest | None) -> Hook | None:
    if wanted is None:
        return None
    check_address(wanted.url, api.settings)
    return Hook(wanted.url, wanted.secret)


def _webhook(text: str | None) -> WebhookRequest | None:
    if text is None:
        return None
    try:
        return WebhookRequest.model_validate(json.loads(text))
    except (ValidationError, ValueError, RecursionError):
        raise Invalid('The field webhook is not like {"url": "https://…", "secret": "…"}.') from None


def _tags(text: str | None) -> list[str] | None:
    return text.split(",") if text else None if text is None else []


def _job(text: str | None) -> str | None:
    if text is not None and not JOB.fullmatch(text):
        raise Invalid("The field job is no id of a job.")
    return text


def _flag(text: str | None) -> bool:
    if text not in (None, "true", "false"):
        raise Invalid("The field more is neither true nor false.")
    return text == "true"


def _number(text: str | None) -> int | None:
    if text is None:
        return None
    if not text.isascii() or not text.isdigit() or len(text) > 2:
        raise BadRequest("The priority is no number from 1 to 10.", "Priorities go from 1 to 10.")
    return int(text)
