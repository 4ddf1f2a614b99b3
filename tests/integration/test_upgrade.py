"""A data folder of version 0.1.0, killed in the middle of its work, is opened by today's code and completed.

The tests use the entry points, plain SQL and the literal names of keys, never names of modules: stored and sent names
do not change. Each test changes another part of the folder.
"""

from __future__ import annotations

import hashlib
import hmac
import json
import re
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import celery
import httpx
import pytest
from api_rig import Api
from cli_rig import PATIENCE_S, Cli, cli_on
from first_folder import FirstFolder, first_folder, redis_of, same
from flow_tools import eventually

pytestmark = pytest.mark.skipif(Path("/tmp").resolve() != Path("/tmp"), reason="/tmp is a link: other paths of sources")

PASSWORD = "docrelay-sample"
NUMBERS = {"redacting": 32, "enriching": 32, "reading": 16, "begun": 30, "promised": 5}
"""Documents of the jobs that were interrupted."""

STAGES = {"extract", "ocr", "chunk", "embed", "upsert", "finalize", "redact", "enrich"}
TASKS = {f"docrelay.{name}" for name in STAGES | {"reconcile", "recover", "reindex", "sweep"}}
QUEUES = STAGES | {"maintenance"}
KEYS = {"alive", "answer", "api", "ask", "metrics", "news", "nodes", "ready", "reconciled", "reconciler", "reindexing"}
KEYS |= {"beat", "notify_hosts", "notify_nodes", "unacked", "unacked_index", "watch", "worker"}
"""What follows `docrelay:` in the names of keys and channels, up to the next colon: values, lists, locks."""

PLAN = {"documents", "chunks", "cutting", "route", "sidecar", "told"}
STEP = {"key", "stage", "queue", "options", "version"}

POINTS = """SELECT sum(versions.chunks) FROM versions JOIN documents ON documents.live_version_id = versions.id
    WHERE documents.collection = ?"""
OF_A_JOB = "FROM tasks JOIN batches ON batches.id = tasks.batch_id WHERE batches.job_id = ?"


class Receiver:
    """A server that takes webhooks."""

    def __init__(self) -> None:
        self.received: list[tuple[str, dict[str, str], bytes]] = []
        received = self.received

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                received.append((self.path, {name.lower(): value for name, value in self.headers.items()}, body))
                self.send_response(204)
                self.end_headers()

            def log_message(self, *_: object) -> None:
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def of_job(self, job: str) -> list[tuple[str, dict[str, str], bytes]]:
        """Path, headers and body of the webhooks that reported the end of a job."""
        return [delivery for delivery in self.received if json.loads(delivery[2])["job"]["id"] == job]


@dataclass(frozen=True)
class Upgraded:
    """Today's stack on the data folder of the older version."""

    folder: FirstFolder
    cli: Cli
    api: Api
    receiver: Receiver
    columns_before: dict[str, set[str]]

    def ended(self, job: str) -> dict[str, Any]:
        """Wait for the end of a job; its status."""
        assert eventually(lambda: self.folder.finished(job), PATIENCE_S), self.cli.json("status", job)
        status: dict[str, Any] = self.cli.json("status", job)
        return status

    def hits(self, query: str, collection: str, mode: str = "hybrid", **conditions: Any) -> list[dict[str, Any]]:
        asked = {"query": query, "collection": collection, "mode": mode, "limit": 500, "filter": conditions}
        answer = self.api.http.post("/v1/search", json=asked).raise_for_status()
        hits: list[dict[str, Any]] = answer.json()["hits"]
        return hits

    def names(self, query: str, collection: str, mode: str = "hybrid", **conditions: Any) -> set[str]:
        """Names of the files that a search finds."""
        return {Path(hit["source"]).name for hit in self.hits(query, collection, mode, **conditions)}

    def assert_whole(self, job: str, collection: str) -> None:
        """Every document of an interrupted job is completed once, and the store has its points and no others."""
        number = NUMBERS[collection]
        status = self.ended(job)
        assert (status["state"], status["documents"], status["completed"]) == ("completed", number, number)
        assert self.folder.value("SELECT count(*) FROM events WHERE job_id = ? AND kind = 'job.finished'", job) == 1
        completed = "SELECT count(*), count(DISTINCT document_id) FROM events WHERE job_id = ? AND kind = ?"
        assert self.folder.rows(completed, job, "document.completed") == [(number, number)]
        assert self.folder.value("SELECT count(*) FROM attempts WHERE job_id = ?", job) == number
        chunks = self.folder.value(POINTS, collection)
        assert eventually(lambda: self.cli.count(collection=collection) == chunks), chunks
        assert status["chunks"] == chunks >= number


@pytest.fixture(scope="module")
def first(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Upgraded]:
    receiver = Receiver()
    with first_folder(tmp_path_factory.mktemp("first")) as folder:
        port = receiver.server.server_address[1]
        folder.change("UPDATE hooks SET url = replace(url, '127.0.0.1:9/', ?)", f"127.0.0.1:{port}/")
        columns = folder.columns()
        # A file that was removed from the watched folder a moment before the end is back.
        (folder.sources / "watched" / "comes_back.txt").write_text("This file goes, and comes back.\n")
        with cli_on(folder.data, **folder.settings, passwords=(PASSWORD,)) as cli, cli.up():
            api = Api(cli, folder.recorded["keys"]["admin"]["key"])
            yield Upgraded(folder, cli, api, receiver, columns)
            api.close()
    receiver.server.shutdown()
    receiver.server.server_close()


# What is stored, and under which names


def test_no_table_and_no_column_was_renamed(first: Upgraded) -> None:
    today = first.folder.columns()
    lost = {table: columns - today.get(table, set()) for table, columns in first.columns_before.items()}
    assert {table: columns for table, columns in lost.items() if columns} == {}


def test_documents_at_rest_have_the_recorded_status(first: Upgraded) -> None:
    recorded = first.folder.recorded
    open_job = recorded["jobs"]["open"]
    for job, status in recorded["status"].items():
        # An older release called a job failed as soon as one of its documents did.
        now_partial = {"state": "partial"} if status["state"] == "failed" and status["completed"] else {}
        assert job == open_job or same({**status, **now_partial}, first.cli.json("status", job)) == []
    still_there = {row[0] for row in first.folder.rows("SELECT id FROM documents WHERE deleted_at IS NULL")}
    assert recorded["documents"].keys() <= still_there
    for document_id, document in recorded["documents"].items():
        if document["collection"] not in ("private", "halfway", "rebuilt"):  # tests below change these
            assert same(document, first.api.http.get(f"/v1/status/{document_id}").json()) == []


@pytest.mark.parametrize("number", range(8))
def test_search_finds_the_recorded_hits(first: Upgraded, number: int) -> None:
    asked = [search for search in first.folder.recorded["searches"] if search["collection"] != "rebuilt"][number]
    words = ("-c", asked["collection"], "--limit", "50", "--mode", asked["mode"])
    hits = first.cli.json("search", asked["query"], *words)["hits"]
    today = [hit["chunk_id"] for hit in hits]
    # Passages of one score stand in any order, and of those the third may have been any.
    assert asked["hits"][0]["chunk_id"] in today[:3]
    assert same(asked["hits"], [hits[today.index(hit["chunk_id"])] for hit in asked["hits"]]) == []


def test_stored_plans_have_the_recorded_fields(first: Upgraded, tmp_path: Path) -> None:
    """Those that are stored, and those that are stored today: a release may be gone back from."""
    letter = tmp_path / "letter.txt"
    letter.write_text("A letter of jane@tides.example.\n")
    jobs = [
        first.cli.json("ingest", letter, "-c", "plans", "-w", workflow, "--option", option, "--no-wait")["job"]
        for workflow, option in (("redacted", "mask=(new)"), ("enriched", 'fields=["department"]'))
    ]
    made_today = [json.loads(first.folder.value("SELECT plan FROM jobs WHERE id = ?", job)) for job in jobs]
    stored = [json.loads(plan) for (plan,) in first.folder.rows("SELECT plan FROM jobs WHERE plan IS NOT NULL")]
    for plan in (*stored, *made_today):
        assert plan.keys() == PLAN
        assert all(step.keys() == STEP for step in (*plan["documents"], *plan["chunks"]))
    assert made_today[0]["told"] == {"mask": "(new)"}
    assert made_today[1]["sidecar"] == {"suffix": ".meta.json"}
    assert [step["stage"] for plan in made_today for step in (*plan["documents"], *plan["chunks"])] == [
        "redact",
        "enrich",
    ]


def test_names_of_tasks_queues_and_keys(first: Upgraded) -> None:
    """What processes of two versions send each other through Redis while hosts are upgraded one by one."""
    with first.cli.services() as services:
        url = services.settings.redis_url
        bound = {name.decode("latin-1") for name in services.redis.smembers("_kombu.binding.docrelay")}
        missing = QUEUES - {name.partition("\x06")[0] for name in bound}
        assert missing == set()
        used = {name for key in services.redis.scan_iter("docrelay:*") for name in keys_in(key.decode())}
        with services.redis.monitor() as monitor:
            searching = first.cli.start("search", "harbour", "-c", "harbour", stdout=None, stderr=None)
            first.cli.start("ingest", first.folder.sources / "cards", "-c", "keys", stdout=None, stderr=None)
            # Heartbeats come all the time: waiting for the next command never hangs.
            assert eventually(
                lambda: used.update(keys_in(str(monitor.next_command()["command"]))) or used >= KEYS, PATIENCE_S, 0
            ), KEYS - used
        assert searching.wait(PATIENCE_S) == 0
    app = celery.Celery(broker=url)
    registered: set[str] = set()

    def all_registered() -> bool:
        answers = app.control.inspect(timeout=2.0).registered() or {}
        registered.update(name for names in answers.values() for name in names)
        return registered >= TASKS

    assert eventually(all_registered, PATIENCE_S), TASKS - registered
    app.close()


def keys_in(text: str) -> set[str]:
    """The beginnings of our keys in a text."""
    return set(re.findall(r"docrelay:(\w+)", text))


# What was at rest


def test_a_failed_document_is_tried_again_by_the_plan_of_its_job(first: Upgraded) -> None:
    (failure,) = first.folder.recorded["failures"]
    assert same([failure], first.cli.json("failures", "list", "--code", "encrypted")["failures"]) == []
    (retried,) = first.cli.json("failures", "retry", failure["document_id"])["jobs"]
    assert (retried["completed"], retried["failed"]) == (1, 0)
    plan = "SELECT plan FROM jobs WHERE id = ?"
    stored = json.loads(first.folder.value(plan, first.folder.recorded["jobs"]["private"]))
    assert json.loads(first.folder.value(plan, retried["job"])) == stored
    assert stored["told"] == {"mask": "(gone)", "kinds": ["email"]}
    assert first.names("Peregrine Vault", "private", "sparse") == {"salaries_encrypted.pdf"}
    assert first.cli.json("failures", "list", "--code", "encrypted")["failures"] == []
    options = ("-w", "redacted", "--option", "mask=(gone)", "--option", 'kinds=["email"]')
    again = first.cli.json("ingest", first.folder.sources / "private", "-c", "private", *options)
    assert (again["documents"], again["unchanged"]) == (3, 3)


@pytest.mark.parametrize(
    ("source_folder", "collection", "words"),
    [
        ("harbour", "harbour", ()),
        ("cards", "cards", ("-w", "enriched", "--option", 'fields=["department"]')),
        ("routed", "elsewhere", ("-w", "routed")),
    ],
)
def test_files_that_were_ingested_are_unchanged(
    first: Upgraded, source_folder: str, collection: str, words: tuple[str, ...]
) -> None:
    """Where this fails since files are read or cut otherwise now, what it expects has to change, not the folder."""
    report = first.cli.json("ingest", first.folder.sources / source_folder, "-c", collection, *words)
    assert report["documents"] == report["unchanged"] > 1
    assert (report["completed"], report["embedded"], report["cached"]) == (0, 0, 0)


def test_changed_file_replaces_the_version_of_the_older_release(first: Upgraded) -> None:
    path = first.folder.sources / "open_day.txt"
    first.cli.json("ingest", first.folder.sources / "cards" / "letter-000.txt", "-c", "harbour")
    path.write_text("The harbour is open to all on Sunday.\n")
    before = first.cli.count(collection="harbour")
    assert first.cli.json("ingest", path, "-c", "harbour")["completed"] == 1
    assert first.names("open on Sunday", "harbour", "sparse") >= {"open_day.txt"}
    deleted = first.cli.json("delete", path, first.folder.sources / "cards" / "letter-000.txt", "-c", "harbour")
    assert deleted["documents"] == 2
    assert (
        first.cli.count(collection="harbour") == first.folder.value(POINTS, "harbour") == before - deleted["points"] + 1
    )


def test_points_of_the_older_release_are_no_drift(first: Upgraded) -> None:
    """Their payloads have fewer fields, and kept texts of the older extractors need not be there."""
    report = first.cli.json("verify", "--all", "--collection", "harbour")
    assert {kind: report["found"].get(kind, 0) for kind in ("payload", "text", "sparse", "vector", "wrong_space")} == {
        "payload": 0,
        "text": 0,
        "sparse": 0,
        "vector": 0,
        "wrong_space": 0,
    }, report["examples"]
    assert report["clean"], report["found"]


def test_a_watched_folder_goes_on(first: Upgraded) -> None:
    attempts = "SELECT count(*) FROM attempts JOIN documents ON documents.id = document_id WHERE collection = 'watched'"
    was = first.folder.value(attempts)
    everything = {"stays.txt", "rope.txt", "comes_back.txt"}
    assert eventually(lambda: first.names("file rope", "watched") == everything, PATIENCE_S)
    assert first.names("file rope", "watched", tags=["invoice"]) == {"rope.txt"}
    (watched,) = first.cli.json("status")["watched"]
    assert (watched["root"], watched["held"]) == (str(first.folder.sources / "watched"), None)
    (first.folder.sources / "watched" / "stays.txt").unlink()
    assert eventually(lambda: first.names("file rope", "watched") == everything - {"stays.txt"}, PATIENCE_S)
    assert first.folder.value(attempts) == was, "an unchanged file was ingested again"


def test_reindex_of_the_older_release_is_rolled_back(first: Upgraded) -> None:
    recorded = first.folder.recorded
    (asked,) = [search for search in recorded["searches"] if search["collection"] == "rebuilt"]
    assert same(recorded["reindex"]["rebuilt"], first.cli.json("reindex", "status", "-c", "rebuilt")) == []
    assert same(asked["hits"], first.hits(asked["query"], "rebuilt", "dense")[:3]) == []
    status = first.cli.json("reindex", "rollback", "-c", "rebuilt")
    assert status["state"] in ("rolled_back", "switching_back")
    index = "SELECT name FROM indexes WHERE collection = 'rebuilt' AND role = 'live'"
    assert eventually(lambda: first.folder.value(index) == "rebuilt~1", PATIENCE_S)
    assert len(first.names("letter of the series rebuilt", "rebuilt", "dense")) == 5


def test_half_built_paused_reindex_continues(first: Upgraded) -> None:
    recorded = first.folder.recorded["reindex"]["halfway"]
    assert same(recorded, first.cli.json("reindex", "status", "-c", "halfway")) == []
    attempts = "SELECT count(*) FROM attempts WHERE job_id = ?"
    built = first.folder.value(attempts, recorded["job_id"])
    assert built == recorded["documents"] - recorded["lacks"]["missing"]
    status = first.cli.json("reindex", "resume", "-c", "halfway", "--per-minute", "100000")
    assert status["state"] == "soaking", status
    assert status["report"]["chunks"] == status["report"]["points"]
    assert first.folder.value(attempts, recorded["job_id"]) == recorded["documents"]
    assert len(first.names("letter of the series halfway", "halfway", "dense")) == 12


# Outdated documents


def outdated(first: Upgraded, collection: str) -> dict[str, bool | None]:
    """Names of the outdated documents of a collection, and whether their files are there."""
    listed = first.cli.json("documents", "-c", collection, "--outdated", "--limit", "1000")["documents"]
    return {Path(document["source"]).name: document["has_original"] for document in listed}


def test_outdated_documents_are_read_again_by_the_command_that_is_printed(first: Upgraded) -> None:
    folder, ask = first.folder.sources / "cards", ("a letter of the harbour office", "cards", "dense")
    files = {path.name for path in folder.glob("*.txt")}
    assert outdated(first, "cards") == dict.fromkeys(files, True)
    assert first.names(*ask) == files, "outdated documents are searchable"
    assert first.cli.json("status")["outdated"]["cards"] == len(files)
    department = {hit["source"]: hit["added"] for hit in first.hits(*ask)}
    assert first.cli.json("status", first.hits(*ask)[0]["document_id"])["outdated"] is True

    words = ("ingest", folder, "-c", "cards", "-w", "enriched", "--option", 'fields=["department"]')
    report = first.cli.json(*words)
    assert (report["unchanged"], report["outdated"], report["completed"]) == (len(files), len(files), 0)
    assert f"{len(files)} unchanged documents were read by an earlier version" in first.cli.quick(*words).out

    (folder / "letter-001.txt").rename(folder / "letter-001.away")
    assert outdated(first, "cards") == dict.fromkeys(files, True) | {"letter-001.txt": False}
    plan = first.cli.json("reindex", "-c", "cards", "--outdated", "--plan")
    facts = (plan["in_place"], plan["documents"], plan["files_gone"], plan["unreadable"])
    assert facts == (True, len(files), 1, 0)

    printed = first.cli.quick("status").out
    (advised,) = re.findall(r"docrelay (reindex --collection cards --outdated [^)]*)\)", printed)
    assert advised in first.cli.quick("documents", "-c", "cards", "--outdated").out
    assert first.cli.json(*advised.split())["state"] == "done"
    assert outdated(first, "cards") == {"letter-001.txt": False}
    assert first.names(*ask) == files
    assert {hit["source"]: hit["added"] for hit in first.hits(*ask)} == department, "the workflow of the job is kept"
    assert first.cli.count(collection="cards") == first.folder.value(POINTS, "cards")

    (folder / "letter-001.away").rename(folder / "letter-001.txt")
    assert first.cli.json(*advised.split())["state"] == "done"
    assert outdated(first, "cards") == {}
    assert "cards" not in first.cli.json("status")["outdated"]
    report = first.cli.json(*words)
    assert (report["unchanged"], report["outdated"]) == (len(files), 0)
    assert first.cli.json(*advised.split(), code=2)["error"]["code"] == "unknown_id", "nothing is left to do"


# The API


def test_api_keys_keep_their_scopes(first: Upgraded) -> None:
    keys = first.folder.recorded["keys"]
    for name, statuses in {"admin": (200, 422), "reader": (200, 403), "revoked": (401, 401), "": (401, 401)}.items():
        headers = {"X-API-Key": keys[name]["key"]} if name else {}
        reading = httpx.get(f"{first.api.url}/v1/collections", headers=headers)
        submitting = httpx.post(f"{first.api.url}/v1/jobs", headers=headers, json={"paths": []})
        assert (name, reading.status_code, submitting.status_code) == (name, *statuses)
    assert {key["id"] for key in first.cli.json("keys", "list")["keys"]} == {key["id"] for key in keys.values()}


def test_answered_request_is_not_carried_out_again(first: Upgraded) -> None:
    hook = {"url": "http://127.0.0.1:9/hook", "secret": "a-secret-of-the-first-folder"}
    form = {"collection": "inbox", "tags": "mail", "metadata": '{"from": "client"}', "webhook": json.dumps(hook)}
    sent = {"headers": {"Idempotency-Key": "the-first-one"}, "data": form}
    again = first.api.http.post(
        "/v1/documents", files=[("file", ("sent.txt", b"This was sent by a client.\n"))], **sent
    )
    assert (again.status_code, again.json()["job_id"]) == (202, first.folder.recorded["jobs"]["inbox"])
    other = first.api.http.post("/v1/documents", files=[("file", ("sent.txt", b"Something else.\n"))], **sent)
    assert (other.status_code, other.json()["code"]) == (409, "idempotency_mismatch")
    (document,) = first.api.http.get(f"/v1/jobs/{again.json()['job_id']}/documents").json()["documents"]
    content = first.api.http.get(f"/v1/documents/{document['document_id']}/content")
    assert content.content == b"This was sent by a client.\n"


def test_open_job_accepts_further_files(first: Upgraded) -> None:
    job = first.folder.recorded["jobs"]["open"]
    files = [("file", ("part-2.txt", b"The second part of two.\n"))]
    answer = first.api.http.post("/v1/documents", data={"collection": "open", "job": job}, files=files)
    assert (answer.status_code, answer.json()["job_id"]) == (202, job), answer.text
    assert first.ended(job)["completed"] == 2
    assert first.names("part of two", "open") == {"part-1.txt", "part-2.txt"}


def test_waiting_webhooks_are_sent(first: Upgraded) -> None:
    job, key = first.folder.recorded["jobs"]["inbox"], first.folder.recorded["keys"]["admin"]
    secrets = {"/hook": "a-secret-of-the-first-folder", "/of-the-key": key["webhook_secret"]}
    assert eventually(lambda: {path for path, *_ in first.receiver.of_job(job)} == secrets.keys(), PATIENCE_S)
    for path, headers, body in first.receiver.of_job(job):
        signed = headers["docrelay-timestamp"].encode() + b"." + body
        signature = hmac.new(secrets[path].encode(), signed, hashlib.sha256).hexdigest()
        assert headers["docrelay-signature"] == f"sha256={signature}"
        query = "SELECT job_id, tries FROM deliveries WHERE id = ?"
        ((job_id, tries),) = first.folder.rows(query, headers["docrelay-delivery"])
        assert (job_id, tries > 4) == (job, True)


# What was interrupted


@pytest.mark.parametrize("collection", ["redacting", "enriching", "reading", "begun", "promised"])
def test_interrupted_job_is_completed(first: Upgraded, collection: str) -> None:
    job = first.folder.recorded["interrupted"][collection]
    first.assert_whole(job, collection)
    hits = first.hits("letter of the series", collection)
    assert len({hit["source"] for hit in hits}) == NUMBERS[collection]
    if collection in ("begun", "promised"):
        assert {tag for hit in hits for tag in hit["tags"]} == {"order"}
    if collection in ("redacting", "reading"):
        assert not [hit for hit in hits if "harbour-office" in hit["text"]]
        assert len([hit for hit in hits if "(hidden)" in hit["text"]]) == NUMBERS[collection]
    if collection == "enriching":
        assert {hit["added"]["department"] for hit in hits} == {"office 0", "office 1", "office 2"}


def test_messages_of_the_older_release_are_processed(tmp_path: Path) -> None:
    """On a Redis that kept the messages; first without beat, so that no message is published again."""
    with first_folder(tmp_path, sources=False) as folder, redis_of(folder) as (url, connection):
        queued = [key for key in folder.recorded["redis"] if key["type"] == "list"]
        sent = {json.loads(message)["headers"]["id"] for key in queued for message in key["value"]}
        assert {key["key"].partition("\x06")[0] for key in queued} == {"extract", "upsert"}
        done = "SELECT id FROM tasks WHERE state = 'done'"
        assert not sent & {task for (task,) in folder.rows(done)}
        settings = {**folder.settings, "redis_url": url, "watch": "[]"}
        with cli_on(folder.data, **settings) as cli:
            for group in ("extract", "embed", "store"):
                cli.start("worker", group, stdout=None, stderr=None)
            assert eventually(lambda: sent <= {task for (task,) in folder.rows(done)}, PATIENCE_S)
            cli.start("beat", stdout=None, stderr=None)
            jobs = [folder.recorded["interrupted"][name] for name in ("redacting", "enriching", "reading")]
            for job in jobs:
                assert eventually(partial(folder.finished, job), PATIENCE_S), cli.json("status", job)
                status = cli.json("status", job)
                assert (status["state"], status["completed"]) == ("completed", status["documents"])
                assert folder.value(f"SELECT count(*) {OF_A_JOB} AND tasks.state <> 'done'", job) == 0
            held = [key["key"].encode() for key in folder.recorded["redis"] if ":unacked:" in key["key"]]
            assert held
            assert connection.exists(*held) == 0
