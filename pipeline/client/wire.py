"""What both clients share: requests as plain data, answers as our models, problems as our exceptions."""

from __future__ import annotations

import mimetypes
import time
import uuid
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from email.utils import parsedate_to_datetime
from pathlib import Path
from typing import IO, Any, TypeAlias, TypedDict

import httpx

from pipeline.errors import BadRequest, PipelineError, StackUnavailable
from pipeline.errors.problem import class_of_code

__all__ = [
    "TRIES",
    "Call",
    "Event",
    "File",
    "Lines",
    "Options",
    "fields",
    "new_key",
    "pause_s",
    "problem",
    "unreachable",
]

TRIES = 4
LONGEST_PAUSE_S = 10.0
SERVICE_UNAVAILABLE = 503

File: TypeAlias = "str | Path | tuple[str, bytes | IO[bytes]]"
"""A file to be sent: a path, or a name with its bytes or an open binary file that can seek."""


class Options(TypedDict, total=False):
    """What a submission may say; what it does not is as the server is set.

    `options` are parameters of the workflow. `webhook` has `url` and `secret`. `tags` are for all documents: they
    replace those that one has, [] takes them away. `sources` are the URIs of the files, in their order, and `metadata`
    what is told of each, in the same order, {} of one of which nothing is told. `job` adds files to a job that was
    begun with `more`, and `more` keeps it open for further ones; `job` without `more` and without files closes it.
    """

    collection: str | None
    workflow: str | None
    options: Mapping[str, Any] | None
    priority: int | None
    webhook: Mapping[str, str] | None
    tags: Sequence[str] | None
    sources: Sequence[str]
    metadata: Sequence[Mapping[str, Any]]
    job: str | None
    more: bool


def fields(options: Options) -> dict[str, Any]:
    """What is said about the job as a whole."""
    names = ("collection", "workflow", "options", "priority", "tags", "webhook")
    said: dict[str, Any] = {name: options.get(name) for name in names}
    return {name: value for name, value in said.items() if value is not None}


@dataclass(frozen=True, slots=True)
class Call:
    """One request; `again` says whether it may be sent twice."""

    method: str
    path: str
    params: Mapping[str, Any] = field(default_factory=dict)
    json: Any = None
    files: Sequence[File] = ()
    options: Options = field(default_factory=lambda: Options())
    key: str | None = None
    again: bool = True

    def arguments(self, scope: ExitStack) -> dict[str, Any]:
        """What httpx is told; files are opened in the scope."""
        found: dict[str, Any] = {"params": {name: one for name, one in self.params.items() if one is not None}}
        if self.json is not None:
            found["json"] = self.json
        if self.files or self.options:
            found["files"] = list(_parts(self, scope))
        if self.key is not None:
            found["headers"] = {"Idempotency-Key": self.key}
        return found


def new_key() -> str:
    """An Idempotency-Key of its own for one submission, however often it is sent."""
    return uuid.uuid4().hex


@dataclass(frozen=True, slots=True)
class Event:
    """Something that happened in a job; `id` is what to go on after, None for progress."""

    id: int | None
    kind: str
    data: str


class Lines:
    """Puts server-sent events together from the lines of a stream."""

    def __init__(self) -> None:
        self._id: str | None = None
        self._kind = "message"
        self._data: list[str] = []

    def feed(self, line: str) -> Event | None:
        """Take a line; the event that it ends, if it ends one."""
        if line:
            name, _, value = line.partition(":")
            value = value.removeprefix(" ")
            if name == "data":
                self._data.append(value)
            elif name == "event":
                self._kind = value
            elif name == "id":
                self._id = value
            return None
        found = Event(int(self._id) if self._id else None, self._kind, "\n".join(self._data)) if self._data else None
        self.__init__()  # type: ignore[misc]
        return found


def problem(response: httpx.Response) -> PipelineError:
    """The error that a response tells of, as the exception that it would be on the server."""
    try:
        told = response.json()
        code, detail, hint = str(told["code"]), str(told["detail"]), str(told.get("hint") or "")
    except (ValueError, KeyError, TypeError):
        return StackUnavailable(
            f"The server answered {response.status_code}, and not as Docrelay does.", "Check the URL of the server."
        )
    return _error(code, response.status_code)(detail, hint)


def unreachable(url: str, error: Exception) -> StackUnavailable:
    """The error of a server that does not answer."""
    told = str(error) or type(error).__name__
    return StackUnavailable(f"The server {url} cannot be reached: {told}", "Check the URL, and that the server runs.")


def pause_s(response: httpx.Response | None, trial: int) -> float | None:
    """How long to wait before a request is sent again; None where that is in vain."""
    if response is None:
        return min(0.2 * float(2**trial), LONGEST_PAUSE_S)
    if response.status_code not in (429, SERVICE_UNAVAILABLE):
        return None
    asked: str = response.headers.get("Retry-After", "1")
    seconds = float(asked) if asked.isdecimal() else _until(asked)
    return seconds if seconds <= LONGEST_PAUSE_S else None


def _until(moment: str) -> float:
    try:
        return max(float(parsedate_to_datetime(moment).timestamp()) - time.time(), 0.0)
    except ValueError:
        return 1.0


def _parts(call: Call, scope: ExitStack) -> Iterator[tuple[str, Any]]:
    import json

    def in_json(told: Mapping[str, Any]) -> str:
        return json.dumps(dict(told))

    options = call.options
    for name, value in (
        *fields(options).items(),
        ("job", options.get("job")),
        ("more", "true" if options.get("more") else None),
    ):
        if value is not None:
            written = {"webhook": in_json, "options": in_json, "tags": ",".join}.get(name, str)
            yield name, (None, written(value).encode())
    sources, metadata = options.get("sources", ()), options.get("metadata", ())
    for name, given in (("sources", sources), ("metadata", metadata)):
        if given and len(given) != len(call.files):
            raise BadRequest(f"There are not as many {name} as files.", "Give one for each file, or none.")
    for number, file in enumerate(call.files):
        if sources:
            yield "source", (None, sources[number].encode())
        if metadata:
            yield "metadata", (None, json.dumps(dict(metadata[number])).encode())
        yield "file", _part(file, scope)


def _part(file: File, scope: ExitStack) -> tuple[str, Any, str]:
    if isinstance(file, tuple):
        name, content = file
        if not isinstance(content, bytes):
            content.seek(0)
    else:
        path = Path(file)
        name, content = path.name, scope.enter_context(path.open("rb"))
    return name, content, mimetypes.guess_type(name)[0] or "application/octet-stream"


def _error(code: str, status: int) -> type[PipelineError]:
    """The class with this code; for a code without a class (an embedder's, or a newer server's) one is made."""
    base = StackUnavailable if status == SERVICE_UNAVAILABLE else PipelineError
    return class_of_code(code) or type(
        "RemoteError", (base,), {"__doc__": "The server refused the request.", "code": code}
    )
