"""The API with keys: scopes, rates, webhooks; the command line on a server; both clients."""

from __future__ import annotations

import asyncio
import json
import socket
import threading
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import httpx
import pytest
import sqlalchemy as sa
from api_rig import Api
from flow_tools import eventually

from pipeline import AsyncClient, Client
from pipeline.catalog.database.connection import writing
from pipeline.catalog.database.schema import deliveries
from pipeline.catalog.work import outbox
from pipeline.errors import BadRequest, NotAllowed, TooMany
from pipeline.notify.patience import FIRST_PAUSE_S
from pipeline.notify.webhook_signature import verify
from pipeline.results import HealthReport


@pytest.fixture(scope="module")
def api(keyed_api: Api) -> Api:
    return keyed_api


def key_of(api: Api, *words: str) -> dict[str, Any]:
    created: dict[str, Any] = api.cli.json("keys", "create", "another", *words)
    return created


def with_key(api: Api, key: str | None, method: str = "GET", url: str = "/v1/formats", **more: Any) -> httpx.Response:
    headers = {"Authorization": f"Bearer {key}"} if key is not None else {}
    return api.anonymous.request(method, url, headers=headers, **more)


PROBES = ("/health/live", "/health/ready")
"""Addresses that need no key."""

READ, SUBMIT, ADMIN = {"read", "admin"}, {"submit", "admin"}, {"admin"}
FILE = {"files": {"file": ("scope.txt", b"Scope.")}}
NEEDED: list[tuple[str, str, dict[str, Any], set[str]]] = [
    ("GET", "/v1/formats", {}, READ),
    ("GET", "/v1/workflows", {}, READ),
    ("GET", "/v1/collections", {}, READ),
    ("GET", "/metrics", {}, READ),
    ("GET", "/health", {}, READ),
    ("GET", "/v1/status", {}, READ),
    ("GET", "/v1/status/nobody", {}, READ),
    ("GET", "/v1/failures", {}, READ),
    ("GET", "/v1/jobs/x", {}, READ),
    ("GET", "/v1/jobs/x/documents", {}, READ),
    ("GET", "/v1/jobs/x/events", {}, READ),
    ("GET", "/v1/documents", {}, READ),
    ("GET", "/v1/documents/x", {}, READ),
    ("GET", "/v1/documents/x/chunks", {}, READ),
    ("GET", "/v1/documents/x/content", {}, READ),
    ("GET", "/v1/documents/x/pages?char_start=0", {}, READ),
    ("GET", "/v1/documents/x/pages/1", {}, READ),
    ("GET", "/v1/documents/x/pages/1/image", {}, READ),
    ("POST", "/v1/search", {"json": {"query": "x"}}, READ),
    ("POST", "/v1/documents", FILE, SUBMIT),
    ("POST", "/v1/jobs", {"json": {"paths": ["/x"]}}, SUBMIT),
    ("POST", "/v1/jobs/x/cancel", {}, SUBMIT),
    ("POST", "/v1/jobs/x/retry", {}, SUBMIT),
    ("POST", "/v1/documents/x/cancel", {}, SUBMIT),
    ("POST", "/v1/documents/x/retry", {}, SUBMIT),
    ("POST", "/v1/failures/retry", {"json": {"ids": ["x"]}}, SUBMIT),
    ("GET", "/v1/reindex/nothing", {}, READ),
    ("POST", "/v1/reindex/plan", {"json": {"collection": "nothing"}}, ADMIN),
    ("POST", "/v1/reindex", {"json": {"collection": "nothing"}}, ADMIN),
    ("POST", "/v1/reindex/nothing/pause", {}, ADMIN),
    ("POST", "/v1/reindex/nothing/resume", {"json": {}}, ADMIN),
    ("POST", "/v1/reindex/nothing/cancel", {}, ADMIN),
    ("POST", "/v1/reindex/nothing/rollback", {}, ADMIN),
    ("DELETE", "/v1/documents/x", {}, ADMIN),
    ("DELETE", "/v1/documents?source=nobody", {}, ADMIN),
    ("DELETE", "/v1/failures?code=none", {}, ADMIN),
    ("GET", "/v1/failures/x", {}, READ),
    ("GET", "/v1/failures/messages", {}, READ),
    ("POST", "/v1/failures/messages/reprocess", {"json": {"ids": ["x"]}}, SUBMIT),
    ("DELETE", "/v1/failures/messages?id=x", {}, ADMIN),
    ("GET", "/v1/failures/archived", {}, READ),
    ("GET", "/v1/jobs", {}, READ),
    ("GET", "/v1/texts?id=x", {}, READ),
    ("POST", "/v1/texts", {"json": {"id": "scope", "text": "Scope."}}, SUBMIT),
    ("PUT", "/v1/texts", {"json": {"id": "scope", "text": "Scope."}}, SUBMIT),
    ("DELETE", "/v1/texts?id=x", {}, ADMIN),
    ("POST", "/v1/texts/delete", {"json": ["x"]}, ADMIN),
    ("GET", "/v1/tasks", {}, READ),
    ("GET", "/v1/tasks/x", {}, READ),
    ("POST", "/v1/tasks/x/revoke", {}, SUBMIT),
    ("GET", "/v1/queues", {}, READ),
    ("GET", "/v1/workers", {}, READ),
    ("GET", "/v1/summary", {}, READ),
    ("GET", "/v1/schedule", {}, READ),
    ("POST", "/v1/schedule/x/run", {}, ADMIN),
    ("GET", "/v1/metrics/daily", {}, READ),
    ("GET", "/v1/notifications", {}, READ),
    ("POST", "/v1/notifications/test", {"json": {}}, ADMIN),
    ("GET", "/v1/reports", {}, READ),
    ("GET", "/v1/reports/jobs/x", {}, READ),
]


def test_every_address_needs_its_scope(api: Api) -> None:
    keys = {scope: key_of(api, "--scope", scope)["key"] for scope in ("read", "submit", "admin")}
    described = api.anonymous.get("/openapi.json").json()["paths"]
    addresses = {(method.upper(), path) for path, methods in described.items() for method in methods}
    addresses -= {("GET", path) for path in PROBES}
    assert len(NEEDED) == len(addresses)

    for method, url, more, scopes in NEEDED:
        assert with_key(api, None, method, url, **more).status_code == 401
        for scope, key in keys.items():
            answer = with_key(api, key, method, url, **more)
            refused = answer.status_code == 403 and answer.json()["code"] == "forbidden"
            assert refused == (scope not in scopes), (method, url, scope, answer.text)


@pytest.mark.parametrize("key", ["", "x", "dlr_x_y", "Ünï", "a" * 5000, "' or 1=1 --"])
def test_malformed_keys_are_unauthorized(api: Api, key: str) -> None:
    answer = api.anonymous.get("/v1/formats", headers=[(b"X-API-Key", key.encode())])
    assert (answer.status_code, answer.json()["code"]) == (401, "unauthorized")
    assert answer.headers["www-authenticate"] == "Bearer"


def test_revoked_key_is_unauthorized(api: Api) -> None:
    made = key_of(api)
    assert with_key(api, made["key"]).status_code == 200
    api.cli.json("keys", "revoke", made["id"])
    assert with_key(api, made["key"]).status_code == 401
    listed = {key["id"]: key for key in api.cli.json("keys", "list")["keys"]}
    assert listed[made["id"]]["revoked_at"]
    assert listed[made["id"]]["scopes"] == ["read", "submit"]
    assert made["key"].encode() not in (api.cli.folder / "catalog.db").read_bytes()


def test_key_above_its_rate_limit_is_refused(api: Api) -> None:
    key = key_of(api, "--rate", "3")["key"]
    began = time.monotonic()
    answers = [with_key(api, key) for _ in range(5)]
    # One more is allowed every 20 seconds, which asking does not take.
    more = int((time.monotonic() - began) / 20)
    statuses = [answer.status_code for answer in answers]
    assert statuses[:3] == [200, 200, 200]
    assert statuses[3:].count(429) >= 2 - more
    while answers[-1].status_code != 429:
        answers.append(with_key(api, key))
    assert answers[-1].json()["code"] == "rate_limited"
    assert 1 <= int(answers[-1].headers["retry-after"]) <= 21
    assert with_key(api, api.key).status_code == 200


def test_idempotency_key_is_separate_for_each_api_key(api: Api) -> None:
    other = key_of(api)["key"]
    mine = api.client.submit(("idem.txt", b"The same."), key="same")
    with Client(api.url, other) as client:
        theirs = client.submit(("idem.txt", b"The same."), key="same")
    assert theirs.job_id != mine.job_id
    assert api.client.submit(("idem.txt", b"The same."), key="same").job_id == mine.job_id


class Receiver:
    """A server that takes webhooks; `answers` are its next statuses, then it always says 200."""

    def __init__(self) -> None:
        self.got: list[tuple[dict[str, str], bytes]] = []
        self.answers: list[int] = []
        receiver = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["content-length"]))
                receiver.got.append((dict(self.headers.items()), body))
                status = receiver.answers.pop(0) if receiver.answers else 200
                self.send_response(status)
                if status == 302:
                    self.send_header("Location", "/elsewhere")
                self.send_header("Content-Length", "0")
                self.end_headers()

            def log_message(self, *_: Any) -> None:
                return

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_port}/hook"
        threading.Thread(target=self.server.serve_forever, daemon=True).start()


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    webhook_receiver = Receiver()
    yield webhook_receiver
    webhook_receiver.server.shutdown()
    webhook_receiver.server.server_close()


def test_webhook_reports_the_end_of_a_job_and_is_signed(api: Api, receiver: Receiver) -> None:
    secret = "0123456789abcdef-of-the-job"
    receiver.answers = [500]
    job = api.submit(("hook.txt", b"Hooked."), webhook={"url": receiver.url, "secret": secret})
    assert eventually(lambda: len(receiver.got) == 2)
    headers, body = receiver.got[-1]
    payload = json.loads(body)

    assert (payload["type"], payload["job"]["id"], payload["job"]["completed"]) == ("job.finished", job, 1)
    assert receiver.got[0][1] == body
    assert verify(secret, headers, body)
    assert not verify(secret + "x", headers, body)
    assert not verify(secret, headers, body + b" ")
    assert not verify(secret, {**headers, "Docrelay-Timestamp": str(int(time.time()) - 1000)}, body)
    (row,) = [delivery for delivery in api.cli.json("webhooks", "list")["deliveries"] if delivery["job_id"] == job]
    assert eventually(lambda: delivery(api, job)["state"] == "delivered")
    assert (delivery(api, job)["tries"], row["id"]) == (2, headers["Docrelay-Delivery"])
    assert api.cli.json("webhooks", "replay", job) == {"replayed": 1}
    assert eventually(lambda: len(receiver.got) == 3)
    assert receiver.got[2][1] == body


def delivery(api: Api, job: str) -> dict[str, Any]:
    (row,) = [delivery for delivery in api.cli.json("webhooks", "list")["deliveries"] if delivery["job_id"] == job]
    delivery_row: dict[str, Any] = row
    return delivery_row


def test_webhook_of_a_key_is_sent_and_a_redirect_is_not_followed(api: Api, receiver: Receiver) -> None:
    made = key_of(api, "--webhook", receiver.url)
    receiver.answers = [302] * 100
    job = with_key(api, made["key"], "POST", "/v1/documents", files={"file": ("key.txt", b"Of a key.")}).json()[
        "job_id"
    ]
    assert eventually(lambda: receiver.got)
    assert eventually(lambda: delivery(api, job)["status"] == 302)
    assert delivery(api, job)["state"] == "waiting"
    assert verify(made["webhook_secret"], *receiver.got[0])


def test_hanging_webhook_delays_no_other_webhook(api: Api, receiver: Receiver) -> None:
    hanging, other = (api.submit((f"{name}.txt", b"A job.")) for name in ("hang", "next"))
    with socket.create_server(("127.0.0.1", 0)) as silent, api.cli.services() as services:
        for job, url in ((hanging, f"http://127.0.0.1:{silent.getsockname()[1]}/"), (other, receiver.url)):
            with writing(services.catalog) as connection:
                outbox.attach(connection, job, outbox.Hook(url, "x" * 16), None)
                outbox.enqueue(connection, job)
            assert eventually(lambda job=job: delivery(api, job)["tries"] >= 1)  # type: ignore[misc]
        assert eventually(lambda: delivery(api, hanging)["error"] is not None)
    ended = sa.select(deliveries.c.ended_at).where(deliveries.c.job_id == other)
    failed = sa.select(deliveries.c.due_at - FIRST_PAUSE_S).where(deliveries.c.job_id == hanging)
    assert api.cli.rows(ended)[0][0] < api.cli.rows(failed)[0][0]


def test_command_line_works_on_a_server(api: Api, tmp_path: Path) -> None:
    (tmp_path / "good.txt").write_text("The harbour master is called Petrel.")
    (tmp_path / "empty.txt").write_text("")
    there = {"DOCRELAY_API_KEY": str(api.key)}

    def on(*words: str | Path) -> Any:
        return api.cli.quick(*words, "--server", api.url, env=there)

    asked = ("ingest", tmp_path, "--collection", "remote", "--tag", "harbour", "--tag", "2026", "--json")
    ingested = api.cli.run(*asked, "--server", api.url, env=there)
    assert (ingested.code, ingested.json["completed"], ingested.json["failed"]) == (1, 1, 1)
    assert ingested.json["failures"][0]["code"] == "empty"
    answer = on("search", "harbour master", "--collection", "remote", "--mode", "sparse", "--json").json
    assert answer["hits"][0]["source"].endswith(str(tmp_path / "good.txt"))
    by_tag = [on("search", "master", "-c", "remote", "--tag", tag, "--json").json["hits"] for tag in ("2026", "x")]
    assert [[hit["tags"] for hit in hits] for hits in by_tag] == [[["2026", "harbour"]], []]
    assert on("ingest", tmp_path, "--collection", "remote", "--tag", "no tag").code == 2
    assert on("status", ingested.json["job"], "--json").json["completed"] == 1
    assert len(on("failures", "list", "--job", ingested.json["job"], "--json").json["failures"]) == 1
    assert on("delete", tmp_path / "good.txt", "--collection", "remote", "--json").json["documents"] == 1
    assert on("cancel", "nobody", "--json").code == 2
    wrong = api.cli.quick("status", "--server", api.url, "--json", env={"DOCRELAY_API_KEY": "x"})
    assert (wrong.code, wrong.json["error"]["code"]) == (2, "unauthorized")
    assert api.cli.quick("status", "--server", "http://127.0.0.1:9").code == 3
    local = api.cli.quick("config", env={"DOCRELAY_SERVER": api.url})
    refused = api.cli.quick("keys", "list", env={"DOCRELAY_SERVER": api.url})
    assert (local.code, refused.code) == (0, 2)


def test_command_line_reindexes_on_a_server(api: Api) -> None:
    there = {"DOCRELAY_API_KEY": str(api.key)}
    name = "remote_index"
    api.submit(("kept.txt", b"The pilot boat is called Gannet."), collection=name)

    def on(*words: str) -> Any:
        return api.cli.quick("reindex", *words, "--collection", name, "--server", api.url, "--json", env=there)

    assert on("status").code == 2
    assert on("--plan", "--model", "hashing-128").json["documents"] == 1
    made = on("--model", "hashing-128")
    assert (made.code, made.json["state"], made.json["to_index"]) == (0, "soaking", f"{name}~2")
    assert on("status").json == made.json
    assert on("pause").code == 2
    back = on("rollback")
    assert (back.code, back.json["state"]) == (0, "rolled_back")
    assert [on("--path", path, "--plan").json.get("documents") for path in ("upload://kept.txt", "/no/such")] == [
        1,
        None,
    ]
    assert api.cli.quick("reindex", "status", "--server", api.url, env=there).code == 2
    misplaced = api.cli.quick("reindex", "--server", api.url, "status", "--collection", name, env=there)
    assert (misplaced.code, "stands before" in misplaced.err) == (2, True)
    assert api.client.search("pilot boat", name, mode="sparse").hits[0].source == "upload://kept.txt"


def test_asynchronous_client_submits_follows_and_reads(api: Api) -> None:
    async def story() -> None:
        async with AsyncClient(api.url, api.key) as client:
            receipt = await client.submit(("async.txt", b"Gannets dive."), ("empty.txt", b""), collection="async")
            states = [status.state async for status in client.follow(receipt.job_id)]
            assert states[-1] == "partial"
            documents = {document.source: document async for document in client.documents(receipt.job_id)}
            assert documents["upload://empty.txt"].code == "empty"
            good = documents["upload://async.txt"].document_id
            assert [chunk.text async for chunk in client.chunks(good)] == ["Gannets dive."]
            assert await client.content(good) == b"Gannets dive."
            assert (await client.search("gannets", "async", mode="sparse")).hits[0].document_id == good
            with pytest.raises(BadRequest):
                await client.submit(("x.txt", b"x"), priority=11)
            assert "async" in {collection["name"] for collection in await client.collections()}
            assert await client.cancel(receipt.job_id) == 0
            assert (await client.status(good)).id == good
            assert (await client.delete(good, collection="async")).documents == 1

    asyncio.run(story())


def test_both_clients_have_the_same_methods() -> None:
    both = [{name for name in vars(kind) if not name.startswith("_")} for kind in (Client, AsyncClient)]
    assert both[0] == both[1]


def test_client_raises_our_exceptions_for_error_codes(api: Api) -> None:
    key = key_of(api, "--scope", "read", "--rate", "2")["key"]
    with Client(api.url, key) as client:
        with pytest.raises(NotAllowed) as refused:
            client.submit(("x.txt", b"x"))
        assert (refused.value.code, bool(refused.value.hint)) == ("forbidden", True)
        client.system()
        with pytest.raises(TooMany):
            client.system()


# Health


def test_up_is_ready_when_its_api_is_and_then_every_part_is_well(api: Api) -> None:
    said = api.cli.folder.with_name(f"{api.cli.folder.name}.up").read_text()
    assert said.index("api is ready: ") < said.index("The stack is ready")
    assert api.anonymous.get("/health/ready").json() == {"state": "ok"}
    assert eventually(lambda: api.client.health().state == "ok"), api.client.health()
    by_command = api.cli.quick("doctor", "--json").json
    assert {part["name"]: part["state"] for part in by_command["parts"]} == dict.fromkeys(
        [part.name for part in api.client.health().parts], "ok"
    )
    asked = asyncio.run(_health_of(api))
    assert (asked.reachable, asked.installation) == (True, [])


async def _health_of(api: Api) -> HealthReport:
    async with AsyncClient(api.url, api.key) as client:
        return await client.health()


def test_probes_need_no_key_and_take_a_bad_one(api: Api) -> None:
    for path in PROBES:
        assert api.anonymous.get(path).status_code == 200
        assert with_key(api, "dlr_x_y", url=path).status_code == 200
    assert with_key(api, "dlr_x_y", url="/health").status_code == 401
