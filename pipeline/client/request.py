"""A request to the API as plain data, with the way in which its response is read."""

from __future__ import annotations

import json
import mimetypes
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Any, Generic, TypeAlias, TypedDict, TypeVar

import httpx
from pydantic import BaseModel

from pipeline.errors import BadRequest

__all__ = ["File", "Options", "Page", "Request", "job_fields", "model_reader"]

T = TypeVar("T")
Model = TypeVar("Model", bound=BaseModel)

File: TypeAlias = "str | Path | tuple[str, bytes | IO[bytes]]"
"""A file to be sent: a path, or a name with its bytes or an open binary file that can seek."""

Part: TypeAlias = tuple[str, Any]
"""A part of a multipart form, as httpx takes it."""


NDJSON = "application/x-ndjson"

LINES_S = 900.0
"""Longest wait for the answer to a body of lines: it comes when all of them are durable, and they may be very many."""


class Options(TypedDict, total=False):
    """Options of a submission; the server's settings decide about those that are left out.

    `options` are parameters of the workflow, `ocr` is auto, force or off. `webhook` has `url` and `secret`. `tags`
    replace the tags of all documents of the submission, [] removes them. `sources` are the URIs of the files, in their
    order, and `metadata` the metadata of each, in the same order, {} for a file without. `job` adds the files to a job
    that was begun with `more`, and `more` keeps it open for further ones; `job` without `more` and without files closes
    it.
    """

    collection: str | None
    workflow: str | None
    options: Mapping[str, Any] | None
    priority: int | None
    ocr: str | None
    webhook: Mapping[str, str] | None
    tags: Sequence[str] | None
    sources: Sequence[str]
    metadata: Sequence[Mapping[str, Any]]
    job: str | None
    more: bool


@dataclass(frozen=True, slots=True)
class Request(Generic[T]):
    """One request. `read` makes the result of a successful response; `repeatable` says whether it may be sent twice.

    `lines` are a body of NDJSON, which is sent while it is read. `timeout_s` is the longest wait for the answer, where
    one is known that takes longer than others.
    """

    method: str
    path: str
    read: Callable[[httpx.Response], T]
    params: Mapping[str, Any] = field(default_factory=dict)
    json: Any = None
    files: Sequence[File] = ()
    options: Options = field(default_factory=lambda: Options())
    lines: Iterable[bytes] | None = None
    idempotency_key: str | None = None
    repeatable: bool = True
    timeout_s: float | None = None

    def arguments(self, scope: ExitStack) -> dict[str, Any]:
        """Keyword arguments of httpx's `request`; files stay open as long as the scope."""
        params = {name: value for name, value in self.params.items() if value is not None}
        arguments: dict[str, Any] = {"method": self.method, "url": self.path, "params": params}
        if self.json is not None:
            arguments["json"] = self.json
        if self.lines is not None:
            arguments["content"] = self.lines
        timeout_s = LINES_S if self.lines is not None else self.timeout_s
        if timeout_s is not None:
            arguments["timeout"] = httpx.Timeout(timeout_s, connect=10.0)
        if self.files or self.options:
            arguments["files"] = [*_field_parts(self.options), *_file_parts(self.files, self.options, scope)]
        headers = {"Idempotency-Key": self.idempotency_key, "Content-Type": self.lines is not None and NDJSON}
        return arguments | {"headers": {name: value for name, value in headers.items() if value}}


@dataclass(frozen=True, slots=True)
class Page(Generic[T]):
    """One page of a list, and the request for the following page; None at the end."""

    items: list[T]
    following: Request[Page[T]] | None


def job_fields(options: Options) -> dict[str, Any]:
    """The options that are about the job as a whole and are given."""
    names = ("collection", "workflow", "options", "priority", "ocr", "tags", "webhook")
    values: dict[str, Any] = {name: options.get(name) for name in names}
    return {name: value for name, value in values.items() if value is not None}


def _field_parts(options: Options) -> Iterator[Part]:
    """The fields of the form that hold for the whole submission."""
    fields = job_fields(options) | {"job": options.get("job"), "more": "true" if options.get("more") else None}
    write: dict[str, Callable[[Any], str]] = {"webhook": _to_json, "options": _to_json, "tags": ",".join}
    for name, value in fields.items():
        if value is not None:
            yield name, (None, write.get(name, str)(value).encode())


def model_reader(model: type[Model]) -> Callable[[httpx.Response], Model]:
    """A function that reads a model from a response."""
    return lambda response: model.model_validate(response.json())


def _file_parts(files: Sequence[File], options: Options, scope: ExitStack) -> Iterator[Part]:
    """The files, each after the fields that are about it alone."""
    sources, metadata = options.get("sources", ()), options.get("metadata", ())
    for name, values in (("sources", sources), ("metadata", metadata)):
        if values and len(values) != len(files):
            raise BadRequest(f"There are not as many {name} as files.", "Give one for each file, or none.")
    for number, file in enumerate(files):
        if sources:
            yield "source", (None, sources[number].encode())
        if metadata:
            yield "metadata", (None, _to_json(metadata[number]).encode())
        yield "file", _file_part(file, scope)


def _file_part(file: File, scope: ExitStack) -> tuple[str, Any, str]:
    """Name, content and media type."""
    if isinstance(file, tuple):
        name, content = file
        if not isinstance(content, bytes):
            content.seek(0)
    else:
        path = Path(file)
        name, content = path.name, scope.enter_context(path.open("rb"))
    return name, content, mimetypes.guess_type(name)[0] or "application/octet-stream"


def _to_json(value: Mapping[str, Any]) -> str:
    return json.dumps(dict(value))
