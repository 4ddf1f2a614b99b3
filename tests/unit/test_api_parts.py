"""Parts of the API without a stack: forms, addresses of webhooks, cursors, keys, group commits, the turn to write."""

from __future__ import annotations

import ast
import re
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest
import sqlalchemy as sa
from hypothesis import given
from hypothesis import strategies as st
from pydantic import TypeAdapter, ValidationError
from sqlalchemy.engine import Engine
from starlette.testclient import TestClient

from pipeline.api.access import check_start
from pipeline.api.app import make_app
from pipeline.api.cursors import Cursor, pack, unpack
from pipeline.api.form import Form, boundary_of
from pipeline.api.problems import STATUS
from pipeline.catalog import keys
from pipeline.catalog.engine import open_catalog, sqlite_url, writing
from pipeline.catalog.schema import api_keys
from pipeline.catalog.turns import turn
from pipeline.catalog.writer import GroupWriter
from pipeline.errors import BadRequest, BrokenBody, HookRefused, PipelineError, WrongMediaType
from pipeline.ordering import LOOKED_AT, look_for_one
from pipeline.services import Services
from pipeline.settings import Settings
from pipeline.uploads import Draft, Upload
from pipeline.webhooks import guard

PAGE = (Path(__file__).parents[2] / "docs" / "api.md").read_text("utf-8")


@pytest.fixture
def services(tmp_path: Path) -> Iterator[Services]:
    found = Services(Settings(data_dir=tmp_path))
    yield found
    found.catalog.dispose()


@pytest.fixture
def engine(tmp_path: Path) -> Iterator[Engine]:
    found = open_catalog(sqlite_url(tmp_path))
    yield found
    found.dispose()


def test_every_code_of_the_api_is_documented_with_its_status() -> None:
    told = {row[0]: int(row[1]) for row in re.findall(r"^\| `(\w+)` \| (\d{3}) \|", PAGE, flags=re.M)}
    known, pending = set[str](), [PipelineError]
    while pending:
        kind = pending.pop()
        known.add(kind.code)
        pending += kind.__subclasses__()

    assert told == STATUS
    assert set(STATUS) <= known


def test_the_examples_of_the_page_run() -> None:
    for block in re.findall(r"^```python\n(.*?)^```$", PAGE, flags=re.M | re.S):
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

    assert (bytes(got), [one.source for one in form.uploads]) == (content, ["upload://x y.txt"])


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
    assert [one.source for one in form.uploads] == [source]
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


INSIDE = [
    "http://127.0.0.1/",
    "http://localhost/",
    "http://[::1]/",
    "http://10.0.0.1/",
    "http://192.168.1.1/",
    "http://172.16.0.1/",
    "http://169.254.169.254/latest/",
    "http://0.0.0.0/",
    "http://100.64.0.1/",
    "http://[fe80::1]/",
    "http://[fc00::1]/",
    "http://[fec0::1]/",
    "http://[64:ff9b:1::7f00:1]/",
    "http://[2001:0:7f00:1::]/",
    "http://[::127.0.0.1]/",
    "http://[5f00::1]/",
    "http://[::ffff:127.0.0.1]/",
    "http://[64:ff9b::7f00:1]/",
    "http://[2002:7f00:1::]/",
    "http://224.0.0.1/",
    "http://a.localhost/",
    "http://printer.local/",
    "http://db.internal/",
]


@pytest.mark.parametrize("url", ["http://8.8.8.8/", "http://[2606:4700::1111]/", "http://[64:ff9b::808:808]/"])
def test_webhooks_go_outside(url: str) -> None:
    guard.check(url, private=False)


@pytest.mark.parametrize("url", INSIDE)
def test_webhooks_stay_outside(url: str) -> None:
    with pytest.raises(HookRefused):
        guard.check(url, private=False)


@pytest.mark.parametrize("name", ["127.1", "2130706433", "0x7f000001", "localhost.", "127.0.0.1.nip.io"])
def test_what_resolves_to_the_inside_is_refused_when_it_is_sent(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    answer = [(2, 1, 6, "", ("8.8.8.8", 80)), (2, 1, 6, "", ("127.0.0.1", 80))]
    monkeypatch.setattr(guard.socket, "getaddrinfo", lambda *_, **__: answer)
    with pytest.raises(HookRefused):
        guard.resolve(f"http://{name}/", private=False)


def test_the_connection_goes_to_the_checked_address(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(guard.socket, "getaddrinfo", lambda *_, **__: [(2, 1, 6, "", ("8.8.8.8", 443))])
    target = guard.resolve("https://hooks.example:8443/a?b=c", private=False)
    assert (target.url, target.authority) == ("https://8.8.8.8:8443/a?b=c", "hooks.example:8443")


@pytest.mark.parametrize(
    "url",
    ["", "hook", "ftp://example.org/", "file:///etc/passwd", "http://", "http://u:p@example.org/", "http://a b/",
     "http://example.org:99999/", "http://exa\nmple.org/", "gopher://x/", "http://example.org\\@127.0.0.1/", "http://ü.de/"],
)  # fmt: skip
def test_urls_that_no_webhook_may_have(url: str) -> None:
    with pytest.raises(HookRefused):
        guard.check(url, private=True)


@given(st.from_regex(r"[0-9A-Za-z.-]{1,100}", fullmatch=True))
def test_a_cursor_has_its_form_and_comes_back_as_it_was(place: str) -> None:
    cursor = TypeAdapter(Cursor).validate_python(pack(place))
    assert unpack(cursor) == place


@pytest.mark.parametrize("text", ["", "x", "1.", "2.5b3cb0a8", "1.a b", "1.ä", "1.a\n", "MTo1", "1." + "a" * 200])
def test_a_cursor_of_somebody_else_is_refused(text: str) -> None:
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
        assert keys.any_made(connection)
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
            results[number] = writer.do(write)
        except ValueError as error:
            results[number] = error

    threads = [threading.Thread(target=change, args=(number,)) for number in range(60)]
    with turn(str(engine.url.database), urgent=True):
        for thread in threads:
            thread.start()
        time.sleep(0.2)
    for thread in threads:
        thread.join()
    with engine.connect() as connection:
        names = {int(key.name) for key in keys.every(connection)}

    assert names == {number for number in range(60) if number % 3}
    assert all(isinstance(results[number], ValueError) for number in range(0, 60, 3))


def test_who_is_urgent_goes_before_those_at_the_gate(tmp_path: Path) -> None:
    order: list[str] = []
    path = str(tmp_path / "catalog.db")

    def write(name: str, urgent: bool) -> None:
        with turn(path, urgent=urgent):
            order.append(name)
            time.sleep(0.05)

    with turn(path, urgent=False):
        threads = [threading.Thread(target=write, args=(f"worker {n}", False)) for n in range(4)]
        for thread in threads:
            thread.start()
        time.sleep(0.2)
        threads.append(threading.Thread(target=write, args=("urgent", True)))
        threads[-1].start()
        time.sleep(0.2)
    for thread in threads:
        thread.join()

    assert order.index("urgent") <= 1
    assert len(order) == 5


def test_an_order_over_very_many_files_is_accepted_unseen(services: Services, tmp_path: Path) -> None:
    folder = tmp_path / "many"
    folder.mkdir()
    for number in range(LOOKED_AT):
        (folder / f"{number}.txt").touch()
    with pytest.raises(BadRequest):
        look_for_one(services, [folder], "*.pdf")
    (folder / "z.md").touch()
    look_for_one(services, [folder], "*.pdf")


def test_what_the_api_needs_may_be_away(tmp_path: Path) -> None:
    settings = Settings(
        data_dir=tmp_path, embedding_model="hashing", redis_url="redis://127.0.0.1:9/0", api_roots=("/",)
    )
    app = make_app(Services(settings), embedded=True)
    with TestClient(app, base_url="http://127.0.0.1") as client:
        answer = client.get("/v1/status")
        assert (answer.status_code, answer.json()["code"]) == (503, "stack_unavailable")
        assert client.get("/v1/formats").status_code == 200
