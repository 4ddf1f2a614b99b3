"""Text records as they are sent: one JSON object on each line. A line that is wrong is refused alone."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Annotated, Any, BinaryIO

from pydantic import BaseModel, ConfigDict, Field, StringConstraints, TypeAdapter, ValidationError

from extractors.errors import Empty
from pipeline.errors import BadRequest, BodyTooLarge, BrokenBody, Invalid, TooLargeToTake
from pipeline.errors.problem import KNOWN, KnownError, problem_of
from pipeline.ingest.request import Line, read_json
from pipeline.names import COLLECTION
from pipeline.results import RefusedText
from pipeline.types import MAX_TAGS, canonical

__all__ = [
    "MAX_ID",
    "MAX_LINE_BYTES",
    "MOST_IDS",
    "MOST_REFUSED",
    "RefusedLine",
    "TextRecord",
    "check_record",
    "line_of",
    "read_ids",
    "read_records",
]

MAX_ID = 255
"""Characters of the id of a record."""

MAX_TEXT_BYTES = 1 << 20
"""Bytes of a text in UTF-8."""

MAX_METADATA_BYTES = 64 << 10
"""Bytes of the metadata of a record as JSON in UTF-8."""

MAX_LINE_BYTES = 8 << 20
"""Bytes of a line: a text in which JSON escapes every character still fits."""

MOST_IDS = 100_000
"""Ids of records that one request may delete: all of them are held in memory."""

MOST_REFUSED = 10_000
"""Lines of one file that may be wrong, and blank lines that it may have beside its records."""

SHOWN_ERRORS = 3


class TextRecord(BaseModel):
    """A text with the id that its sender gives it: the same id again, in the same collection, replaces the record."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    id: Line = Field(min_length=1, max_length=MAX_ID, examples=["product-4711"])
    text: str = Field(min_length=1, examples=["A lamp for the harbour, with a lens of glass."])
    metadata: dict[str, Any] = Field({}, description="comes back with every hit", examples=[{"shelf": 12}])
    tags: list[str] | None = Field(
        None,
        json_schema_extra={"maxItems": MAX_TAGS},
        description="a search can ask for them; without it the record keeps its own",
        examples=[["lamps"]],
    )
    collection: Annotated[str, StringConstraints(pattern=COLLECTION)] | None = Field(None, examples=["products"])

    @property
    def data(self) -> bytes:
        """The text in UTF-8."""
        return self.text.encode()


_ID: TypeAdapter[str] = TypeAdapter(Annotated[Line, Field(min_length=1, max_length=MAX_ID)])


@dataclass(frozen=True, slots=True)
class RefusedLine:
    """A line that is no record: its number, counted from 1, the id if it can be read, and what is wrong."""

    number: int
    record_id: str | None
    error: KnownError

    def result(self) -> RefusedText:
        """The line as answers list it."""
        return RefusedText(line=self.number, id=self.record_id, **problem_of(self.error).to_json())


def read_records(file: BinaryIO) -> Iterator[TextRecord | RefusedLine]:
    """Read a file line by line from where it stands; blank lines are left out.

    Raises:
        Invalid: `MOST_REFUSED` lines are no records, or there are as many more blank lines than records: it is no file
            of records. What is wrong with each line takes longer to say than a good line to read.
    """
    records = refused = blank = 0
    for number, line in enumerate(_lines(file), 1):
        found = _read_line(number, line)
        records += isinstance(found, TextRecord)
        refused += isinstance(found, RefusedLine)
        blank += found is None
        if max(refused, blank - records) >= MOST_REFUSED:
            raise _no_file_of_records(number, found)
        if found is not None:
            yield found


def _read_line(number: int, line: bytes | None) -> TextRecord | RefusedLine | None:
    """What stands on a line; None if it is blank."""
    if line is not None and not line.strip():
        return None
    fields: Any = None
    try:
        fields = _object(line)
        return check_record(_record(fields))
    except KNOWN as error:
        return RefusedLine(number, _id_of(fields), error)


def _no_file_of_records(number: int, last: TextRecord | RefusedLine | None) -> Invalid:
    kind, reason = "blank", ""
    if isinstance(last, RefusedLine):
        kind, reason = "no records", f" Line {number}: {problem_of(last.error).message}"
    hint = "Nothing was taken in. Correct the lines, or send them in several files."
    return Invalid(f"{MOST_REFUSED} lines are {kind}.{reason}", hint)


def read_ids(file: BinaryIO) -> list[str]:
    """Read the ids of records, one JSON string on each line, each id once; blank lines are left out.

    Raises:
        BadRequest: there are none.
        Invalid: a line is no id, or there are `MOST_REFUSED` more blank lines than ids.
        BodyTooLarge: they are more than `MOST_IDS`.
    """
    file.seek(0)
    ids: list[str] = []
    for number, line in enumerate(_lines(file), 1):
        if line is not None and not line.strip():
            if number - 2 * len(ids) >= MOST_REFUSED:
                raise Invalid(f"{MOST_REFUSED} lines are blank.", "Write one id on each line.")
            continue
        ids.append(_read_id(number, line))
        if len(ids) > MOST_IDS:
            raise BodyTooLarge(f"One request deletes {MOST_IDS} records at most.")
    if not ids:
        raise BadRequest("There are no ids.", 'Write one id on each line, in quotation marks: "4711"')
    return list(dict.fromkeys(ids))


def _read_id(number: int, line: bytes | None) -> str:
    try:
        text_id: str = _ID.validate_python(None if line is None else read_json(line), strict=True)
        _utf8(text_id, "id")
    except (ValueError, RecursionError, Invalid):
        raise Invalid(f"Line {number} is no id of a record.", 'Write one id on each line: "4711"') from None
    return text_id


def line_of(fields: Mapping[str, Any]) -> bytes:
    """The fields of a record as a line.

    Raises:
        BadRequest: they are no record.
    """
    try:
        record = check_record(_record(dict(fields)))
    except KNOWN as error:
        name = f"The record {_id_of(fields)!r} is wrong"
        raise BadRequest(f"{name}: {problem_of(error).message}", problem_of(error).hint) from error
    return record.model_dump_json(exclude_unset=True).encode() + b"\n"


def check_record(record: TextRecord) -> TextRecord:
    """Check what the types of the fields do not say, and return the record with its tags as they are stored.

    Raises:
        Invalid: a character that no text has, or metadata that is no JSON.
        TooLargeToTake: the text or the metadata is too large.
        Empty: the text has nothing but white space.
        BadRequest: a wrong tag.
    """
    size = len(_utf8(record.text, "text"))
    if size > MAX_TEXT_BYTES:
        raise TooLargeToTake(f"The text has {size} bytes; {MAX_TEXT_BYTES} are allowed.", "Split it into records.")
    _utf8(record.id, "id")
    size = len(_utf8(_compact(record.metadata), "metadata"))
    if size > MAX_METADATA_BYTES:
        hint = "Keep what a hit needs, and the rest elsewhere."
        raise TooLargeToTake(f"The metadata has {size} bytes; {MAX_METADATA_BYTES} are allowed.", hint)
    if not record.text.strip():
        raise Empty
    tags = canonical(record.tags)
    return record if tags is None else record.model_copy(update={"tags": list(tags)})


def _lines(file: BinaryIO) -> Iterator[bytes | None]:
    """The lines of a file; None for one that is too long, of which no more than that is held in memory."""
    while line := file.readline(MAX_LINE_BYTES + 1):
        if len(line) <= MAX_LINE_BYTES:
            yield line
            continue
        while not line.endswith(b"\n") and (line := file.readline(MAX_LINE_BYTES)):
            pass
        yield None


def _object(line: bytes | None) -> dict[str, Any]:
    """The JSON object on a line. Raises TooLargeToTake, BrokenBody, Invalid."""
    if line is None:
        hint = "Split the text, or check that the records are on lines of their own."
        raise TooLargeToTake(f"The line has more than {MAX_LINE_BYTES} bytes.", hint)
    try:
        value = read_json(line)
    except (ValueError, RecursionError):
        raise BrokenBody("The line is no JSON.", "Write one JSON object on each line.") from None
    if not isinstance(value, dict):
        raise Invalid("The line is no JSON object.", "Write one JSON object on each line.")
    return value


def _record(fields: dict[str, Any]) -> TextRecord:
    try:
        return TextRecord.model_validate(fields)
    except ValidationError as error:
        wrong = (f"{'.'.join(map(str, row['loc']))[:200]}: {row['msg']}" for row in error.errors()[:SHOWN_ERRORS])
        hint = f"A record has the fields {', '.join(TextRecord.model_fields)}."
        raise Invalid(f"{'; '.join(wrong)}.", hint) from None


def _compact(metadata: dict[str, Any]) -> str:
    try:
        return json.dumps(metadata, ensure_ascii=False, allow_nan=False, separators=(",", ":"))
    except (ValueError, RecursionError):
        raise Invalid("The metadata holds a number that JSON does not have.", "Write it as a text.") from None


def _utf8(text: str, field: str) -> bytes:
    """The bytes of a field. Raises Invalid: a NUL character, or half of a surrogate pair."""
    if "\0" in text:
        raise Invalid(f"The {field} holds a NUL character.", "Leave it out.")
    try:
        return text.encode()
    except UnicodeEncodeError:
        raise Invalid(f"The {field} holds half of a surrogate pair.", "Send whole characters.") from None


def _id_of(fields: Any) -> str | None:
    """The id of an object that may be no record, so that its sender finds it."""
    value = fields.get("id") if isinstance(fields, Mapping) else None
    return value[:MAX_ID].encode("utf-8", "replace").decode() if isinstance(value, str) else None
