"""Bodies of many small things, one on each line or as a list in JSON, written to the disk while they arrive."""

from __future__ import annotations

import io
import json
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from email.message import Message
from hashlib import sha256
from typing import Any, BinaryIO, Generic, Literal, TypeVar

from fastapi import Request

from pipeline.api.auth import Authentication
from pipeline.api.receiving import receive
from pipeline.api.state import ApiState
from pipeline.errors import BodyTooLarge, BrokenBody, Invalid, WrongMediaType
from pipeline.ingest.request import read_json
from pipeline.settings.room import check_room

__all__ = ["JSON", "LINES", "Kind", "Lines", "receive_lines"]

LINES = ("application/x-ndjson", "application/ndjson", "application/jsonl")
JSON = "application/json"

MAX_JSON_BYTES = 8 << 20
"""Bytes of a body in JSON, which is read at once."""

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Kind:
    """What a body holds.

    one, many   its name for messages
    type        the type of one in JSON
    needs_room  whether a full disk refuses it: what frees room must not wait for room
    """

    one: str
    many: str
    type: type
    needs_room: bool = True


@dataclass(frozen=True, slots=True)
class Lines:
    """A body that has arrived: its lines, in a file that is gone after the request, and its SHA-256 as it was sent."""

    file: BinaryIO
    body_sha256: str


async def receive_lines(
    request: Request, api: ApiState, authentication: Authentication, kind: Kind, take: Callable[[Lines], T]
) -> T:
    """Receive a body of lines, or of JSON, which is made into lines, and let it be taken in a thread of imports.

    Args:
        request: the request.
        api: the threads.
        authentication: is called before a byte of the body is written.
        kind: what the body holds.
        take: carries out the request.

    Raises:
        WrongMediaType: the body is of neither kind.
        BodyTooLarge: it is too large to be read as JSON.
        BrokenBody: it is no JSON.
        Invalid: its JSON is neither what is asked for nor a list.
        DiskFull: there is no room for it.
    """
    return await receive(request, api, _LineReceiver(request, api, authentication, kind, take), api.imports)


class _LineReceiver(Generic[T]):
    """The body of one request, written to a file without a name, which is gone when it is closed."""

    def __init__(
        self, request: Request, api: ApiState, authentication: Authentication, kind: Kind, take: Callable[[Lines], T]
    ) -> None:
        self._content_type = request.headers.get("content-type")
        self._api = api
        self._authentication = authentication
        self._kind = kind
        self._take = take
        self._digest = sha256()
        self._file: BinaryIO | None = None

    def feed(self, data: bytes) -> BinaryIO:
        """Authenticate the sender, and write the next bytes."""
        self._authentication.caller()
        if self._file is None:
            if self._kind.needs_room:
                check_room(self._api.settings)
            _format_of(self._content_type, self._kind)
            self._file = tempfile.TemporaryFile(dir=self._api.services.drafts)  # noqa: SIM115 - closed by `drop`
        self._file.write(data)
        self._digest.update(data)
        return self._file

    def submit(self, last_bytes: bytes) -> T:
        """Write the last bytes, and carry out the request."""
        file = self.feed(last_bytes)
        try:
            is_json = _format_of(self._content_type, self._kind) == "json"
            return self._take(Lines(_as_lines(file, self._kind) if is_json else file, self._digest.hexdigest()))
        finally:
            self.drop()

    def drop(self) -> None:
        """Delete what has arrived; if the process ends meanwhile, the file ends with it."""
        if self._file is not None:
            self._file.close()


def _format_of(content_type: str | None, kind: Kind) -> Literal["lines", "json"]:
    """What the header Content-Type names. Raises WrongMediaType."""
    message = Message()
    message["content-type"] = content_type or ""
    media_type = message.get_content_type()
    if media_type not in (*LINES, JSON):
        raise WrongMediaType(f"{kind.many.capitalize()} are sent as {LINES[0]} or {JSON}.")
    return "json" if media_type == JSON else "lines"


def _as_lines(file: BinaryIO, kind: Kind) -> BinaryIO:
    """One value or a list of values in JSON, as lines.

    Raises:
        BodyTooLarge, BrokenBody, Invalid: see `receive_lines`.
    """
    file.seek(0)
    data = file.read(MAX_JSON_BYTES + 1)
    if len(data) > MAX_JSON_BYTES:
        raise BodyTooLarge(f"{kind.many.capitalize()} in JSON may have {MAX_JSON_BYTES} bytes.", f"Send {LINES[0]}.")
    try:
        value = read_json(data)
    except (ValueError, RecursionError):
        raise BrokenBody("The body is no JSON.") from None
    if not isinstance(value, (kind.type, list)):
        raise Invalid(f"The body is neither {kind.one} nor a list of {kind.many}.", "See docs/api.md.")
    values: list[Any] = value if isinstance(value, list) else [value]
    return io.BytesIO(b"\n".join(json.dumps(one).encode() for one in values))
