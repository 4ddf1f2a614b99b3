"""Routes that submit documents: files in the body of the request, or paths on the server."""

from __future__ import annotations

from dataclasses import replace
from hashlib import sha256
from typing import Annotated, Any

from fastapi import APIRouter, Header, Request, Response

from pipeline.api.auth import AuthenticatedRoute, Authentication, BodySender, Caller, Submitter
from pipeline.api.models import Accepted, JobRequest, RefusedUpload, WebhookRequest
from pipeline.api.multipart import Form, RefusedFile, boundary_of
from pipeline.api.problems import printable, responses
from pipeline.api.receiving import receive
from pipeline.api.request_traces import traced
from pipeline.api.state import Api, ApiState
from pipeline.api.upload_form import OPENAPI_FORM, job_id_of, keeps_job_open, submission_of, webhook_of
from pipeline.catalog.api.idempotency import scope_of
from pipeline.catalog.work.outbox import Hook
from pipeline.errors.problem import problem_of
from pipeline.gates_for_tests import INTAKE, pass_gate
from pipeline.ingest.path_jobs import allowed_paths, submit_paths_job
from pipeline.ingest.request import Request as Submission
from pipeline.ingest.submit import check, check_terms
from pipeline.ingest.submit_options import IdempotentRequest, SubmitOptions, stored_answer
from pipeline.ingest.uploads import Draft, fingerprint, submit_uploads
from pipeline.notify.registry import check_address
from pipeline.settings.room import check_room

__all__ = ["ACCEPTED", "LOCATION", "WRONG", "IdempotencyKey", "idempotent_request", "router"]

router = APIRouter(route_class=AuthenticatedRoute, tags=["submit"])

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

WRONG = responses(400, 401, 403, 408, 409, 413, 415, 422, 429, 500, 503, 507)
LOCATION = {"headers": {"Location": {"description": "the job", "schema": {"type": "string"}}}}
ACCEPTED: dict[int | str, dict[str, Any]] = {202: {"description": "The job is durable and goes on by itself."}}


@router.post(
    "/v1/documents",
    status_code=202,
    summary="Submit files",
    responses={**WRONG, **responses(404), 202: {**ACCEPTED[202], **LOCATION}},
    openapi_extra=OPENAPI_FORM,
)
async def submit_documents(
    request: Request, response: Response, api: Api, authentication: BodySender, idempotency_key: IdempotencyKey = None
) -> Accepted:
    """Take files as multipart/form-data and make a job of them; the answer comes when all of it is durable."""
    accepted = await receive(request, api, _Upload(request, api, authentication, idempotency_key))
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
    request: Request,
    body: JobRequest,
    response: Response,
    api: Api,
    authentication: Submitter,
    idempotency_key: IdempotencyKey = None,
) -> Accepted:
    """Make a job of files and folders below the setting `api_roots`; they are read afterwards."""
    # A field that is not given is left out: a request of an earlier version keeps its fingerprint.
    text = body.model_dump_json(exclude={"ocr"} if body.ocr is None else None)
    fingerprint_of_body = sha256(text.encode("utf-8", "surrogatepass")).hexdigest()
    caller = authentication.caller()
    idempotent = idempotent_request(caller, "jobs", idempotency_key, fingerprint_of_body)
    earlier = stored_answer(api.services, idempotent)
    if earlier is None:
        check_room(api.settings)
    job_id = str(earlier["job_id"]) if earlier else _open_path_job(api, request, body, caller, idempotent)
    response.headers["Location"] = f"/v1/jobs/{job_id}"
    return Accepted(job_id=job_id)


def _open_path_job(
    api: ApiState, request: Request, body: JobRequest, caller: Caller, idempotent: IdempotentRequest | None
) -> str:
    """Check the request and make a job of its paths, which a thread reads afterwards; the job's id."""
    paths = allowed_paths(body.paths, api.settings.api_roots)
    submission = Submission(
        paths, body.collection, body.workflow, body.priority, tags=body.tags, options=body.options, ocr=body.ocr
    )
    submission = traced(submission, request)
    check(api.services, submission)
    options = SubmitOptions(idempotent, _hook(api, body.webhook), caller.key)
    job_id = submit_paths_job(api.services, api.writer, submission, body.glob, options)
    api.path_jobs.wake()
    return job_id


class _Upload:
    """The upload of one request, parsed while it arrives. Its methods are called in threads, never two at once."""

    def __init__(self, request: Request, api: ApiState, authentication: Authentication, key: str | None) -> None:
        self._request = request
        self._api = api
        self._authentication = authentication
        self._idempotency_key = key
        self._form: Form | None = None

    def feed(self, data: bytes) -> Form:
        """Authenticate the sender, and parse the next bytes."""
        self._authentication.caller()
        if self._form is None:
            api = self._api
            check_room(api.settings)
            self._form = Form(
                boundary_of(self._request.headers.get("content-type")),
                lambda: Draft(api.services),
                api.settings.api_documents,
            )
        self._form.feed(data)
        return self._form

    def submit(self, last_bytes: bytes) -> Accepted:
        """Parse the last bytes, and make a job of the files."""
        form = self.feed(last_bytes)
        form.end()
        return _submit(self._api, self._request, form, self._authentication.caller(), self._idempotency_key)

    def drop(self) -> None:
        """Delete what has arrived."""
        if self._form is not None:
            self._form.drop()


def _submit(api: ApiState, request: Request, form: Form, caller: Caller, key: str | None) -> Accepted:
    """Make a job of the files of a form that has arrived, or add them to the job that the form names."""
    refused = [_refused(file) for file in form.refused]
    fields = form.fields
    if not form.uploads and "job" not in fields:
        raise form.refused[0].error
    idempotent = idempotent_request(caller, "documents", key, fingerprint(fields, form.uploads))
    earlier = stored_answer(api.services, idempotent)
    if earlier is not None:
        form.drop()
        return Accepted(**earlier, refused=refused)
    submission = traced(submission_of(fields), request)
    # The options of a job that is there were checked with its workflow, which need not be named again.
    terms = replace(submission, options=None) if "job" in fields else submission
    if check_terms(api.services, terms).collections:
        check(api.services, terms)
    hook = _hook(api, webhook_of(fields))
    options = SubmitOptions(idempotent, hook, caller.key, job_id_of(fields), keeps_job_open(fields))
    accepted = submit_uploads(api.services, api.writer, submission, form.uploads, options)
    pass_gate(INTAKE, accepted["job_id"])
    return Accepted(**accepted, refused=refused)


def _refused(file: RefusedFile) -> RefusedUpload:
    return RefusedUpload(name=printable(file.name)[:255], **problem_of(file.error).to_json())


def idempotent_request(caller: Caller, route: str, key: str | None, body: str) -> IdempotentRequest | None:
    """What makes a request with this Idempotency-Key run only once; None without a key."""
    return IdempotentRequest(scope_of(caller.key_id, route, key), body) if key else None


def _hook(api: ApiState, webhook: WebhookRequest | None) -> Hook | None:
    """The hook of a job, with a checked address; None if the request names no webhook."""
    if webhook is None:
        return None
    check_address(webhook.url, api.settings)
    return Hook(webhook.url, webhook.secret)
