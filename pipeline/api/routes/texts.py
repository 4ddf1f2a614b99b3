"""Routes of text records: taken one by one or by the thousand, read, and deleted."""

from __future__ import annotations

import io
import json
import tempfile
from email.message import Message
from hashlib import sha256
from typing import Annotated, Any, BinaryIO, Literal, NoReturn

from fastapi import APIRouter, Query, Request, Response
from pydantic import BaseModel, ConfigDict, Field, StringConstraints

from pipeline.api.auth import Admin, AuthenticatedRoute, Authentication, BodySender, Reader, Submitter
from pipeline.api.problems import responses
from pipeline.api.receiving import receive
from pipeline.api.request_traces import traced
from pipeline.api.routes.submit import ACCEPTED, LOCATION, WRONG, IdempotencyKey, idempotent_request
from pipeline.api.state import Api, ApiState
from pipeline.errors import BodyTooLarge, BrokenBody, DiskFull, Invalid, WrongMediaType
from pipeline.ingest.request import Line, read_json
from pipeline.ingest.request import Request as Submission
from pipeline.ingest.submit_options import SubmitOptions
from pipeline.ingest.text_lines import MAX_ID, MAX_LINE_BYTES, TextRecord, check_record
from pipeline.ingest.text_lookup import delete_texts, find_text
from pipeline.ingest.texts import submit_texts
from pipeline.names import COLLECTION
from pipeline.results import Deleted, TextDetail, TextsReport
from pipeline.settings.room import check_room

__all__ = ["router"]

router = APIRouter(route_class=AuthenticatedRoute, tags=["texts"])

LINES = ("application/x-ndjson", "application/ndjson", "application/jsonl")
MOST_DELETED = 100

RECORD = {"$ref": "#/components/schemas/TextRecord"}
BODY = {
    "requestBody": {
        "required": True,
        "description": "Records: one JSON object on each line, as many as are wanted; or JSON, one record or a list.",
        "content": {
            LINES[0]: {
                "schema": {"type": "string"},
                "example": '{"id": "1", "text": "One."}\n{"id": "2", "text": "Two."}\n',
            },
            "application/json": {
                "schema": {"anyOf": [RECORD, {"type": "array", "items": RECORD, "minItems": 1, "maxItems": 1000}]}
            },
        },
    }
}

Collection = Annotated[str | None, Query(pattern=COLLECTION, description="by default the one of the settings")]
TextId = Annotated[str, StringConstraints(min_length=1, max_length=MAX_ID, pattern=r"^[^\x00-\x1f\x7f]+$")]
OneId = Annotated[TextId, Query(alias="id", examples=["product-4711"])]
ManyIds = Annotated[list[TextId], Query(alias="id", min_length=1, max_length=MOST_DELETED, examples=[["product-4711"]])]


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
    openapi_extra=BODY,
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
    receiver = _Lines(request, api, authentication, terms, idempotency_key)
    report = await receive(request, api, receiver, api.imports)
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
    report = _submit(api, authentication, terms, io.BytesIO(line), idempotency_key, sha256(line).hexdigest())
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


class _Lines:
    """The body of one request, written to a file without a name, which is gone when it is closed."""

    def __init__(
        self, request: Request, api: ApiState, authentication: Authentication, terms: Terms, key: str | None
    ) -> None:
        self._content_type = request.headers.get("content-type")
        self._api = api
        self._authentication = authentication
        self._terms = terms
        self._key = key
        self._digest = sha256()
        self._file: BinaryIO | None = None

    def feed(self, data: bytes) -> BinaryIO:
        """Authenticate the sender, and write the next bytes."""
        self._authentication.caller()
        if self._file is None:
            check_room(self._api.settings)
            _kind_of(self._content_type)
            self._file = tempfile.TemporaryFile(dir=self._api.services.drafts)  # noqa: SIM115 - closed by `drop`
        self._file.write(data)
        self._digest.update(data)
        return self._file

    def submit(self, last_bytes: bytes) -> TextsReport:
        """Write the last bytes, and take the records in."""
        file = self.feed(last_bytes)
        try:
            lines = file if _kind_of(self._content_type) == "lines" else _as_lines(file)
            body_sha256 = self._digest.hexdigest()
            return _submit(self._api, self._authentication, self._terms, lines, self._key, body_sha256)
        finally:
            self.drop()

    def drop(self) -> None:
        """Delete what has arrived; if the process ends meanwhile, its import ends with it."""
        if self._file is not None:
            self._file.close()


def _kind_of(content_type: str | None) -> Literal["lines", "json"]:
    """What the header Content-Type names. Raises WrongMediaType."""
    message = Message()
    message["content-type"] = content_type or ""
    kind = message.get_content_type()
    if kind not in (*LINES, "application/json"):
        raise WrongMediaType("Records are sent as application/x-ndjson or application/json.")
    return "json" if kind == "application/json" else "lines"


def _as_lines(file: BinaryIO) -> BinaryIO:
    """One record or a list of records in JSON, as lines.

    Raises:
        BodyTooLarge: it is too large to be read at once.
        BrokenBody: it is no JSON.
        Invalid: it is neither an object nor a list.
    """
    file.seek(0)
    data = file.read(MAX_LINE_BYTES + 1)
    if len(data) > MAX_LINE_BYTES:
        raise BodyTooLarge(f"Records in JSON may have {MAX_LINE_BYTES} bytes.", "Send them as application/x-ndjson.")
    try:
        value = read_json(data)
    except (ValueError, RecursionError):
        raise BrokenBody("The body is no JSON.") from None
    if not isinstance(value, dict | list):
        raise Invalid("The body is neither a record nor a list of records.", "See docs/api.md.")
    records: list[Any] = value if isinstance(value, list) else [value]
    return io.BytesIO(b"\n".join(json.dumps(record).encode() for record in records))


def _submit(
    api: ApiState, authentication: Authentication, terms: Terms, lines: BinaryIO, key: str | None, body_sha256: str
) -> TextsReport:
    """Take the records in; with an Idempotency-Key, the terms and the hash of the body say which request it is."""
    caller = authentication.caller()
    body = sha256(f"{terms.model_dump_json()}\n{body_sha256}".encode()).hexdigest()
    options = SubmitOptions(idempotent_request(caller, "texts", key, body), key_id=caller.key)
    return submit_texts(api.services, traced(terms.submission, authentication.request), lines, options, _refuse)


def _refuse(message: str) -> NoReturn:
    """A request does not wait until there is room on the disk; sent again with its key it goes on."""
    raise DiskFull(message)
