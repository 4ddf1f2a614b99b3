"""The form of `POST /v1/documents`: its description for OpenAPI, and how its fields are read."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import Any, cast, get_args

from pydantic import ValidationError

from extractors.options import OcrMode
from pipeline.api.models import EXAMPLE_JOB, TAG, WebhookRequest
from pipeline.api.multipart import read_object
from pipeline.errors import BadRequest, Invalid
from pipeline.ingest.request import Request as Submission
from pipeline.names import COLLECTION
from pipeline.types import MAX_TAGS

__all__ = ["OPENAPI_FORM", "job_id_of", "keeps_job_open", "submission_of", "webhook_of"]

JOB_ID = re.compile(r"[0-9a-f-]{1,64}")

JSON_FIELD = {"type": "string", "contentMediaType": "application/json"}
OPENAPI_FORM: dict[str, Any] = {
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
                            "pattern": r"^(?![Ff][Ii][Ll][Ee]:|[Tt][Ee][Xx][Tt]:)[A-Za-z][A-Za-z0-9+.-]*://.",
                            "maxLength": 2000,
                            "description": "URI of the file that follows; a file of the same source is a new version",
                            "example": "https://wiki.example/report",
                        },
                        "metadata": {
                            **JSON_FIELD,
                            "contentSchema": {"type": "object"},
                            "description": "JSON object about the file that follows; workflows read it",
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
                        "ocr": {
                            "type": "string",
                            "enum": list(get_args(OcrMode)),
                            "description": "which pages are read by OCR: those whose text does not hold what is drawn, "
                            "all, or none",
                            "example": "auto",
                        },
                        "tags": {
                            "type": "string",
                            "pattern": f"^({TAG}(,{TAG}){{0,{MAX_TAGS - 1}}})?$",
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
                            "pattern": f"^{JOB_ID.pattern}$",
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


def submission_of(fields: Mapping[str, str]) -> Submission:
    """The submission that the fields of a form ask for; its files come beside it.

    Raises:
        Invalid: the options are no JSON object.
        BadRequest: the priority is no number.
    """
    options = fields.get("options")
    return Submission(
        (),
        fields.get("collection"),
        fields.get("workflow"),
        _number(fields.get("priority")),
        tags=_tags(fields.get("tags")),
        options=None if options is None else read_object("options", options),
        ocr=cast(OcrMode | None, fields.get("ocr")),  # checked with the other terms
    )


def webhook_of(fields: Mapping[str, str]) -> WebhookRequest | None:
    """The webhook to call at the end of the job; None if the form has none. Raises Invalid: it cannot be read."""
    text = fields.get("webhook")
    if text is None:
        return None
    try:
        return WebhookRequest.model_validate(json.loads(text))
    except (ValidationError, ValueError, RecursionError):
        raise Invalid('The field webhook is not like {"url": "https://…", "secret": "…"}.') from None


def job_id_of(fields: Mapping[str, str]) -> str | None:
    """The id of the open job to which the files are added; None for a new job. Raises Invalid: it is no id."""
    job_id = fields.get("job")
    if job_id is not None and not JOB_ID.fullmatch(job_id):
        raise Invalid("The field job is no id of a job.")
    return job_id


def keeps_job_open(fields: Mapping[str, str]) -> bool:
    """Whether the job waits for files of further requests. Raises Invalid: the field is neither true nor false."""
    text = fields.get("more")
    if text not in (None, "true", "false"):
        raise Invalid("The field more is neither true nor false.")
    return text == "true"


def _tags(text: str | None) -> list[str] | None:
    """Tags with commas between them: [] for an empty field, None without the field."""
    if text is None:
        return None
    return text.split(",") if text else []


def _number(text: str | None) -> int | None:
    """The priority in a field. Raises BadRequest: it is no number of one or two digits."""
    if text is None:
        return None
    if not text.isascii() or not text.isdigit() or len(text) > 2:
        raise BadRequest("The priority is no number from 1 to 10.", "Priorities go from 1 to 10.")
    return int(text)
