"""Lines of text records: what is a record, what is refused and why, and that no line harms another."""

from __future__ import annotations

import io
import json
import tracemalloc
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
from hypothesis import given
from hypothesis import strategies as st

from pipeline.catalog.database.schema import jobs
from pipeline.errors import BadRequest, BodyTooLarge, Invalid
from pipeline.ingest.request import Request
from pipeline.ingest.submit_options import SubmitOptions
from pipeline.ingest.text_lines import (
    MAX_LINE_BYTES,
    MAX_TEXT_BYTES,
    MOST_IDS,
    MOST_REFUSED,
    RefusedLine,
    TextRecord,
    line_of,
    read_ids,
    read_records,
)
from pipeline.ingest.texts import open_texts_job
from pipeline.services import Services
from pipeline.settings import Settings

GOOD = {"id": "good", "text": "A lamp."}

REFUSED: list[tuple[bytes, str]] = [
    (b"{", "broken_body"),
    (b"\xff\xfe{}", "broken_body"),
    (b'{"id": "a", "text": "b", "metadata": {"x": NaN}}', "broken_body"),
    (b"[" * 100_000, "broken_body"),
    (b"[]", "invalid_request"),
    (b'"text"', "invalid_request"),
    (b'{"id": "a"}', "invalid_request"),
    (b'{"id": "", "text": "b"}', "invalid_request"),
    (b'{"id": 7, "text": "b"}', "invalid_request"),
    (b'{"id": "a\\nb", "text": "b"}', "invalid_request"),
    (json.dumps({"id": "a" * 256, "text": "b"}).encode(), "invalid_request"),
    (b'{"id": "a", "text": null}', "invalid_request"),
    (b'{"id": "a", "text": "b", "metadata": []}', "invalid_request"),
    (b'{"id": "a", "text": "b", "meta": {}}', "invalid_request"),
    (b'{"id": "a", "text": "b", "collection": "no name"}', "invalid_request"),
    (b'{"id": "a", "text": "half \\ud800"}', "invalid_request"),
    (b'{"id": "a", "text": "nul \\u0000"}', "invalid_request"),
    (b'{"id": "a", "text": "b", "metadata": {"x": 1e999}}', "invalid_request"),
    (b'{"id": "a", "text": "b", "metadata": {"x": "\\udfff"}}', "invalid_request"),
    (b'{"id": "a", "text": "b", "tags": ["no,tag"]}', "bad_request"),
    (b'{"id": "a", "text": " \\n\\t"}', "empty"),
    (json.dumps({"id": "a", "text": "ä" * (MAX_TEXT_BYTES // 2 + 1)}).encode(), "too_large"),
    (json.dumps({"id": "a", "text": "b", "metadata": {"x": "y" * (64 << 10)}}).encode(), "too_large"),
    (json.dumps({"id": "a", "text": "b" * MAX_LINE_BYTES}).encode(), "too_large"),
]


def read(data: bytes) -> list[TextRecord | RefusedLine]:
    return list(read_records(io.BytesIO(data)))


@pytest.mark.parametrize(
    ("line", "code"), REFUSED, ids=[f"{number}-{code}" for number, (_, code) in enumerate(REFUSED)]
)
def test_a_wrong_line_is_refused_alone(line: bytes, code: str) -> None:
    good = json.dumps(GOOD).encode()
    before, wrong, after = read(good + b"\n" + line + b"\n" + good)

    assert isinstance(before, TextRecord)
    assert isinstance(wrong, RefusedLine)
    assert isinstance(after, TextRecord)
    result = wrong.result()
    assert (result.line, result.code) == (2, code)
    assert result.message
    assert result.hint


def test_a_refused_line_names_the_record_where_it_can() -> None:
    (named, unnamed) = read(b'{"id": "seven", "text": 7}\n{"text": "b"}\n')

    assert isinstance(named, RefusedLine)
    assert isinstance(unnamed, RefusedLine)
    assert (named.result().id, unnamed.result().id) == ("seven", None)
    assert "text: " in named.result().message


def test_blank_lines_count_and_are_no_records() -> None:
    good = json.dumps(GOOD).encode()
    records = read(b"\n" + good + b"\r\n\n  \n{\n")

    assert [type(record) for record in records] == [TextRecord, RefusedLine]
    assert isinstance(records[1], RefusedLine)
    assert records[1].number == 5


def test_the_largest_text_is_a_record_even_where_json_escapes_all_of_it() -> None:
    text = "\x01" * MAX_TEXT_BYTES  # six bytes each as JSON

    (record,) = read(json.dumps({"id": "a", "text": text}).encode())

    assert isinstance(record, TextRecord)
    assert record.text == text


def test_a_line_without_end_is_not_held_in_memory() -> None:
    class Endless(io.RawIOBase):
        left = 40 * MAX_LINE_BYTES

        def readable(self) -> bool:
            return True

        def readinto(self, buffer: Any) -> int:
            size = min(len(buffer), self.left)
            buffer[:size] = b"x" * size
            self.left -= size
            return size

    tracemalloc.start()
    try:
        (refused,) = read_records(io.BufferedReader(Endless()))
        assert tracemalloc.get_traced_memory()[1] < 4 * MAX_LINE_BYTES
    finally:
        tracemalloc.stop()
    assert isinstance(refused, RefusedLine)


ids = st.text(st.characters(exclude_categories=("Cs", "Cc")), min_size=1, max_size=40)
texts = st.text(st.characters(exclude_categories=("Cs",), exclude_characters="\0"), min_size=1).filter(str.strip)
values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | ids,
    lambda children: st.lists(children, max_size=3) | st.dictionaries(ids, children, max_size=3),
    max_leaves=5,
)


@given(st.lists(st.tuples(ids, texts, st.dictionaries(ids, values, max_size=3), st.binary(max_size=20)), max_size=5))
def test_records_come_back_as_they_were_written_whatever_stands_between_them(
    rows: list[tuple[str, str, dict[str, Any], bytes]],
) -> None:
    lines = [
        line_of({"id": text_id, "text": text, "metadata": metadata}) + rubbish.replace(b"\n", b"") + b"\n"
        for text_id, text, metadata, rubbish in rows
    ]
    found = [record for record in read(b"".join(lines)) if isinstance(record, TextRecord)]

    assert [(record.id, record.text, record.metadata) for record in found] == [row[:3] for row in rows]


def test_a_wrong_record_of_a_program_is_an_error_that_names_it() -> None:
    with pytest.raises(BadRequest, match=r"'lamp-7' is wrong: .*text"):
        line_of({"id": "lamp-7", "text": 7})


IDS = st.lists(st.text(st.characters(exclude_categories=["Cs", "Cc"]), min_size=1, max_size=255), min_size=1)


@given(IDS, st.sampled_from(["\n", "\r\n", "\n \n\n"]))
def test_ids_are_read_as_they_were_written_each_once(ids: list[str], end: str) -> None:
    lines = end.join(json.dumps(text_id) for text_id in [*ids, ids[0]])
    assert read_ids(io.BytesIO(lines.encode())) == list(dict.fromkeys(ids))


@pytest.mark.parametrize(
    "line",
    [b"4711", b"{}", b'["a"]', b"null", b"bare", b'""', b'"a\\nb"', b'"\\ud800"', b"\xff", b'"%s"' % (b"a" * 256)],
)
def test_a_line_that_is_no_id_is_named(line: bytes) -> None:
    with pytest.raises(Invalid, match="Line 3 "):
        read_ids(io.BytesIO(b'"a"\n\n' + line + b'\n"b"'))


class Lines(io.BytesIO):
    """The same line again and again, as many as a body of 2 GiB has of them; it counts those that were read."""

    def __init__(self, line: bytes, before: bytes = b"") -> None:
        super().__init__(before)
        self.line, self.number = line, 0

    def readline(self, size: int | None = -1, /) -> bytes:
        self.number += 1
        return super().readline(size) or (self.line if self.number < 2**31 // len(self.line) else b"")


@pytest.mark.parametrize(("line", "message"), [(b"x\n", "no JSON"), (b"\n", "blank"), (b"  \n", "blank")])
def test_a_body_of_wrong_lines_is_given_up(line: bytes, message: str) -> None:
    good = json.dumps(GOOD).encode() + b"\n"
    body = Lines(line, good * 3)
    with pytest.raises(Invalid, match=message):
        list(read_records(body))
    assert body.number <= MOST_REFUSED + 2 * 3 + 1


def test_a_body_of_blank_lines_beside_ids_is_given_up() -> None:
    body = Lines(b"\n", b'"a"\n\n"b"\n')
    with pytest.raises(Invalid, match="blank"):
        read_ids(body)
    assert body.number <= MOST_REFUSED + 2 * 2 + 1
    assert len(read_ids(io.BytesIO(b"".join(b'"%d"\n\n' % n for n in range(MOST_REFUSED + 5))))) == MOST_REFUSED + 5


def test_a_record_among_blank_lines_is_read_however_many_there_are() -> None:
    good = json.dumps(GOOD).encode() + b"\n"
    number = MOST_REFUSED + 5
    assert len(read((good + b"\n") * number)) == number
    wrong = read((good + b"{\n") * (MOST_REFUSED - 1))
    assert len(wrong) == 2 * (MOST_REFUSED - 1)


def test_no_ids_and_too_many_are_refused() -> None:
    for blank in (b"", b"\n \n"):
        with pytest.raises(BadRequest, match="no ids"):
            read_ids(io.BytesIO(blank))
    assert read_ids(io.BytesIO(b'"a"\n' * MOST_IDS)) == ["a"]
    with pytest.raises(BodyTooLarge):
        read_ids(io.BytesIO(b'"a"\n' * (MOST_IDS + 1)))


def test_one_request_takes_no_more_records_than_it_may(tmp_path: Path) -> None:
    services = Services(Settings(data_dir=tmp_path, embedding_model="hashing"))
    file = io.BytesIO(b"".join(line_of({"id": str(number), "text": "A lamp."}) for number in range(4)))
    with pytest.raises(BodyTooLarge, match="3 records"):
        open_texts_job(services, Request(()), file, SubmitOptions(most_records=3))
    job_id, _ = open_texts_job(services, Request(()), file, SubmitOptions(most_records=4))
    with services.catalog.connect() as connection:
        assert [row.id for row in connection.execute(sa.select(jobs.c.id))] == [job_id]
    services.catalog.dispose()
