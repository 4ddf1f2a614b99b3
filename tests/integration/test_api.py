"""The API on a real stack, by real HTTP: a document's whole life, refusals row by row, and what dies in the middle."""

from __future__ import annotations

import base64
import ctypes
import hashlib
import json
import math
import os
import platform
import re
import select
import signal
import socket
import time
import uuid
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

import httpx
import pytest
import sqlalchemy as sa
from api_rig import Api, OtherApi, api_on, with_settings
from flow_tools import eventually, write_documents
from pdf_builder import book, show

from pipeline.catalog.database.connection import writing
from pipeline.catalog.database.schema import answers, deliveries, documents, hooks, jobs, submissions
from pipeline.catalog.database.schema import events as events_table
from pipeline.catalog.database.schema import orders as orders_table
from pipeline.catalog.index import collections
from pipeline.catalog.work import orders, outbox
from pipeline.client.events import EventParser
from pipeline.disk.temporary_folder import tmp_of
from pipeline.engine.dead_letter_queue import put
from pipeline.errors import BadRequest, Conflict, Gone, Invalid, OtherRequest, UnknownId
from pipeline.gates_for_tests import INTAKE
from pipeline.ingest.cleanup import clean_up
from pipeline.ingest.expiry import expire
from pipeline.ingest.path_jobs import FIRST_PAUSE_S
from pipeline.ingest.request import Request
from pipeline.ingest.submit import record_job
from pipeline.stack.cpu_share import ATTRIBUTES, SLICE_US
from pipeline.vectorstore.base import Filter, Point, SparseVector

TEXT = b"The lighthouse keeper wrote the log of the Lavender Curlew every evening.\n"


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder that the API may read, with a way out of it."""
    folder = tmp_path_factory.mktemp("root")
    (folder / "a.txt").write_bytes(TEXT)
    (folder / "sub").mkdir()
    (folder / "sub" / "b.md").write_text("# Curlew\n\nA bird of the mudflats.\n")
    (folder / "way-out").symlink_to("/etc")
    (folder / "hollow").mkdir()
    (folder / "archive" / "2026" / "11").mkdir(parents=True)
    (folder / "latest").symlink_to("archive/2026/11")
    return folder


@pytest.fixture(scope="module")
def api(tmp_path_factory: pytest.TempPathFactory, root: Path) -> Iterator[Api]:
    settings = {"api_roots": (str(root),), "max_file_mb": 1, "api_documents": 5, "api_followers": 4, "api_requests": 8}
    with api_on(tmp_path_factory.mktemp("api") / "data", **settings) as running_api:
        yield running_api


def test_metrics_count_documents_and_queues(api: Api) -> None:
    before = api.metrics("docrelay_stage_tasks_total")
    job = api.submit(("metrics.txt", b"Counted once.\n"), ("hollow.txt", b""))
    assert len(list(api.client.documents(job))) == 2
    stages = ("extract", "chunk", "embed", "upsert", "finalize")

    def counted() -> bool:
        after = api.metrics("docrelay_stage_tasks_total")
        return all(after.get(("done", stage), 0) > before.get(("done", stage), 0) for stage in stages)

    # A task is counted after its commit, with which its job may have ended.
    assert eventually(counted)
    # On a busy machine, a scrape may come before the first count has ended.
    assert eventually(lambda: api.metrics("docrelay_documents").get("completed", 0) >= 1)
    assert eventually(lambda: api.metrics("docrelay_failures").get((), 0) >= 1)
    assert api.metrics("docrelay_stage_seconds_total")["embed"] > 0
    assert api.metrics("docrelay_queue_messages")["embed"] == 0


def test_messages_that_no_task_could_answer_are_listed_sent_again_and_forgotten(api: Api) -> None:
    message = {"reason": "No worker has it.", "queue": "nowhere", "headers": {"task": "other.task", "id": "7"}}
    with api.cli.services() as services:
        for number in range(3):
            assert put(services, message, str(number).encode())
    listed = api.client.messages()
    assert [(found.task, found.task_id, found.queue, found.size) for found in listed.messages] == [
        ("other.task", "7", "nowhere", 1)
    ] * 3
    assert api.cli.json("failures", "messages", "list") == listed.model_dump()
    assert api.metrics("docrelay_dead_letter_messages")[()] == 3
    assert "3 messages that no task could answer" in api.cli.quick("status").out
    assert api.cli.json("failures", "messages", "reprocess", listed.messages[1].id) == {"reprocessed": 1}
    assert api.client.reprocess_messages([listed.messages[0].id], queue="nowhere") == 1
    with api.cli.services() as services:
        sent = [json.loads(raw)["body"] for raw in services.redis.lrange("nowhere", 0, -1)]
        services.redis.delete("nowhere")
    assert [base64.b64decode(body) for body in sent] == [b"0", b"1"]
    assert api.client.purge_messages([listed.messages[0].id]) == 0
    assert "would be forgotten" in api.cli.quick("failures", "messages", "purge").err
    assert "Forgotten: 1 message." in api.cli.quick("failures", "messages", "purge", "--yes").out
    assert api.metrics("docrelay_dead_letters_total")["reprocessed"] == 2


def test_document_is_submitted_followed_searched_replaced_and_deleted(api: Api) -> None:
    submitted = api.client.submit(("log.txt", TEXT), ("birds.md", b"# Birds\n\nCurlews call at night.\n"))
    statuses = list(api.client.follow(submitted.job_id))
    assert [document.state for document in submitted.documents] == ["queued", "queued"]
    assert (statuses[-1].completed, statuses[-1].state) == (2, "completed")
    fractions = [status.fraction for status in statuses]
    assert fractions == sorted(fractions)

    by_source = {document.source: document for document in api.client.documents(submitted.job_id)}
    first = api.client.document(by_source["upload://log.txt"].document_id)
    receipt = first.receipt
    assert receipt.pages_in == receipt.extracted + receipt.ocred + receipt.empty + receipt.failed == 1
    assert receipt.chunks == receipt.points == len(list(api.client.chunks(first.id))) > 0
    assert "Lavender Curlew" in next(api.client.chunks(first.id)).text
    assert api.client.content(first.id) == TEXT
    assert api.client.search("keeper of the log", mode="sparse").hits[0].source == "upload://log.txt"

    damaged = book([show("A page with a text layer that is long enough to be one.")] * 2).replace(
        b"/Kids [5 0 R 7 0 R]", b"/Kids [5 0 R 9 0 R]"
    )
    receipt = api.only(api.submit(("torn.pdf", damaged))).receipt
    assert (receipt.pages_in, receipt.extracted, receipt.empty, receipt.failed) == (2, 1, 0, 1)

    again = api.client.submit(("log.txt", TEXT))
    assert [document.state for document in again.documents] == ["unchanged"]
    named = {"sources": ["upload://log.txt"]}
    new = api.only(api.submit(("log.txt", b"The new keeper is called Heron.\n"), **named))
    assert (new.id, new.version_id != first.version_id) == (first.id, True)
    assert api.client.content(new.id) == b"The new keeper is called Heron.\n"

    assert api.client.delete(new.id).documents == 1
    assert api.client.document(new.id).state == "deleted"
    with pytest.raises(Gone):
        api.client.content(new.id)
    assert not [hit for hit in api.client.search("heron", mode="sparse").hits if hit.document_id == new.id]


def test_two_files_of_one_name_are_two_documents(api: Api) -> None:
    first, second = (
        api.only(api.submit(("same.txt", text), collection="same")) for text in (b"Of gulls.", b"Of terns.")
    )
    assert first.source == "upload://same.txt"
    assert (second.source != first.source, second.source.endswith("/same.txt")) == (True, True)
    assert first.id != second.id
    again = api.client.submit(("same.txt", b"Of terns."), collection="same").documents
    assert [(each.source, each.state) for each in again] == [(second.source, "unchanged")]


def test_tags_are_set_by_uploads_and_by_paths(api: Api, root: Path) -> None:
    first = api.only(api.submit(("one.txt", b"An auk swims."), collection="tags", tags=["sea", "2026"]))
    other = api.only(api.submit(("two.txt", b"An owl waits."), collection="tags"))
    paths = api.client.submit_paths(str(root / "a.txt"), collection="tags", tags=["log"]).job_id
    api.client.wait(paths)
    assert (first.tags, other.tags, api.only(paths).tags) == (["2026", "sea"], [], ["log"])

    def names_with_tags(*tags: str) -> set[str]:
        hits = api.client.search("auk owl keeper", "tags", mode="sparse", where={"tags": list(tags)}).hits
        assert all(hit.tags == api.client.document(hit.document_id).tags for hit in hits)
        return {hit.source.rpartition("/")[2] for hit in hits}

    assert (names_with_tags("sea"), names_with_tags("log", "sea"), names_with_tags("x")) == (
        {"one.txt"},
        {"one.txt", "a.txt"},
        set(),
    )
    repeated = api.client.submit(
        ("one.txt", b"An auk swims."), ("two.txt", b"An owl waits."), collection="tags", tags=["x"]
    )
    assert [document.state for document in repeated.documents] == ["unchanged", "unchanged"]
    assert names_with_tags("sea") == set()
    assert eventually(lambda: names_with_tags("x") == {"one.txt", "two.txt"})
    dives: dict[str, Any] = {"collection": "tags", "sources": ["upload://one.txt"]}
    assert api.only(api.submit(("one.txt", b"An auk dives."), **dives)).tags == ["x"]
    assert api.only(api.submit(("one.txt", b"An auk dives."), **dives, tags=[])).tags == []
    emptied = api.client.submit_paths(str(root / "a.txt"), collection="tags", tags=[]).job_id
    api.client.wait(emptied)
    assert api.only(emptied).tags == []
    for wrong in (["no tag"], ["x" * 65], [str(number) for number in range(17)]):
        with pytest.raises(BadRequest):
            api.client.submit(("three.txt", b"A lynx."), collection="tags", tags=wrong)
        with pytest.raises(BadRequest):
            api.client.submit_paths(str(root / "a.txt"), collection="tags", tags=wrong)
        with pytest.raises(BadRequest):
            names_with_tags(*wrong)


def test_metadata_of_an_upload_belongs_to_its_file(api: Api) -> None:
    files = (("m.txt", b"A walrus sings."), ("n.txt", b"A heron wades."))
    metadata = [{"department": "harbour"}, {}]
    job = api.submit(*files, collection="metadata", metadata=metadata)
    assert api.client.job(job).completed == 2
    again = api.client.submit(*files, collection="metadata", metadata=metadata)
    assert [document.state for document in again.documents] == ["unchanged", "unchanged"]
    other = api.client.submit(*files, collection="metadata", metadata=[{"department": "yard"}, {}])
    assert sorted((document.source, document.state) for document in other.documents) == [
        ("upload://m.txt", "queued"),
        ("upload://n.txt", "unchanged"),
    ]


LETTER = b"Write to anna@example.org about the tides.\n"


def masked(api: Api, job: str) -> str:
    """Text that replaced the address in the only letter of a job."""
    (document,) = api.client.documents(job)
    (text,) = [chunk.text for chunk in api.client.chunks(document.document_id)]
    return text.removeprefix("Write to ").partition(" about")[0]


def test_workflow_options_work_by_upload_path_and_command(api: Api, root: Path) -> None:
    path = root / "letters" / "letter.txt"
    path.parent.mkdir()
    path.write_bytes(LETTER)
    redacted: dict[str, Any] = {"collection": "options", "workflow": "redacted"}
    job = api.submit(("letter.txt", LETTER), **redacted, options={"mask": "[form]", "kinds": ["email"]})
    assert masked(api, job) == "[form]"
    again = api.client.submit(("letter.txt", LETTER), **redacted, options={"kinds": ["email"], "mask": "[form]"})
    assert [document.state for document in again.documents] == ["unchanged"]
    assert masked(api, api.submit(("letter.txt", LETTER), **redacted)) == "[removed]"
    ordered = api.client.submit_paths(str(path), **redacted, options={"mask": "[path]"}).job_id
    assert api.client.wait(ordered).completed == 1
    assert masked(api, ordered) == "[path]"

    words = ("ingest", path, "-c", "options", "-w", "redacted", "--option", 'kinds=["email"]', "--json")
    for where, mask in (((), "[here]"), (("--server", api.url), "[sent]")):
        result = api.cli.quick(*words, "--option", f"mask={mask}", *where)
        assert (result.code, masked(api, result.json["job"])) == (0, mask), result
        for wrong in ("mask=3", "colour=red", "mask"):
            refused = api.cli.quick(*words, "--option", wrong, *where)
            assert (refused.code, refused.json["error"]["code"]) == (2, "bad_request"), refused


def test_retry_uses_the_options_of_its_job(api: Api, root: Path) -> None:
    path = root / "blank" / "letter.txt"
    path.parent.mkdir()
    path.write_bytes(b"")
    chosen: dict[str, Any] = {"collection": "retried", "workflow": "redacted", "options": {"mask": "[again]"}}
    first = api.client.submit_paths(str(path), **chosen).job_id
    assert api.client.wait(first).failed == 1
    second = api.client.retry(job_id=first)[0]
    assert api.client.wait(second).failed == 1
    path.write_bytes(LETTER)
    third = api.client.retry(job_id=second)[0]
    assert api.client.wait(third).completed == 1
    assert masked(api, third) == "[again]"


def test_paths_below_a_root_are_ingested(api: Api, root: Path) -> None:
    job = api.client.submit_paths(str(root), pattern="*.md", collection="roots").job_id
    api.client.wait(job)
    document = api.only(job)

    assert (document.source, document.state, document.collection) == (str(root / "sub" / "b.md"), "completed", "roots")
    assert api.client.content(document.id) == (root / "sub" / "b.md").read_bytes()
    (root / "sub" / "b.md").write_text("# Heron\n\nAnother bird.\n")
    with pytest.raises(Gone):
        api.client.content(document.id)


def test_chunks_of_a_large_document_are_paged(api: Api) -> None:
    text = "\n\n".join(f"Paragraph {n} tells of the harbour and its tides in {n} words." * 8 for n in range(60))
    document = api.only(api.submit(("long.txt", text.encode()), collection="long"))

    first = api.http.get(f"/v1/documents/{document.id}/chunks", params={"limit": 3}).json()
    second = api.http.get(f"/v1/documents/{document.id}/chunks", params={"limit": 3, "cursor": first["next"]}).json()
    every = [chunk.order for chunk in api.client.chunks(document.id)]
    assert every == list(range(document.chunks))
    assert document.chunks > 6
    assert [chunk["order"] for chunk in first["chunks"] + second["chunks"]] == [0, 1, 2, 3, 4, 5]
    for cursor in ("1.x", f"1.{document.id}", f"{first['next']}e"):
        refused = api.http.get(f"/v1/documents/{document.id}/chunks", params={"cursor": cursor})
        assert (refused.status_code, refused.json()["code"]) == (422, "bad_request"), cursor


def test_documents_of_a_job_are_paged_and_filtered_by_state(api: Api) -> None:
    files = [(f"page-{n}.txt", f"Document number {n}.".encode()) for n in range(4)]
    job = api.submit(*files, ("empty.txt", b""), collection="pages")
    first = api.http.get(f"/v1/jobs/{job}/documents", params={"limit": 3}).json()
    second = api.http.get(f"/v1/jobs/{job}/documents", params={"limit": 3, "cursor": first["next"]}).json()
    failed = list(api.client.documents(job, state="failed"))

    assert (len(first["documents"]), len(second["documents"]), second["next"]) == (3, 2, None)
    assert len({document["document_id"] for document in first["documents"] + second["documents"]}) == 5
    assert [(document.source, document.code) for document in failed] == [("upload://empty.txt", "empty")]
    assert failed[0].hint
    assert list(api.client.documents(job, code="empty")) == failed
    assert [failure.source for failure in api.client.failures(job_id=job)] == ["upload://empty.txt"]
    assert api.client.wait(api.client.retry(job_id=job)[0]).failed == 1


def read_events(api: Api, job: str, last: int = 0, limit: int = 1000) -> list[Any]:
    """Events with an id: at most `limit`, or all up to the end of the job."""
    lines, read = EventParser(), []
    headers = {"Last-Event-ID": str(last)} if last else {}
    with api.http.stream("GET", f"/v1/jobs/{job}/events", headers=headers) as response:
        assert response.status_code == 200
        assert response.headers["content-type"].startswith("text/event-stream")
        for line in response.iter_lines():
            event = lines.feed(line)
            if event is not None and event.id is not None:
                read.append((event.id, event.kind, json.loads(event.data)["document_id"]))
            if len(read) == limit:
                break
    return read


def test_reconnected_client_misses_no_event(api: Api) -> None:
    job = api.client.submit(("one.txt", b"One ship."), ("two.txt", b"Two ships."), collection="events").job_id
    parts: list[Any] = []
    while not parts or parts[-1][1] != "job.finished":
        parts += read_events(api, job, parts[-1][0] if parts else 0, 2)
    whole = read_events(api, job)

    assert parts == whole
    assert [kind for _, kind, _ in whole].count("document.completed") == 2
    answer = api.http.get(f"/v1/jobs/{job}/events", headers={"Last-Event-ID": str(whole[-1][0])})
    assert answer.status_code == 204


def streamed(api: Api, job: str) -> int:
    """The status of an event stream, which is let go at once."""
    with api.http.stream("GET", f"/v1/jobs/{job}/events") as response:
        return response.status_code


def test_event_stream_above_the_limit_is_refused_as_busy(api: Api) -> None:
    open_job = api.client.submit(("open.txt", b"Open."), more=True).job_id
    with ExitStack() as held:
        for _ in range(4):
            stream = api.anonymous.stream("GET", f"/v1/jobs/{open_job}/events")
            assert held.enter_context(stream).status_code == 200
        refused = api.http.get(f"/v1/jobs/{open_job}/events")
        assert (refused.status_code, refused.json()["code"]) == (503, "busy")
        assert api.http.get(f"/v1/jobs/{open_job}").json()["state"] == "taking_in"
    assert eventually(lambda: streamed(api, open_job) == 200)

    last = api.client.submit(("last.txt", b"Last."), job=open_job)
    assert (last.job_id, api.client.wait(open_job).completed) == (open_job, 2)


def test_request_with_the_same_idempotency_key_is_carried_out_once(api: Api) -> None:
    with ThreadPoolExecutor(6) as pool:
        answers = list(pool.map(lambda _: api.client.submit(("once.txt", b"Once."), key="once-1"), range(6)))
    assert len({answer.job_id for answer in answers}) == 1
    number = api.cli.rows(sa.select(sa.func.count()).where(submissions.c.source == "upload://once.txt"))[0][0]
    assert number == 1
    with pytest.raises(OtherRequest):
        api.client.submit(("once.txt", b"Twice."), key="once-1")
    other = api.http.post("/v1/jobs", json={"paths": ["/nowhere"]}, headers={"Idempotency-Key": "once-1"})
    assert other.json()["code"] == "path_not_allowed"


def test_repeated_request_is_answered_after_its_file_is_removed(api: Api, root: Path) -> None:
    path = root / "gone.txt"
    path.write_bytes(TEXT)
    first = api.client.submit_paths(str(path), collection="once", key="once-2").job_id
    api.client.wait(first)
    path.unlink()
    assert api.client.submit_paths(str(path), collection="once", key="once-2").job_id == first
    with pytest.raises(OtherRequest):
        api.client.submit_paths(str(path), collection="twice", key="once-2")


def test_expired_deliveries_and_idempotency_keys_are_removed(api: Api) -> None:
    job = api.client.submit(("forget.txt", b"Forget me."), key="once-3", collection="forget").job_id
    api.client.wait(job)
    old = time.time() - 8 * 86400
    with api.cli.services() as services:
        with writing(services.catalog) as connection:
            outbox.attach(connection, job, outbox.Hook("http://hook.example/", "a-secret-of-the-hook"), None)
            outbox.enqueue(connection, job)
            connection.execute(deliveries.update().where(deliveries.c.job_id == job).values(state="failed"))
            connection.execute(deliveries.update().where(deliveries.c.job_id == job).values(ended_at=old))
            connection.execute(jobs.update().where(jobs.c.id == job).values(finished_at=old))
            connection.execute(answers.update().values(created_at=time.time() - 2 * 86400))
        clean_up(services)
        expire(services)
    assert api.cli.rows(sa.select(hooks.c.id).where(hooks.c.job_id == job)) == []
    assert api.cli.rows(sa.select(answers.c.scope)) == []
    assert api.client.submit(("forget.txt", b"Forget me."), key="once-3", collection="forget").job_id != job


def test_webhook_to_a_private_address_fails_without_a_retry(api: Api) -> None:
    job = api.submit(("inward.txt", b"Inward."), collection="inward")
    with api.cli.services() as services, writing(services.catalog) as connection:
        outbox.attach(connection, job, outbox.Hook("http://127.0.0.1:9/", "x" * 16), None)
        outbox.enqueue(connection, job)
    query = sa.select(deliveries.c.state, deliveries.c.tries, deliveries.c.error).where(deliveries.c.job_id == job)
    assert eventually(lambda: api.cli.rows(query)[0].error is not None)
    assert tuple(api.cli.rows(query)[0]) == ("failed", 1, "The address 127.0.0.1 is not a public one.")


def test_deletion_that_leaves_points_is_reported_and_can_be_repeated(api: Api) -> None:
    document = api.only(api.submit(("haunted.txt", b"The wreck is called Petrel."), collection="haunted"))
    wanted = {"params": {"source": document.source, "collection": "haunted"}}
    with api.cli.services() as services:
        index, mine = "haunted~1", Filter(document_ids=(document.id,))
        (payload,) = services.store.read(index, mine, 2)
        # A point of the document that the catalog knows nothing of.
        stray = {**payload, "version_id": str(uuid.uuid4())}
        dim = services.store.collections()[index].dim
        services.store.upsert(index, [Point(str(uuid.uuid4()), [dim**-0.5] * dim, SparseVector([1], [1.0]), stray)])
        answer = api.http.delete("/v1/documents", **wanted)
        assert (answer.status_code, answer.json()["code"]) == (503, "verification_failed")
        assert services.store.count(index, mine) == 1
        assert api.client.search("Petrel", "haunted", mode="sparse").hits == []
        services.store.delete(index, Filter(version_ids=(stray["version_id"],)))
    assert api.http.delete("/v1/documents", **wanted).json()["documents"] == 1
    assert api.http.delete("/v1/documents", **wanted).status_code == 404


def test_docs_page_loads_nothing_from_another_server(api: Api) -> None:
    page = api.http.get("/docs").text
    parts = re.findall(r'(?:src|href)="([^"]+)"', page)
    assert len(parts) >= 3
    assert "SwaggerUIBundle" in page
    for part in parts:
        assert part.startswith("/docs/static/"), part
        assert api.http.get(part).status_code == 200


@pytest.mark.parametrize("path", ["/docs", "/openapi.json", "/v1/status", "/v1/none", "/docs/static/swagger-ui.css"])
def test_no_page_can_be_framed_or_run_a_script_of_others(api: Api, path: str) -> None:
    headers = api.http.get(path).headers
    policy = dict(part.strip().partition(" ")[::2] for part in headers["content-security-policy"].split(";"))
    assert (policy["default-src"], policy["frame-ancestors"]) == ("'none'", "'none'")
    assert "unsafe" not in policy.get("script-src", "")
    assert (headers["x-frame-options"], headers["x-content-type-options"]) == ("DENY", "nosniff")
    assert headers["referrer-policy"] == "no-referrer"


def test_the_inline_script_of_the_docs_page_is_allowed_by_its_hash(api: Api) -> None:
    page = api.http.get("/docs")
    (script,) = re.findall(r"<script>(.*?)</script>", page.text, re.DOTALL)
    digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    assert f"'sha256-{digest}'" in page.headers["content-security-policy"]


def test_connections_that_are_only_held_open_shut_no_client_out(api: Api) -> None:
    """600 of them, silent or with half a header, from one address: that address and another one are answered."""
    search = {"query": "gulls", "mode": "sparse"}
    with with_settings(api) as busy, ExitStack() as held:
        for number in range(600):
            connection = held.enter_context(socket.create_connection(busy.address))
            connection.sendall(b"GET /v1/formats HTTP/1.1\r\nHost: loc" if number % 2 else b"")
        for address in (None, "127.0.0.2"):
            transport = httpx.HTTPTransport(local_address=address)
            base_url = "http://{}:{}".format(*busy.address)
            client = held.enter_context(httpx.Client(base_url=base_url, transport=transport, timeout=60))
            assert client.get("/v1/formats").status_code == 200
            assert client.post("/v1/search", json=search).status_code == 200


def test_an_event_stream_is_not_closed_as_idle(api: Api) -> None:
    open_job = api.client.submit(("kept.txt", b"Kept."), more=True).job_id
    with with_settings(api, api_connections=8) as small, ExitStack() as held:
        stream = held.enter_context(small.http.stream("GET", f"/v1/jobs/{open_job}/events", timeout=60))
        lines = stream.iter_lines()
        assert next(lines)
        for _ in range(40):
            held.enter_context(socket.create_connection(small.address))
        last = api.client.submit(("last.txt", b"Last."), job=open_job)
        assert api.client.wait(last.job_id).ended
        assert any('"state":"completed"' in line.replace(" ", "") for line in lines)


def test_request_without_files_closes_an_open_job(api: Api) -> None:
    job = api.client.submit(("left.txt", b"Left open."), more=True, collection="closing").job_id
    assert api.client.job(job).state != "completed"
    closed = api.client.submit(job=job)
    assert (closed.job_id, closed.documents) == (job, [])
    assert api.client.wait(job).completed == 1
    with pytest.raises(Conflict):
        api.client.submit(job=job)
    with pytest.raises(Invalid):
        api.client.submit(collection="closing")


def test_ctrl_c_while_files_are_sent_closes_the_job(api: Api, tmp_path: Path) -> None:
    """Pressed while the server has a group of files and has not answered yet: the answer is waited for."""
    write_documents(tmp_path / "in", 12, words=20, seed=23)
    mine = sa.select(jobs.c.id, jobs.c.intake_done).where(jobs.c.collection == "stopped")
    said = tmp_path / "said"
    with api.cli.gates.closed(INTAKE), said.open("w") as err:
        command = api.cli.start("ingest", tmp_path / "in", "--collection", "stopped", "--server", api.url, stderr=err)
        api.cli.gates.arrived(INTAKE)
        command.send_signal(signal.SIGINT)
        assert eventually(lambda: "Stopping as soon as the server has answered" in said.read_text())
    stopped = replace(api.cli.end(command), err=said.read_text())
    assert len(api.cli.rows(mine)) == 1, stopped
    ((job, closed),) = api.cli.rows(mine)
    assert (stopped.code, closed) == (130, True), stopped
    assert f"docrelay status {job} --follow --server {api.url}" in stopped.err
    assert "run the same command again" in stopped.err
    assert 0 < api.client.wait(job).documents < 12


def test_files_are_added_only_to_an_open_job(api: Api) -> None:
    job = api.client.submit(("open-1.txt", b"First."), more=True, collection="open").job_id
    api.client.submit(("open-2.txt", b"Second."), more=True, job=job, collection="open")
    hook = {"url": "http://8.8.8.8/", "secret": "x" * 16}
    others: tuple[Any, ...] = ({"collection": "other"}, {"workflow": "redacted"}, {"priority": 1}, {"webhook": hook})
    for other in (*others, {"options": {"mask": "x"}}):
        with pytest.raises(Conflict):
            api.client.submit(("open-3.txt", b"Third."), job=job, **other)
    redacted: dict[str, Any] = {"collection": "open", "options": {"mask": "x"}}
    held = api.client.submit(("held.txt", LETTER), workflow="redacted", more=True, **redacted).job_id
    assert api.client.submit(job=held, **redacted).job_id == held
    assert masked(api, api.client.wait(held).id) == "x"
    refused = api.client.submit(("huge.txt", b"x" * ((1 << 20) + 1)), job=job)
    assert [refusal.code for refusal in refused.refused] == ["too_large"]
    assert api.client.wait(job).completed == 2
    with pytest.raises(Conflict):
        api.client.submit(("open-4.txt", b"Too late."), job=job)
    finished_events = api.cli.rows(sa.select(events_table.c.id).where(events_table.c.job_id == job, FINISHED))
    assert len(finished_events) == 1


@pytest.mark.usefixtures("alien")
def test_collection_of_another_model_is_refused(api: Api) -> None:
    answers = [
        api.http.post("/v1/documents", files={"file": ("x.txt", b"x")}, data={"collection": "alien"}),
        api.http.post("/v1/search", json={"query": "x", "collection": "alien"}),
    ]
    assert [(answer.status_code, answer.json()["code"]) for answer in answers] == [(409, "space_mismatch")] * 2


def test_client_example_of_the_docs_runs(
    api: Api, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    repository = Path(__file__).parents[2]
    page = (repository / "docs" / "api.md").read_text("utf-8").partition("\n## From Python\n")[2]
    example = re.search(r"^```python\n(.*?)^```$", page, flags=re.M | re.S)
    assert example is not None
    assert "http://127.0.0.1:8372" in example[1]
    monkeypatch.chdir(repository)

    exec(compile(example[1].replace("http://127.0.0.1:8372", api.url), "docs/api.md", "exec"), {})

    printed = capsys.readouterr().out
    assert printed.startswith("completed 1 of 1\n")
    assert "upload://tide_sensor.md" in printed


def test_refused_file_does_not_stop_the_other_files(api: Api) -> None:
    job = api.http.post(
        "/v1/documents",
        files=[
            ("file", ("good.txt", b"Good.")),
            ("file", ("huge.txt", b"x" * (1 << 20) + b"x")),
            ("file", ("fine.txt", b"Fine.")),
        ],
    ).json()
    assert [document["source"] for document in job["documents"]] != []
    assert {document["source"] for document in job["documents"]} == {"upload://good.txt", "upload://fine.txt"}
    assert [(refusal["name"], refusal["code"]) for refusal in job["refused"]] == [("huge.txt", "too_large")]


FINISHED = events_table.c.kind == "job.finished"


def part(head: str, content: bytes = b"x") -> bytes:
    return b"--b\r\n" + head.encode() + b"\r\n\r\n" + content + b"\r\n"


FORM = {"Content-Type": "multipart/form-data; boundary=b"}
FILE = 'Content-Disposition: form-data; name="file"; filename="a.txt"'
END = b"--b--\r\n"


def field(name: str, value: str) -> bytes:
    return part(f'Content-Disposition: form-data; name="{name}"', value.encode())


def posted(*parts: bytes, **headers: str) -> dict[str, Any]:
    return {"method": "POST", "url": "/v1/documents", "content": b"".join(parts), "headers": {**FORM, **headers}}


def asked(url: str, method: str = "GET", **more: Any) -> dict[str, Any]:
    return {"method": method, "url": url, **more}


def posted_in_pieces(pieces: list[bytes]) -> dict[str, Any]:
    return {**posted(), "content": pieces}


def raw(url: str, content: bytes | list[bytes]) -> dict[str, Any]:
    return asked(url, "POST", content=content, headers={"Content-Type": "application/json"})


def search(body: dict[str, Any]) -> dict[str, Any]:
    return asked("/v1/search", "POST", json=body)


def record(**fields: Any) -> dict[str, Any]:
    return asked("/v1/texts", "PUT", json={"id": "1", "text": "One.", **fields})


def deleted(content: bytes, kind: str = "application/x-ndjson") -> dict[str, Any]:
    """Ids of text records to be deleted."""
    return asked("/v1/texts/delete", "POST", content=content, headers={"Content-Type": kind})


def records(content: bytes, kind: str = "application/x-ndjson", query: str = "") -> dict[str, Any]:
    return asked(f"/v1/texts{query}", "POST", content=content, headers={"Content-Type": kind})


def wanted(body: dict[str, Any]) -> dict[str, Any]:
    return asked("/v1/jobs", "POST", json=body)


def sent(url: str, kind: str | None) -> dict[str, Any]:
    """JSON that says that it is something else."""
    return asked(url, "POST", content=b'{"paths": ["/x"]}', headers={} if kind is None else {"Content-Type": kind})


HOOK = '{"url": "%s", "secret": "0123456789abcdef"}'


def hooked(url: str) -> dict[str, Any]:
    return posted(field("webhook", HOOK % url), part(FILE), END)


REFUSED: dict[str, dict[str, Any]] = {
    # Bodies
    "a body that is too large": posted(part(FILE, b"x" * (6 << 20)), END),
    "too much JSON": search({"query": "x" * (2 << 20)}),
    "too much JSON in pieces": raw("/v1/search", [b" " * (1 << 20)] * 3),
    "too much of a form in pieces": posted_in_pieces([part(FILE)] + [b"x" * (1 << 20)] * 6),
    "a body of the wrong kind": asked("/v1/documents", "POST", json={"file": "x"}),
    "no body": asked("/v1/documents", "POST"),
    "JSON without the header Content-Type": sent("/v1/jobs", None),
    "JSON sent as `text/plain`": sent("/v1/jobs", "text/plain"),
    "JSON as `curl -d` sends it": sent("/v1/search", "application/x-www-form-urlencoded"),
    "a form where JSON is required": sent("/v1/jobs", "multipart/form-data; boundary=b"),
    "a body that is not valid JSON": raw("/v1/search", b"{"),
    "JSON nested too deep": raw("/v1/search", b"[" * 100_000),
    "an incomplete Unicode character": raw("/v1/search", b'{"query": "\\ud800"}'),
    "an unknown field": search({"query": "x", "colour": 1}),
    "a job with an unknown field": wanted({"paths": ["/x"], "y": 1}),
    "a field of the wrong type": search({"query": 7}),
    # Forms
    "a form without a boundary": posted(END, **{"Content-Type": "multipart/form-data"}),
    "a body that is not a valid form": posted(b"nothing of the kind"),
    "a form that is cut off": posted(part(FILE)),
    "a form without a file": posted(field("collection", "x"), END),
    "an unknown form field": posted(field("colour", "red"), part(FILE), END),
    "a part without a name": posted(part("X-Other: 1"), END),
    "a field twice": posted(field("priority", "1"), field("priority", "2"), part(FILE), END),
    "a field that is too long": posted(field("collection", "x" * 20_000), part(FILE), END),
    "headers of a part that are too long": posted(part(f"{FILE}\r\nX-A: {'a' * 9000}"), END),
    "too many files": posted(*[part(FILE.replace("a.", f"{n}.")) for n in range(6)], END),
    "a file that is too large": posted(part(FILE, b"x" * ((1 << 20) + 1)), END),
    "a source that is a path": posted(field("source", "/etc/shadow"), part(FILE), END),
    "a source that is a file": posted(field("source", "file:///etc/shadow"), part(FILE), END),
    "a source that is a text record": posted(field("source", "Text://1"), part(FILE), END),
    "a source with a line break": posted(field("source", "crm://a\nb"), part(FILE), END),
    "two sources before a file": posted(field("source", "crm://1"), field("source", "crm://2"), part(FILE), END),
    "a source that no file follows": posted(part(FILE), field("source", "crm://1"), END),
    "metadata that no file follows": posted(part(FILE), field("metadata", "{}"), END),
    "metadata that is not JSON": posted(field("metadata", "harbour"), part(FILE), END),
    "a name with a line break": posted(part(FILE.replace("a.txt", "a%0Ab")), END),
    "a name that is too long": posted(part(FILE.replace("a.txt", "a" * 300)), END),
    "files for an unknown job": posted(field("job", "0d7c6c0e"), part(FILE), END),
    # Text records
    "a body without a record": records(b"\n \n"),
    "a body in which no line is a record": records(b"{\n[]\n"),
    "records that are not valid JSON": records(b"[", "application/json"),
    "records as a text in JSON": records(b'"text"', "application/json"),
    "records of the wrong kind": records(b'{"id": "1", "text": "One."}', "text/plain"),
    "a record without a text": asked("/v1/texts", "PUT", json={"id": "1"}),
    "a record whose text is blank": record(text=" \n"),
    "a record with an unknown field": record(colour="red"),
    "a record with a tag that is none": record(tags=["a b"]),
    "a record for a collection of another model": record(collection="alien"),
    "records for a workflow that is not there": records(b'{"id": "1", "text": "One."}', query="?workflow=nothing"),
    "a record that is not there": asked("/v1/texts?id=nobody"),
    "a deletion of a record that is not there": asked("/v1/texts?id=nobody", "DELETE"),
    "a deletion by a body with a record that is not there": deleted(b'"nobody"'),
    "a deletion without an id": deleted(b"\n"),
    "a deletion with a line that is no id": deleted(b'"1"\n4711\n'),
    "a deletion with an object in JSON": deleted(b'{"id": "1"}', "application/json"),
    "a deletion of too many records": deleted(b'"1"\n' * 100_001),
    # Jobs
    "an unknown workflow": posted(field("workflow", "nothing"), part(FILE), END),
    "an unknown workflow, for paths": wanted({"paths": ["ROOT"], "workflow": "nothing"}),
    "an option that the workflow does not have": wanted(
        {"paths": ["ROOT"], "workflow": "redacted", "options": {"colour": "red"}}
    ),
    "an option of another type": wanted({"paths": ["ROOT"], "workflow": "redacted", "options": {"mask": 3}}),
    "an option of a workflow without any": wanted({"paths": ["ROOT"], "options": {"mask": "x"}}),
    "options that are not a JSON object": wanted({"paths": ["ROOT"], "options": ["mask"]}),
    "an option that the workflow does not have, in a form": posted(
        field("workflow", "redacted"), field("options", '{"colour": 1}'), part(FILE), END
    ),
    "options that are not JSON, in a form": posted(field("options", "mask"), part(FILE), END),
    "a priority out of range": posted(field("priority", "11"), part(FILE), END),
    "a priority out of range, for paths": wanted({"paths": ["ROOT"], "priority": 11}),
    "an unknown OCR mode": posted(field("ocr", "always"), part(FILE), END),
    "an unknown OCR mode, for paths": wanted({"paths": ["ROOT"], "ocr": "always"}),
    "a priority that is not a number": posted(field("priority", "high"), part(FILE), END),
    "a collection name with `../`": posted(field("collection", "../x"), part(FILE), END),
    "a collection name with `../`, for paths": wanted({"paths": ["ROOT"], "collection": "../x"}),
    "a collection of another model": wanted({"paths": ["ROOT"], "collection": "alien"}),
    "a tag with a blank": posted(field("tags", "a b"), part(FILE), END),
    "tags with an empty tag between commas": posted(field("tags", "a,,b"), part(FILE), END),
    "too many tags": posted(field("tags", ",".join("abcdefghijklmnopq")), part(FILE), END),
    "an Idempotency-Key with a blank": posted(part(FILE), END, **{"Idempotency-Key": "a b"}),
    # Paths
    "a job of zero paths": wanted({"paths": []}),
    "a folder without files": wanted({"paths": ["ROOT/hollow"]}),
    "a glob that no file matches": wanted({"paths": ["ROOT"], "glob": "**/*.nothing"}),
    "a path that does not exist": wanted({"paths": ["ROOT/gone"]}),
    "a path that is too long": wanted({"paths": ["ROOT/" + "n" * 300]}),
    "a path outside `api_roots`": wanted({"paths": ["/etc"]}),
    "a path that does not exist, outside `api_roots`": wanted({"paths": ["/nowhere"]}),
    "a relative path": wanted({"paths": ["."]}),
    "a path with NUL": wanted({"paths": ["/a\u0000b"]}),
    "a link that leads out of `api_roots`": wanted({"paths": ["ROOT/way-out"]}),
    "a file behind a link that leads out of `api_roots`": wanted({"paths": ["ROOT/way-out/hosts"]}),
    "a path with `..`": wanted({"paths": ["ROOT/../"]}),
    "a path with `..` behind a link": wanted({"paths": ["ROOT/latest/../../.."]}),
    "several paths, one of them outside `api_roots`": wanted({"paths": ["ROOT/a.txt", "/etc/hosts"]}),
    # Webhooks
    "a webhook that is not a JSON object": posted(field("webhook", "x"), part(FILE), END),
    "a webhook to this machine": hooked("http://127.0.0.1/x"),
    "a webhook to this machine, for paths": wanted(
        {"paths": ["ROOT/a.txt"], "webhook": {"url": "http://[::1]/", "secret": "x" * 16}}
    ),
    "a webhook with too short a secret": wanted(
        {"paths": ["ROOT/a.txt"], "webhook": {"url": "http://8.8.8.8/", "secret": "x"}}
    ),
    "a webhook to this machine, abbreviated: `127.1`": hooked("http://127.1/"),
    "a webhook to this machine, as a number: `2130706433`": hooked("http://2130706433/"),
    "a webhook to this machine, with a dot at the end: `localhost.`": hooked("http://localhost./"),
    "a webhook to a private network": hooked("https://10.0.0.1/"),
    "a webhook to a cloud's metadata service": hooked("http://169.254.169.254/"),
    "a webhook whose scheme is not HTTP": hooked("ftp://example.org/"),
    "a webhook with a password": hooked("http://me:secret@example.org/"),
    # Questions
    "an unknown job": asked("/v1/jobs/0d7c6c0e-0000-0000-0000-000000000000"),
    "an unknown document": asked("/v1/documents/nobody"),
    "content of an unknown document": asked("/v1/documents/nobody/content"),
    "an image of an unknown document": asked("/v1/documents/nobody/pages/1/image"),
    "an image of 10,000 pixels": asked("/v1/documents/nobody/pages/1/image?width=10000"),
    "an image as a GIF": asked("/v1/documents/nobody/pages/1/image?format=gif"),
    "page zero": asked("/v1/documents/nobody/pages/0"),
    "events of an unknown job": asked("/v1/jobs/nobody/events"),
    "an id with NUL": asked("/v1/jobs/a%00b"),
    "a cursor that the API has not issued": asked("/v1/jobs/x/documents?cursor=%21%21"),
    "a cursor of another list": asked("/v1/documents?cursor=1.7.20"),
    "a list of documents of an unknown collection": asked("/v1/documents?collection=nowhere"),
    "a limit of zero": asked("/v1/jobs/x/documents?limit=0"),
    "an unknown state": asked("/v1/jobs/x/documents?state=asleep"),
    "an event id that is not a number": asked("/v1/jobs/x/events", headers={"Last-Event-ID": "abc"}),
    "an empty question": search({"query": "  "}),
    "a time that is not ISO 8601": search({"query": "x", "filter": {"modified_after": "soon"}}),
    "a search by an invalid tag": search({"query": "x", "filter": {"tags": ["a b"]}}),
    "a search in an unknown collection": search({"query": "x", "collection": "nowhere"}),
    "a search in collections of which one is unknown": search({"query": "x", "collections": ["nowhere"]}),
    "a score above 1": search({"query": "x", "min_score": 1.5}),
    "a search by a reranker where none is set up": search({"query": "x", "rerank": True}),
    "a retry of what has not failed": asked("/v1/failures/retry", "POST", json={"ids": ["nobody"]}),
    "a re-index to a model that is a folder": asked("/v1/reindex/plan", "POST", json={"model": "ROOT"}),
    # Addresses and who asks
    "no such path": asked("/v2/jobs"),
    "a path with a slash at its end": asked("/v1/formats/"),
    "an address with `..` in it": asked("/v1/documents/..%2f..%2fetc%2fpasswd/content"),
    "no such method": asked("/v1/jobs", "PUT"),
    "another host": asked("/v1/formats", headers={"Host": "evil.example"}),
    "a page of another origin": asked("/v1/formats", headers={"Origin": "https://evil.example"}),
    "an invalid key": asked("/v1/formats", headers={"X-API-Key": "dlr_x_y"}),
}
"""What is sent, by the row of the table in docs/api.md; ROOT is a folder that the API may read."""


def refusals() -> dict[str, tuple[str, int]]:
    """The tables in docs/api.md: code and status by what is refused."""
    text = (Path(__file__).parents[2] / "docs" / "api.md").read_text("utf-8").partition("## What is refused")[2]
    rows = re.findall(r"^\| ([^|]+) \| `(\w+)` \| (\d{3}) \|$", text.partition("\n## ")[0], flags=re.M)
    return {what: (code, int(status)) for what, code, status in rows}


def test_every_row_of_the_error_tables_is_tested() -> None:
    assert [*refusals()] == [*REFUSED]


@pytest.fixture(scope="module")
def alien(api: Api) -> None:
    """A second collection, made with another model."""
    api.submit(("there.txt", b"There."))
    with api.cli.services() as services, writing(services.catalog) as connection:
        other = replace(services.fingerprint, model="another")
        collections.register(connection, "alien", other, services.spec)


@pytest.mark.usefixtures("alien")
@pytest.mark.parametrize("row", REFUSED)
def test_wrong_request_is_refused_with_its_code(api: Api, root: Path, row: str) -> None:
    code, status = refusals()[row]
    request = dict(REFUSED[row])
    if "json" in request:
        request["json"] = json.loads(json.dumps(request["json"]).replace("ROOT", str(root)))
    before = api.cli.rows(sa.select(sa.func.count()).select_from(jobs))[0][0]
    answer = api.http.request(**request)

    assert (answer.status_code, answer.json()["code"]) == (status, code), answer.text
    assert answer.headers["content-type"] == "application/problem+json"
    assert answer.json()["status"] == status
    assert answer.json()["hint"]
    assert api.cli.rows(sa.select(sa.func.count()).select_from(jobs))[0][0] == before


def test_symlink_made_after_submission_is_not_followed(api: Api, root: Path, tmp_path: Path) -> None:
    secret, source = tmp_path / "secret.txt", root / "later" / "note.txt"
    secret.write_text("The harbour is mined.")
    source.parent.mkdir()
    source.write_bytes(b"")
    job = api.client.submit_paths(str(source.parent), collection="later").job_id
    assert api.client.wait(job).failed == 1
    source.unlink()
    source.symlink_to(secret)
    assert api.client.wait(api.client.retry(job_id=job)[0]).failed == 1
    (document,) = api.client.documents(job)
    assert api.client.document(document.document_id).searchable is False

    source.unlink()
    source.write_text("The harbour is mined.")
    again = api.client.retry([document.document_id])[0]
    assert api.client.wait(again).completed == 1
    assert api.client.content(document.document_id) == b"The harbour is mined."
    source.parent.rename(root / "moved")
    source.parent.symlink_to(tmp_path)
    secret.rename(tmp_path / "note.txt")
    with pytest.raises(Gone):
        api.client.content(document.document_id)


def test_failing_path_job_delays_no_other_path_job(api: Api, root: Path) -> None:
    (root / "swapped").symlink_to("x" * 300)
    with api.cli.services() as services, writing(services.catalog) as connection:
        names = [record_job(connection, services, Request([root], "orders"), ()).id for _ in range(4)]
        swapped, broken, hopeless, hollow = names
        orders.add(connection, hollow, {"paths": [str(root / "hollow")], "glob": None, "tags": None})
        orders.add(connection, swapped, {"paths": [str(root / "swapped")], "glob": None, "tags": None})
        orders.add(connection, broken, {"paths": [str(root / "a.txt")]})
        orders.add(connection, hopeless, {"paths": [str(root / "a.txt")]})
        connection.execute(orders_table.update().where(orders_table.c.job_id == hopeless).values(tries=4))
    behind = api.client.submit_paths(str(root / "a.txt"), collection="orders").job_id

    assert api.client.wait(behind).ended
    (document,) = api.client.documents(swapped)
    assert (document.state, document.code) == ("failed", "unreadable")
    (document,) = api.client.documents(hopeless)
    assert (api.client.job(hopeless).state, document.code) == ("failed", "internal")
    assert api.client.job(broken).state == "taking_in"
    (order,) = api.cli.rows(sa.select(orders_table).where(orders_table.c.job_id == broken))
    # Tried once, and again only after a pause that doubles.
    assert 1 <= order.tries <= 1 + math.log2(1 + (time.time() - order.created_at) / FIRST_PAUSE_S)
    api.client.cancel(broken)
    assert (api.client.job(hollow).state, api.client.job(hollow).documents) == ("completed", 0)


def test_names_sent_by_clients_reach_no_path_and_no_log(api: Api) -> None:
    names = (
        "../../../../etc/cron.d/evil.txt",
        "..\\..\\evil2.txt",
        "-rf.txt",
        "\u202egnp.txt",
        "a'; drop table jobs;--.txt",
    )
    for name in names[:3] + names[4:]:
        api.submit((name, f"The file {len(name)} is harmless.".encode()), collection="names")
    assert api.http.post("/v1/documents", files={"file": (names[3], b"x")}).json()["code"] == "invalid_request"
    api.http.get("/v1/formats/%0aevil%0a")

    sources = {
        row.source for row in api.cli.rows(sa.select(documents.c.source).where(documents.c.collection == "names"))
    }
    assert sources == {
        "upload://evil.txt",
        "upload://evil2.txt",
        "upload://-rf.txt",
        "upload://a'; drop table jobs;--.txt",
    }
    log = (api.cli.folder / "logs" / "api.log").read_text()
    assert "evil" not in log


HEAD = (
    b"POST /v1/documents HTTP/1.1\r\nHost: localhost\r\n"
    b"Content-Type: multipart/form-data; boundary=b\r\nContent-Length: 999999\r\n\r\n"
)


def talk(api: Api | OtherApi, *pieces: bytes, pause_s: float = 0.0) -> bytes:
    """Send bytes until there is an answer, and read until the server closes the connection."""
    answer = b""
    with socket.create_connection(api.address, timeout=60) as connection, suppress(ConnectionError):
        for part in pieces:
            connection.sendall(part)
            if pause_s and select.select([connection], [], [], pause_s)[0]:
                break
        while data := connection.recv(65536):
            answer += data
    return answer


def json_head(host: str = "localhost") -> bytes:
    head = f"POST /v1/search HTTP/1.1\r\nHost: {host}\r\n"
    return head.encode() + b"Content-Type: application/json\r\nContent-Length: 900000\r\n\r\n"


def test_unauthorized_request_is_refused_before_its_body_is_read(api: Api) -> None:
    for host, status in (("evil.example", b" 403 "), ("[", b" 403 "), ("localhost\r\nX-API-Key: x", b" 401 ")):
        assert status in talk(api, json_head(host)).partition(b"\r\n")[0]
    assert b" 403 " in talk(api, HEAD.replace(b"localhost", b"localhost\r\nOrigin: http://[")).partition(b"\r\n")[0]


@pytest.mark.parametrize("sent", ["nothing", "the beginning", "all", "what is no form", "a wrong header"])
def test_small_unauthorized_request_is_refused(api: Api, sent: str) -> None:
    """Where a small body is there already, its sender is checked before anything else."""
    whole = part(FILE) + END
    body = {"nothing": b"", "the beginning": whole[:20], "what is no form": b"z" * len(whole)}.get(sent, whole)
    with api.cli.services() as services:
        tmp = tmp_of(services.settings.data_dir)
    before = set(tmp.glob("drafts-*/*"))
    for extra, status in ((b"X-API-Key: x", b" 401 "), (b"Origin: http://evil.example", b" 403 ")):
        extra += b"\r\nConnection: close" + (b"\r\nIdempotency-Key: a b" if sent == "a wrong header" else b"")
        head = HEAD.replace(b"localhost", b"localhost\r\n" + extra).replace(b"999999", b"%d" % len(whole))
        assert status in talk(api, head + body).partition(b"\r\n")[0]
    assert set(tmp.glob("drafts-*/*")) == before


def test_uploads_in_progress_do_not_block_other_requests(api: Api) -> None:
    with with_settings(api, api_patience_s=3600.0) as patient:
        with ExitStack() as held:
            for _ in range(8):
                held.enter_context(socket.create_connection(patient.address)).sendall(HEAD + part(FILE))
            assert eventually(lambda: search_status(patient) == 503)
            assert patient.http.get("/v1/formats").status_code == 200
        assert eventually(lambda: search_status(patient) == 200)


def search_status(api: OtherApi) -> int:
    return api.http.post("/v1/search", json={"query": "x"}).status_code


def test_client_that_does_not_read_is_disconnected(api: Api) -> None:
    api.submit(("large.pdf", b"%PDF-1.4\n" + b"\x00\xff" * (500 << 10)), collection="large")
    (failed,) = [failure for failure in api.client.failures() if failure.source == "upload://large.pdf"]
    wanted = f"GET /v1/documents/{failed.document_id}/content HTTP/1.1\r\nHost: localhost\r\n\r\n".encode()
    with with_settings(api, api_patience_s=4.0) as strict, ExitStack() as held:

        def is_full() -> bool:
            for _ in range(4):
                connection = held.enter_context(socket.socket())
                connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 2048)
                connection.connect(strict.address)
                # More than all buffers on the way hold.
                connection.sendall(wanted * 12)
            return strict.http.get("/v1/formats").status_code == 503

        # More each time: on a slow machine the first ones are let go before the last ones are served.
        assert eventually(is_full)
        assert eventually(lambda: strict.http.get("/v1/formats").status_code == 200)


def test_slow_senders_are_disconnected(api: Api) -> None:
    with with_settings(api, api_patience_s=1.0) as strict:
        assert talk(strict, b"GET /v1/formats HTTP/1.1\r\nHost: loc") == b""
        assert talk(strict, b"GET / HTTP/1.1\r\n", *[b"X-A: b\r\n"] * 600, pause_s=0.1) == b""
        assert b" 408 " in talk(strict, HEAD, part(FILE)).partition(b"\r\n")[0]
        # Faster than the least rate, but a small body has only so much time.
        assert b" 408 " in talk(strict, json_head(), *[b" " * 600] * 600, pause_s=0.1).partition(b"\r\n")[0]
        # Steady, but slower than the least rate.
        assert b" 408 " in talk(strict, HEAD, *[b"-"] * 600, pause_s=0.1).partition(b"\r\n")[0]
        assert strict.http.get("/v1/formats").status_code == 200


def test_api_threads_have_short_time_slices(api: Api) -> None:
    """Every thread of it has short slices of the processor, and no more of them than others (Linux from 6.12 on)."""
    usual_ns, _ = slice_and_niceness(0)
    if not usual_ns:
        pytest.skip("the kernel tells nothing of slices")
    threads = [int(entry.name) for entry in Path(f"/proc/{api.pid}/task").iterdir()]
    assert len(threads) > 1
    niceness = os.getpriority(os.PRIO_PROCESS, 0)
    assert {slice_and_niceness(thread) for thread in threads} == {(SLICE_US * 1000, niceness)} != {(usual_ns, niceness)}


def slice_and_niceness(thread: int) -> tuple[int, int]:
    """Time slice in nanoseconds and niceness of a thread, as sched_getattr(2) reports them."""
    attributes = ctypes.create_string_buffer(ATTRIBUTES.size)
    number = {"x86_64": 315, "aarch64": 275}.get(platform.machine())
    if number is None or ctypes.CDLL(None).syscall(ctypes.c_long(number), thread, attributes, ATTRIBUTES.size, 0):
        return 0, 0
    _, _, _, niceness, _, runtime_ns, *_ = ATTRIBUTES.unpack(attributes.raw)
    return runtime_ns, niceness


def test_killed_api_leaves_no_half_stored_upload(api: Api, root: Path) -> None:
    job = api.client.submit(("before.txt", b"Taken before the end."), collection="killed").job_id
    before = api.cli.rows(sa.select(sa.func.count()).select_from(jobs))[0][0]
    with socket.create_connection(api.address) as connection:
        connection.sendall(HEAD + part(FILE) + part(FILE.replace("a.txt", "b.txt"), b"y" * 5000))
        pid = api.pid
        with api.cli.services() as services, writing(services.catalog) as written:
            # While no other process can write: standing still in the middle of that, it would keep all from it.
            os.kill(pid, signal.SIGSTOP)
            promised = record_job(written, services, Request([root / "a.txt"], "killed", confined=True), ()).id
            orders.add(written, promised, {"paths": [str(root / "a.txt")], "glob": None, "tags": None})
        api.kill()

    assert api.cli.rows(sa.select(sa.func.count()).select_from(jobs))[0][0] == before + 1
    assert api.client.wait(promised).completed == 1
    assert api.client.wait(job).completed == 1
    with pytest.raises(UnknownId):
        api.client.job("nobody")
    assert api.only(api.submit(("after.txt", b"Taken after the restart."), collection="killed")).state == "completed"
