"""Routes of text records: taken one by one or by the thousand, read, and deleted."""

from __future__ import annotations

import io
from hashlib import sha256
from typing import Annotated, Any, NoReturn

from fastapi import APIRouter, Query, Request, Response
from pydantic import BaseModel, ConfigDict, Field, StringConstraints

from pipeline.api.auth import (
    Admin,
    AdminBodySender,
    AuthenticatedRoute,
    Authentication,
    BodySender,
    Reader,
    Submitter,
)
from pipeline.api.line_body import JSON, LINES, Kind, Lines, receive_lines
from pipeline.api.problems import responses
from pipeline.api.request_traces import traced
from pipeline.api.routes.submit import ACCEPTED, LOCATION, WRONG, IdempotencyKey, idempotent_request
from pipeline.api.state import Api, ApiState
from pipeline.errors import DiskFull
from pipeline.ingest.request import Line
from pipeline.ingest.request import Request as Submission
from pipeline.ingest.submit_options import SubmitOptions
from pipeline.ingest.text_lines import MAX_ID, MOST_IDS, TextRecord, check_record, read_ids
from pipeline.ingest.text_lookup import delete_texts, find_text
from pipeline.ingest.texts import submit_texts
from pipeline.names import COLLECTION
from pipeline.results import Deleted, TextDetail, TextsReport
from pipeline.settings.room import check_room

__all__ = ["router"]

router = APIRouter(route_class=AuthenticatedRoute, tags=["texts"])

MOST_RECORDS = 1_000_000
"""Records of one request: one that takes them one by one has hours to do, and its sender waits for the answer."""

MOST_NAMED = 100
"""Ids in the query of one deletion: an address has a limited length."""

RECORDS = Kind("a record", "records", dict)
IDS = Kind("an id", "ids", str, needs_room=False)


def _body(description: str, example: str, one: dict[str, Any], **limits: int) -> dict[str, Any]:
    """OpenAPI's description of a body of lines, which is no schema of FastAPI's."""
    many = {"type": "array", "items": one, "minItems": 1, **limits}
    content = {LINES[0]: {"schema": {"type": "string"}, "example": example}, JSON: {"schema": {"anyOf": [one, many]}}}
    return {"requestBody": {"required": True, "description": description, "content": content}}


RECORDS_BODY = _body(
    "Records: one JSON object on each line, a million at most; or JSON of 8 MB at most, one record or a list.",
    '{"id": "1", "text": "One."}\n{"id": "2", "text": "Two."}\n',
    {"$ref": "#/components/schemas/TextRecord"},
)
ID = {"type": "string", "minLength": 1, "maxLength": MAX_ID, "pattern": r"^[^\x00-\x1f\x7f]+$", "examples": ["4711"]}
IDS_BODY = _body(
    f"Ids of records: one JSON string on each line, {MOST_IDS} at most; or JSON, one id or a list.",
    '"4711"\n"4712"\n',
    ID,
    maxItems=MOST_IDS,
)

Collection = Annotated[str | None, Query(pattern=COLLECTION, description="by default the one of the settings")]
TextId = Annotated[str, StringConstraints(min_length=1, max_length=MAX_ID, pattern=r"^[^\x00-\x1f\x7f]+$")]
OneId = Annotated[TextId, Query(alias="id", examples=["product-4711"])]
ManyIds = Annotated[list[TextId], Query(alias="id", min_length=1, max_length=MOST_NAMED, examples=[["product-4711"]])]


class Terms(BaseModel):
    """How records are taken in; the settings decide about what is left out."""

    model_config = ConfigDict(extra="forbid")

    collection: str | None = Field(None, pattern=COLLECTION, description="of records that name none")
    workflow: Line | None = Field(None, max_length=64, examples=["ingest"])
    priority: int | None = Field(None, ge=1, le=10, examples=[5])

    @property
    def submission(self) -> Submission:
        """The request to take in records by these terms."""
        return Submission((), self.collection, self.workflow, self.priority)


@router.post(
    "/v1/texts",
    status_code=202,
    summary="Submit text records",
    responses={**WRONG, 202: {**ACCEPTED[202], **LOCATION}},
    openapi_extra=RECORDS_BODY,
)
async def post_texts(
    request: Request,
    response: Response,
    terms: Annotated[Terms, Query()],
    api: Api,
    authentication: BodySender,
    idempotency_key: IdempotencyKey = None,
) -> TextsReport:
    """Take records, new or changed, as a job; the answer comes when all of them are durable.

    A line that is no record is refused alone. A request that is cut off leaves nothing.
    """

    def take(lines: Lines) -> TextsReport:
        return _submit(api, authentication, terms, lines, idempotency_key)

    report = await receive_lines(request, api, authentication, RECORDS, take)
    response.headers["Location"] = f"/v1/jobs/{report.job_id}"
    return report


@router.put(
    "/v1/texts",
    status_code=202,
    summary="Submit one text record",
    responses={**WRONG, 202: {**ACCEPTED[202], **LOCATION}},
)
def put_text(
    body: TextRecord,
    response: Response,
    terms: Annotated[Terms, Query()],
    api: Api,
    authentication: Submitter,
    idempotency_key: IdempotencyKey = None,
) -> TextsReport:
    """Take one record, new or changed, as a job. A record that is wrong is an error of the whole request."""
    check_room(api.settings)
    line = check_record(body).model_dump_json().encode()
    lines = Lines(io.BytesIO(line), sha256(line).hexdigest())
    report = _submit(api, authentication, terms, lines, idempotency_key)
    response.headers["Location"] = f"/v1/jobs/{report.job_id}"
    return report


@router.get("/v1/texts", summary="A text record", responses=responses(401, 403, 404, 422, 429, 500, 503))
def get_text(text_id: OneId, api: Api, _caller: Reader, collection: Collection = None) -> TextDetail:
    """Text, metadata and tags of a record as readers see them now, and the state of its newest version."""
    return find_text(api.services, collection or api.settings.collection, text_id)


@router.delete("/v1/texts", summary="Delete text records", responses=responses(401, 403, 404, 422, 429, 500, 503))
def remove_texts(text_ids: ManyIds, api: Api, _caller: Admin, collection: Collection = None) -> Deleted:
    """Delete records, and verify that their points are gone; one that is not known is an error, and none is deleted."""
    return delete_texts(api.services, collection or api.settings.collection, text_ids)


@router.post(
    "/v1/texts/delete",
    summary="Delete many text records",
    responses=responses(400, 401, 403, 404, 408, 413, 415, 422, 429, 500, 503, 507),
    openapi_extra=IDS_BODY,
)
async def remove_many_texts(
    request: Request, api: Api, authentication: AdminBodySender, collection: Collection = None
) -> Deleted:
    """Delete records as `DELETE` does, with their ids in the body; one that is not known: none is deleted."""

    def take(lines: Lines) -> Deleted:
        return delete_texts(api.services, collection or api.settings.collection, read_ids(lines.file))

    return await receive_lines(request, api, authentication, IDS, take)


def _submit(api: ApiState, authentication: Authentication, terms: Terms, lines: Lines, key: str | None) -> TextsReport:
    """Take the records in; with an Idempotency-Key, the terms and the hash of the body say which request it is."""
    caller = authentication.caller()
    body = sha256(f"{terms.model_dump_json()}\n{lines.body_sha256}".encode()).hexdigest()
    idempotent = idempotent_request(caller, "texts", key, body)
    options = SubmitOptions(idempotent, key_id=caller.key, most_records=MOST_RECORDS)
    request = traced(terms.submission, authentication.request)
    return submit_texts(api.services, request, lines.file, options, _refuse, lambda _: api.check_running())


def _refuse(message: str) -> NoReturn:
    """A request does not wait until there is room on the disk; sent again with its key it goes on."""
    raise DiskFull(message)
