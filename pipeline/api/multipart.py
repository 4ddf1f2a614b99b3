"""Parser of multipart forms: files are written to disk while they arrive, only small fields are kept in memory."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from email.message import Message
from typing import Any
from urllib.parse import unquote_to_bytes

from python_multipart.exceptions import FormParserError
from python_multipart.multipart import MultipartParser

from pipeline.errors import BodyTooLarge, BrokenBody, Invalid, PipelineError, WrongMediaType
from pipeline.ingest.request import read_json
from pipeline.ingest.upload_sources import source_of, unique_source
from pipeline.ingest.uploads import Draft, Upload

__all__ = ["FIELDS", "Form", "RefusedFile", "boundary_of", "read_object"]

FILE_FIELDS = ("file", "files")
FIELDS = ("collection", "workflow", "options", "priority", "ocr", "tags", "webhook", "job", "more")
"""Fields that hold for the whole request."""

FILE_DETAILS = ("source", "metadata")
"""Fields that hold for the file that follows them."""

MAX_FIELD_BYTES = 16 << 10
MAX_HEADER_BYTES = 8 << 10
MAX_FIELDS = 64
BOUNDARY = re.compile(rb"[0-9a-zA-Z'()+_,./:=? -]{1,70}")


@dataclass(frozen=True, slots=True)
class RefusedFile:
    """A file of a form that is refused; the other files of the form are not affected."""

    name: str
    error: PipelineError


@dataclass
class _Part:
    """The part of the form that arrives now: a file with its draft, or a field with its value."""

    headers: dict[str, str] = field(default_factory=dict)
    name: str = ""
    file_name: str | None = None
    draft: Draft | None = None
    value: bytearray = field(default_factory=bytearray)
    error: PipelineError | None = None


class Form:
    """Parses a form that arrives as byte strings of any length.

    Args:
        boundary: from the header Content-Type.
        open_draft: opens the draft of a file.
        max_files: more files are refused as `body_too_large`.
    """

    def __init__(self, boundary: bytes, open_draft: Callable[[], Draft], max_files: int) -> None:
        self._open_draft = open_draft
        self._max_files = max_files
        self._part = _Part()
        self._name, self._value, self._headers_size = bytearray(), bytearray(), 0
        self._file_details: dict[str, Any] = {}
        self._sources: set[str] = set()
        self._part_count = 0
        self._ended = False
        self.fields: dict[str, str] = {}
        self.uploads: list[Upload] = []
        self.refused: list[RefusedFile] = []
        self._parser = MultipartParser(
            boundary,
            {
                "on_part_begin": self._on_part_begin,
                "on_part_data": self._on_part_data,
                "on_part_end": self._on_part_end,
                "on_header_field": self._on_header_field,
                "on_header_value": self._on_header_value,
                "on_header_end": self._on_header_end,
                "on_headers_finished": self._on_headers_finished,
                "on_end": self._on_end,
            },
        )

    def feed(self, data: bytes) -> None:
        """Parse the next bytes.

        Raises:
            BrokenBody: they are not a multipart form.
            BodyTooLarge: there are too many files, or a field is too long.
            Invalid: a field that is unknown.
        """
        try:
            self._parser.write(data)
        except FormParserError as error:
            raise BrokenBody(f"The multipart body cannot be read: {error}") from error

    def end(self) -> None:
        """Check that the body is complete.

        Raises:
            BrokenBody: it was cut off.
            Invalid: it has neither a file nor a job, or a source or metadata without a file.
        """
        if not self._ended:
            raise BrokenBody("The multipart body ends in the middle.")
        for name in self._file_details:
            raise Invalid(f"No file follows the field {name}.", "It belongs to the file behind it: send it before.")
        if not self.uploads and not self.refused and "job" not in self.fields:
            raise Invalid("There is no file in the request.", "Send one or more parts with the name `file`.")

    def drop(self) -> None:
        """Delete what has arrived: the request failed, or the client has disconnected."""
        if self._part.draft is not None:
            self._part.draft.drop()
        for upload in self.uploads:
            upload.draft.unlink(missing_ok=True)

    def _on_part_begin(self) -> None:
        self._part = _Part()
        self._name, self._value, self._headers_size = bytearray(), bytearray(), 0

    def _on_header_field(self, data: bytes, start: int, end: int) -> None:
        self._count_header_bytes(end - start)
        self._name += data[start:end]

    def _on_header_value(self, data: bytes, start: int, end: int) -> None:
        self._count_header_bytes(end - start)
        self._value += data[start:end]

    def _count_header_bytes(self, size: int) -> None:
        self._headers_size += size
        if self._headers_size > MAX_HEADER_BYTES:
            raise BodyTooLarge("The headers of a part are too long.")

    def _on_header_end(self) -> None:
        self._part.headers[self._name.decode("latin-1").lower()] = self._value.decode("utf-8", "surrogateescape")
        self._name, self._value = bytearray(), bytearray()

    def _on_headers_finished(self) -> None:
        """The headers of a part have arrived: open the draft of a file, or check the name of a field."""
        part = self._part
        part.name, part.file_name = _disposition(part.headers.get("content-disposition", ""))
        self._part_count += 1
        if part.name in FILE_FIELDS:
            if len(self.uploads) + len(self.refused) >= self._max_files:
                raise BodyTooLarge(f"A request may bring {self._max_files} files at most.")
            part.draft = self._open_draft()
        elif part.name not in (*FIELDS, *FILE_DETAILS):
            known = ", ".join(("file", *FILE_DETAILS, *FIELDS))
            wrong = {f"body.{part.name}": "There is no such field."}
            raise Invalid("The form has a field that is not known.", f"Fields are: {known}.", wrong)
        elif self._part_count > self._max_files * 2 + MAX_FIELDS:
            raise BodyTooLarge("The form has too many fields.")

    def _on_part_data(self, data: bytes, start: int, end: int) -> None:
        """Content of a part has arrived: write it to the draft of a file, or keep it as the value of a field."""
        part = self._part
        if part.error is not None:
            return
        if part.draft is None:
            part.value += data[start:end]
            if len(part.value) > MAX_FIELD_BYTES:
                raise BodyTooLarge(f"A field may have {MAX_FIELD_BYTES} bytes at most.")
            return
        try:
            part.draft.write(data[start:end])
        except PipelineError as error:
            part.error = error

    def _on_part_end(self) -> None:
        """A part has arrived: finish its file, or store its field."""
        part = self._part
        if part.draft is not None:
            self._finish_file(part, part.draft)
            part.draft, self._file_details = None, {}
            return
        try:
            value = part.value.decode("utf-8")
        except UnicodeDecodeError:
            raise Invalid(f"The field {part.name} is not UTF-8.") from None
        fields: dict[str, Any] = self._file_details if part.name in FILE_DETAILS else self.fields
        if part.name in fields:
            raise Invalid(f"The field {part.name} stands there twice.")
        fields[part.name] = read_object("metadata", value) if part.name == "metadata" else value

    def _finish_file(self, part: _Part, draft: Draft) -> None:
        """A file has arrived: add it to the uploads, or to the refused files."""
        name = part.file_name or ""
        try:
            if part.error is not None:
                raise part.error
            given = self._file_details.get("source")
            source = source_of(name, given)
            if source in self._sources and given is None:
                source = unique_source(source, draft.content_sha256)
            if source in self._sources:
                raise Invalid("Another file of this request has the same source.", "Give each its own `source`.")
            self._sources |= {source} if given is not None else {source, unique_source(source, draft.content_sha256)}
            metadata = self._file_details.get("metadata", {})
            self.uploads.append(replace(draft.finish(source), metadata=metadata, is_named=given is not None))
        except PipelineError as error:
            draft.drop()
            self.refused.append(RefusedFile(name, error))

    def _on_end(self) -> None:
        self._ended = True


def boundary_of(content_type: str | None) -> bytes:
    """The boundary in a header Content-Type.

    Raises:
        WrongMediaType: it is not multipart/form-data.
        BrokenBody: there is no usable boundary.
    """
    message = Message()
    message["content-type"] = content_type or ""
    if message.get_content_type() != "multipart/form-data":
        raise WrongMediaType("Files are sent as multipart/form-data.")
    boundary = str(message.get_param("boundary") or "").encode("utf-8", "replace")
    if not BOUNDARY.fullmatch(boundary):
        raise BrokenBody("The header Content-Type names no boundary.")
    return boundary


def read_object(name: str, text: str) -> dict[str, Any]:
    """Parse a field as a JSON object. Raises Invalid: it is not one."""
    try:
        value = read_json(text)
    except (ValueError, RecursionError):
        raise Invalid(f"The field {name} is no JSON.") from None
    if not isinstance(value, dict):
        raise Invalid(f"The field {name} is no JSON object.")
    return value


def _disposition(value: str) -> tuple[str, str | None]:
    """Names of the field and of the file, as browsers and curl write them: quoted UTF-8, or RFC 5987."""
    parameters: dict[str, str] = {}
    for match in PARAMETER.finditer(value):
        name, quoted, bare = match[1].lower(), match[2], match[3]
        parameters[name] = re.sub(r'\\(["\\])', r"\1", quoted) if quoted is not None else bare
    extended = parameters.get("filename*", "")
    if extended.lower().startswith("utf-8''"):
        return parameters.get("name", ""), unquote_to_bytes(extended[7:]).decode("utf-8", "surrogateescape")
    return parameters.get("name", ""), _unescaped(parameters.get("filename"))


PARAMETER = re.compile(r';\s*([\w*]+)\s*=\s*(?:"((?:[^"\\]|\\.)*)"|([^;\s]+))')


def _unescaped(name: str | None) -> str | None:
    """Undo the escapes of browsers: only the characters that would end a quoted name are percent-encoded."""
    return name.replace("%22", '"').replace("%0D", "\r").replace("%0A", "\n") if name else name
