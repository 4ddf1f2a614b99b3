"""A request to ingest: paths, collection, workflow, priority, tags, as the user wrote them."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

from pydantic import Field

from extractors.options import OcrMode
from pipeline.errors import BadRequest

__all__ = ["Line", "MediaType", "Request", "options_of", "read_json"]

Line = Annotated[str, Field(pattern=r"^[^\x00-\x1f\x7f]*$")]
"""Text on one line, without control characters."""

MediaType = Annotated[Line, Field(examples=["application/pdf"], min_length=1)]
"""A media type, or a suffix."""


@dataclass(frozen=True, slots=True)
class Request:
    """A request to ingest; None stands for the setting.

    `tags` are for all documents; None leaves those that they have. `confined`: files are read below `api_roots` only.
    `options` are parameters of the workflow; those that are not named are as `workflow_options` says. `ocr` says which
    pages are read by OCR; None leaves documents as they are that did not change. `trace` is the `traceparent` of the
    request over HTTP.
    """

    paths: Sequence[Path]
    collection: str | None = None
    workflow: str | None = None
    priority: int | None = None
    request_id: str | None = None
    tags: Sequence[str] | None = None
    confined: bool = False
    options: Mapping[str, Any] | None = None
    ocr: OcrMode | None = None
    trace: str | None = None


def options_of(words: Sequence[str]) -> dict[str, Any]:
    """Parse NAME=VALUE for each parameter; a value that is no JSON is a text.

    Raises:
        BadRequest: a word is not of this form, or a name stands there twice.
    """
    options: dict[str, Any] = {}
    for word in words:
        name, sign, value = word.partition("=")
        if not name or not sign:
            raise BadRequest(f"{word!r} is no option of a workflow.", 'Write NAME=VALUE, e.g. mask="[removed]".')
        if name in options:
            raise BadRequest(f"The option {name} stands there twice.", "Several values are a list: NAME=[1, 2].")
        options[name] = _value(value)
    return options


def _value(text: str) -> Any:
    try:
        return read_json(text)
    except (ValueError, RecursionError):
        return text


def read_json(text: str | bytes) -> Any:
    """Parse JSON by the standard, without NaN. Raises ValueError, RecursionError."""
    return json.loads(text, parse_constant=_no_number)


def _no_number(word: str) -> Any:
    raise ValueError(f"{word} is not JSON")
