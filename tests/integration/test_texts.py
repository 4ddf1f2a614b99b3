"""Text records on a real stack: by the thousand, changed, deleted, cut off, doubled, killed in the middle."""

from __future__ import annotations

import hashlib
import json
import random
import socket
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path
from typing import Any

import psutil
import pytest
import sqlalchemy as sa
from api_rig import with_settings
from documented_rows import documented_rows
from flow_tools import eventually, lives
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from texts_rig import Record, TextsRig, made_up, texts_rig

from pipeline import AsyncClient
from pipeline.catalog.database.connection import writing
from pipeline.catalog.database.schema import documents, jobs, submissions, versions
from pipeline.client import Client
from pipeline.engine.heartbeat import RECONCILED, intake_node, is_alive
from pipeline.engine.reconciler import ABANDONED_S
from pipeline.errors import BadRequest, OtherRequest, UnknownId
from pipeline.gates_for_tests import INTAKE
from pipeline.ingest.text_lines import MOST_REFUSED

MANY = 10_000


@pytest.fixture(scope="module")
def rig(tmp_path_factory: pytest.TempPathFactory) -> Iterator[TextsRig]:
    with texts_rig(tmp_path_factory.mktemp("texts") / "data") as made:
        yield made


def by_id(records: list[Record]) -> dict[str, Record]:
    return {record["id"]: record for record in records}


@pytest.mark.timeout(1800)
def test_ten_thousand_records_embed_what_changed_and_nothing_else(rig: TextsRig) -> None:
    records = made_up(MANY)
    report = rig.put(iter(records), collection="many")

    assert (report.records, report.queued, report.unchanged, report.refused) == (MANY, MANY, 0, 0)
    assert sorted(rig.endpoint.texts) == sorted(record["text"] for record in records)
    rig.assert_holds("many", by_id(records))

    chance, hundredth = random.Random(7), MANY // 100
    touched = chance.sample(range(MANY), 3 * hundredth)
    changed, described, deleted = touched[:hundredth], touched[hundredth : 2 * hundredth], touched[2 * hundredth :]
    for place in changed:
        records[place] = {**records[place], "text": f"Now {place} is another text."}
    for place in described:
        records[place] = {**records[place], "metadata": {"place": place, "sold": True}}
    before = len(rig.endpoint.texts)
    report = rig.put(iter(records), collection="many")

    assert (report.queued, report.unchanged) == (2 * hundredth, MANY - 2 * hundredth)
    assert sorted(rig.endpoint.since(before)) == sorted(records[place]["text"] for place in changed)
    rig.assert_holds("many", by_id(records))

    names = [records[place]["id"] for place in deleted]
    with pytest.raises(UnknownId, match="no text record 'nowhere'"):
        rig.api.client.delete_texts(*names, "nowhere", collection="many")
    gone = rig.api.client.delete_texts(*names, collection="many")
    assert (gone.documents, gone.points) == (hundredth, hundredth) == (MANY // 100, len(names))
    left = {text_id: record for text_id, record in by_id(records).items() if text_id not in names}
    rig.assert_holds("many", left)
    assert len(rig.endpoint.texts) == before + hundredth

    metadata = {row.source: json.loads(row.metadata) for row in rig.live_rows("many").values()}
    assert metadata == {f"text://{text_id}": record["metadata"] for text_id, record in left.items()}
    hit = rig.api.client.search(f"Now {changed[0]} is another", "many", 1, "sparse").hits[0]
    assert (hit.text_id, hit.metadata) == (records[changed[0]]["id"], records[changed[0]]["metadata"])


def test_a_record_lives_by_every_door(rig: TextsRig, tmp_path: Path) -> None:
    client, url = rig.api.client, rig.api.url
    lamp = {
        "id": "shelf/12 Lampe ü",
        "text": "A lamp for the quay.",
        "metadata": {"price": 12.5},
        "tags": ["sea", "new"],
    }
    report = client.put_text(lamp["id"], lamp["text"], lamp["metadata"], lamp["tags"], collection="doors")
    assert (report.records, report.queued, client.wait(report.job_id).completed) == (1, 1, 1)
    rig.assert_holds("doors", {lamp["id"]: lamp})

    record = client.text(lamp["id"], "doors")
    assert (record.text, record.metadata, record.tags) == (lamp["text"], lamp["metadata"], ["new", "sea"])
    assert (record.state, record.searchable, record.chunks) == ("completed", True, 1)
    shown = rig.api.cli.json("texts", "show", lamp["id"], "-c", "doors")
    assert shown == record.model_dump() == rig.api.cli.json("texts", "show", lamp["id"], "-c", "doors", "--server", url)
    assert "A lamp for the quay." in rig.api.cli.quick("texts", "show", lamp["id"], "-c", "doors").out

    file = tmp_path / "more.jsonl"
    file.write_text(
        f"{json.dumps({'id': 'b', 'text': 'A bell.'})}\nnot json\n{json.dumps({'id': 'c', 'text': 'A buoy.'})}\n"
    )
    for words in ((), ("--server", url)):
        name = f"cli{len(words)}"
        printed = rig.api.cli.json("texts", "import", str(file), "-c", name, *words, code=1)
        assert (printed["documents"], printed["completed"], printed["failed"]) == (3, 2, 1)
        assert [(row["source"], row["code"]) for row in printed["failures"]] == [("line 2", "broken_body")]
        rig.assert_holds(name, {"b": {"text": "A bell."}, "c": {"text": "A buoy."}})
        # More ids than an address holds; what is not there is refused as a whole.
        many = [f"none-{number}" for number in range(2000)]
        refused = rig.api.cli.json("texts", "delete", "b", "c", *many, "-c", name, *words, code=2)
        assert refused["error"]["code"] == "unknown_id"
        assert rig.api.cli.json("texts", "delete", "b", "c", "-c", name, *words)["points"] == 2
        rig.assert_holds(name, {})
    with file.open("rb") as stdin:
        ended = rig.api.cli.run("texts", "import", "-", "-c", "stdin", "--json", stdin=stdin)
    assert (ended.code, ended.json["completed"]) == (1, 2)
    rig.assert_holds("stdin", {"b": {"text": "A bell."}, "c": {"text": "A buoy."}})

    with pytest.raises(UnknownId, match="no text record 'nowhere'"):
        client.text("nowhere", "doors")
    with pytest.raises(UnknownId, match="no text record 'nowhere'"):
        client.delete_texts(lamp["id"], "nowhere", collection="doors")
    assert client.text(lamp["id"], "doors").searchable
    assert rig.api.cli.json("texts", "delete", "nowhere", "-c", "doors", code=2)["error"]["code"] == "unknown_id"


@pytest.mark.anyio
async def test_the_asynchronous_client_streams_records_too(rig: TextsRig) -> None:
    records = made_up(300, seed=2)
    async with AsyncClient(rig.api.url) as client:
        report = await client.put_texts(iter(records), collection="async")
        status = await client.wait(report.job_id)
        assert (status.completed, (await client.text(records[7]["id"], "async")).text) == (300, records[7]["text"])
        assert (await client.delete_texts(records[7]["id"], collection="async")).documents == 1
    rig.assert_holds("async", by_id(records[:7] + records[8:]))


def test_records_are_found_by_their_metadata_at_every_door(rig: TextsRig) -> None:
    shelves = [{"shelf": 12}, {"shelf": "12", "colour": ["red", "green"]}, {"shelf": 13, "colour": "red"}, {}]
    records = [
        {"id": f"lamp-{number}", "text": f"A lamp of the harbour, number {number}.", "metadata": metadata}
        for number, metadata in enumerate(shelves)
    ]
    rig.put(records, collection="lamps")

    def find(*words: str) -> list[str]:
        options = [word for pair in words for word in ("--where", pair)]
        asked = ("search", "lamp", "-c", "lamps", "-n", "100", "-m", "sparse", *options)
        answers = [rig.api.cli.json(*asked, *server)["hits"] for server in ((), ("--server", rig.api.url))]
        assert answers[0] == answers[1]
        return sorted(hit["text_id"] for hit in answers[0])

    assert rig.find("lamps", records[0], shelf=12) == ["lamp-0"]
    assert rig.find("lamps", records[0], colour=["red", "blue"]) == ["lamp-1", "lamp-2"]
    assert find("shelf=12") == ["lamp-0", "lamp-1"]
    assert find('shelf="12"', "colour=green") == ["lamp-1"]
    assert find("shelf=12", "shelf=13", "colour=red") == ["lamp-1", "lamp-2"]
    assert find("shelf=99") == []
    assert len(find()) == 4
    assert rig.api.cli.quick("search", "lamp", "-c", "lamps", "--where", "shelf").code == 2
    for wrong in ({"shelf": []}, {"shelf": {"deep": 1}}, {"shelf": [[1]]}):
        answer = rig.api.http.post("/v1/search", json={"query": "lamp", "filter": {"metadata": wrong}})
        assert (answer.status_code, answer.json()["code"]) == (422, "invalid_request"), wrong


def test_metadata_or_tags_alone_are_changed_without_an_embedding(rig: TextsRig) -> None:
    (record,) = made_up(1, seed=3)
    rig.put([record], collection="facts")
    before = len(rig.endpoint.texts)

    rig.put([{**record, "metadata": {"colour": "red"}}], collection="facts")
    (hit,) = rig.api.client.search(record["text"], "facts", mode="sparse").hits
    assert (hit.text_id, hit.metadata) == (record["id"], {"colour": "red"})
    assert [len(rig.find("facts", record, colour=colour)) for colour in ("red", "blue", ["blue", "red"])] == [1, 0, 1]

    report = rig.put([{**record, "metadata": {"colour": "red"}, "tags": ["b", "a"]}], collection="facts")
    assert report.unchanged == 1
    rig.assert_holds("facts", {record["id"]: {**record, "tags": ["a", "b"]}})
    hits = rig.api.client.search(record["text"], "facts", mode="sparse", where={"tags": ["a"]}).hits
    assert [hit.text_id for hit in hits] == [record["id"]]
    # Without tags a record keeps its own; without metadata it has none.
    rig.put([{"id": record["id"], "text": record["text"]}], collection="facts")
    found = rig.api.client.text(record["id"], "facts")
    assert (found.metadata, found.tags) == ({}, ["a", "b"])
    assert len(rig.endpoint.texts) == before


def test_a_text_is_a_text_whatever_it_looks_like(rig: TextsRig) -> None:
    looks = {
        "page.pdf": "%PDF-1.4 is how a PDF begins.",
        "page.html": "<html><body>Markup <b>stays</b> here.</body></html>",
        "mail.eml": "From: a@example.org\nSubject: hello\n\nAll of it is text.\r\nAnd so is this.",
        "note.md": "# No heading\n\ntext of a note",
        "data.csv": "a,b\n1,2\n",
    }
    # A file of the same bytes and suffix is read in its own way, and neither takes the text of the other.
    rig.api.submit(("note.md", looks["note.md"].encode()), collection="files")
    rig.put([{"id": name, "text": text} for name, text in looks.items()], collection="looks")

    for name, text in looks.items():
        document = rig.api.client.document(rig.live_rows("looks")[f"text://{name}"].id)
        chunks = list(rig.api.client.chunks(document.id))
        assert document.media_type == "text/plain"
        assert "".join(chunk.text for chunk in chunks) in text
        assert not any(chunk.section for chunk in chunks)
        assert rig.api.client.text(name, "looks").text == text
    with pytest.raises(Exception, match="text:"):
        rig.api.client.submit(("a.pdf", b"%PDF-"), sources=["text://page.pdf"])


def test_ids_are_of_a_collection_and_a_line_may_name_another(rig: TextsRig) -> None:
    lines = [
        {"id": "a", "text": "Of the first."},
        {"id": "a", "text": "Of the second.", "collection": "second"},
        {"id": "a/b", "text": "Below."},
    ]
    report = rig.put(lines, collection="first")

    assert (report.records, report.queued) == (3, 3)
    rig.assert_holds("first", {"a": lines[0], "a/b": lines[2]})
    rig.assert_holds("second", {"a": lines[1]})
    # An id is no folder: what only begins with it stays.
    assert rig.api.client.delete_texts("a", collection="first").documents == 1
    rig.assert_holds("first", {"a/b": lines[2]})
    rig.assert_holds("second", {"a": lines[1]})


def test_of_one_id_in_one_request_the_last_line_counts(rig: TextsRig) -> None:
    texts = ["First.", "Second.", "First.", "Third."]
    report = rig.put([{"id": "same", "text": text} for text in texts], collection="last")
    assert report.records == 4
    assert eventually(lambda: rig.api.client.text("same", "last").text == "Third.")
    rig.assert_holds("last", {"same": {"text": "Third."}})

    rig.put([{"id": "same", "text": text} for text in ("Fourth.", "Third.")], collection="last")
    rig.assert_holds("last", {"same": {"text": "Third."}})


def test_wrong_lines_are_reported_by_number_and_the_others_are_taken(rig: TextsRig) -> None:
    good = made_up(200, seed=4)
    lines: list[Any] = [*good]
    wrong = {3: b"{", 90: b"[]", 150: b'{"id": "x"}', 203: b'{"id": "y", "text": " "}'}
    for place, line in wrong.items():
        lines.insert(place, line)
    report = rig.put(lines, collection="wrong")

    assert (report.records, report.refused) == (200, 4)
    assert [(row.line, row.id, row.code) for row in report.errors] == [
        (4, None, "broken_body"),
        (91, None, "invalid_request"),
        (151, "x", "invalid_request"),
        (204, "y", "empty"),
    ]
    rig.assert_holds("wrong", by_id(good))
    for body in ([], [b"{"]):
        with pytest.raises(BadRequest):
            rig.api.client.put_texts(body, collection="wrong")


def test_json_is_taken_as_one_record_or_as_a_list(rig: TextsRig) -> None:
    http, params = rig.api.http, {"collection": "json"}
    one = http.post("/v1/texts", params=params, json={"id": "1", "text": "One."}).raise_for_status()
    two = http.post("/v1/texts", params=params, json=[{"id": "2", "text": "Two."}, 3, {"id": "3", "text": "Three."}])
    assert one.headers["Location"] == f"/v1/jobs/{one.json()['job_id']}"
    assert (two.status_code, two.json()["records"], two.json()["errors"][0]["line"]) == (202, 2, 2)
    for answer in (one, two):
        rig.api.client.wait(answer.json()["job_id"])
    rig.assert_holds("json", {"1": {"text": "One."}, "2": {"text": "Two."}, "3": {"text": "Three."}})

    refused = {
        415: http.post("/v1/texts", content=b"{}", headers={"Content-Type": "text/plain"}),
        400: http.post("/v1/texts", content=b"[", headers={"Content-Type": "application/json"}),
        422: http.post("/v1/texts", json="text"),
        413: http.post("/v1/texts", json=[{"id": "1", "text": "x" * (9 << 20)}]),
    }
    codes = [answer.json()["code"] for answer in refused.values()]
    assert [answer.status_code for answer in refused.values()] == list(refused)
    assert codes == ["wrong_media_type", "broken_body", "invalid_request", "body_too_large"]
    put = http.put("/v1/texts", json={"id": "1", "text": " "})
    assert (put.status_code, put.json()["code"]) == (422, "empty")


def test_a_full_disk_refuses_records_before_anything_is_taken(rig: TextsRig) -> None:
    before = rig.api.cli.rows(sa.select(sa.func.count()).select_from(jobs))[0][0]
    with with_settings(rig.api, min_free_mb=10**9) as full:
        lines = {"content": b'{"id": "1", "text": "One."}', "headers": {"Content-Type": "application/x-ndjson"}}
        answers = [full.http.post("/v1/texts", **lines), full.http.put("/v1/texts", json={"id": "1", "text": "One."})]
    assert [(answer.status_code, answer.json()["code"]) for answer in answers] == [(507, "disk_full")] * 2
    assert rig.api.cli.rows(sa.select(sa.func.count()).select_from(jobs))[0][0] == before


def test_the_same_request_with_the_same_key_is_one_job(rig: TextsRig) -> None:
    records = made_up(100, seed=5)
    first = rig.put(records, collection="once", key="import-5")
    again = rig.put(records, collection="once", key="import-5")
    assert again == first
    with pytest.raises(OtherRequest):
        rig.api.client.put_texts(records[1:], collection="once", key="import-5")
    with pytest.raises(OtherRequest):
        rig.api.client.put_texts(records, collection="twice", key="import-5")

    with ThreadPoolExecutor(4) as pool:
        reports = list(pool.map(lambda _: rig.put(records, collection="at-once", key="import-6"), range(4)))
    assert all(report == reports[0] for report in reports)
    assert rig.api.cli.rows(sa.select(sa.func.count()).where(jobs.c.collection == "at-once"))[0][0] == 1
    rig.assert_holds("at-once", by_id(records))


def test_a_request_that_is_cut_off_leaves_nothing(rig: TextsRig) -> None:
    folder = rig.api.cli.folder / "tmp"
    before = rig.api.cli.rows(sa.select(sa.func.count()).select_from(jobs))[0][0]
    body = b"".join(json.dumps(record).encode() + b"\n" for record in made_up(MANY, seed=6))
    with socket.create_connection(rig.api.address) as connection:
        head = "POST /v1/texts?collection=cut HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/x-ndjson\r\n"
        connection.sendall(f"{head}Content-Length: {len(body)}\r\n\r\n".encode() + body[: len(body) // 2])
        assert eventually(lambda: _open_deleted(rig.api.pid, folder))
    assert eventually(lambda: not _open_deleted(rig.api.pid, folder))

    assert rig.api.cli.rows(sa.select(sa.func.count()).select_from(jobs))[0][0] == before
    assert not rig.api.cli.rows(sa.select(documents.c.id).where(documents.c.collection == "cut"))
    assert rig.api.cli.count(collection="cut") == 0
    assert not list(folder.glob("drafts-*/*"))


def _open_deleted(pid: int, folder: Path) -> list[str]:
    """Files without a name in a folder that a process has open."""
    return [name for name in _open_files(pid) if name.startswith(str(folder)) and name.endswith(" (deleted)")]


def _open_files(pid: int) -> list[str]:
    names = []
    for entry in Path(f"/proc/{pid}/fd").iterdir():
        with suppress(FileNotFoundError):
            names.append(str(entry.readlink()))
    return names


def test_memory_does_not_grow_with_the_body(rig: TextsRig) -> None:
    line = b'{"id": "a", "text": 7, "filler": "' + b"x" * 100_000 + b'"}'
    api = psutil.Process(rig.api.pid)

    def lines(number: int) -> Iterator[bytes]:
        yield b'{"id": "only", "text": "The only record."}'
        for _ in range(number):
            yield line

    rig.put(lines(100), collection="memory")
    before = api.memory_info().rss
    report = rig.put(lines(1500), collection="memory")

    assert (report.refused, len(report.errors), report.unchanged) == (1500, 1000, 1)
    assert api.memory_info().rss - before < 50 << 20  # of a body of 150 MB


def test_a_request_that_is_sent_again_while_it_works_waits_for_its_answer(rig: TextsRig) -> None:
    records = made_up(100, seed=11)
    lines = {"content": "".join(f"{json.dumps(record)}\n" for record in records)}
    headers = {"Content-Type": "application/x-ndjson", "Idempotency-Key": "at-work"}
    params = {"collection": "at-work"}
    with ThreadPoolExecutor(2) as pool, rig.api.cli.gates.closed(INTAKE):
        first = pool.submit(rig.put, records, collection="at-work", key="at-work")
        rig.api.cli.gates.arrived(INTAKE)
        # What the first request has taken so far ends before the second request begins.
        ended = sa.select(sa.func.count()).where(submissions.c.outcome.is_not(None), submissions.c.source.in_(TAKEN_11))
        assert eventually(lambda: rig.api.cli.rows(ended)[0][0] > 0)
        answer = rig.api.http.post("/v1/texts", params=params, headers=headers, **lines)
        assert (answer.status_code, answer.json()["code"]) == (409, "request_in_progress")
        assert 0 < int(answer.headers["Retry-After"]) <= 10
        second = pool.submit(rig.put, records, collection="at-work", key="at-work")
    assert first.result() == second.result()
    assert (first.result().records, first.result().queued) == (len(records), len(records))
    _assert_ended_once(rig, first.result().job_id, records)
    rig.assert_holds("at-work", by_id(records))


TAKEN_11 = [f"text://item-11-{place}" for place in range(100)]


def _assert_ended_once(rig: TextsRig, job_id: str, records: list[Record]) -> None:
    """The job has completed each of these records, and said so of each, and of its own end, exactly once."""
    counted = rig.api.cli.rows(sa.text(f"SELECT kind, count(*) FROM events WHERE job_id = '{job_id}' GROUP BY 1"))
    ends = {kind: number for kind, number in counted if kind in ENDS}
    assert ends == {"document.completed": len(records), "job.finished": 1}
    outcomes = sa.select(submissions.c.outcome, sa.func.count()).where(submissions.c.job_id == job_id)
    assert dict(map(tuple, rig.api.cli.rows(outcomes.group_by(submissions.c.outcome)))) == {"completed": len(records)}


ENDS = ("document.completed", "document.unchanged", "document.failed", "document.cancelled", "job.finished")


def _kill_in_the_middle(rig: TextsRig, records: list[Record], name: str) -> str:
    """Kill the API when it has taken some of these records, wait until these are completed; the job's id."""
    with rig.api.cli.gates.closed(INTAKE), ThreadPoolExecutor(1) as pool:
        cut = Client(rig.api.url)
        sent = pool.submit(cut.put_texts, iter(records), key=name, collection=name)
        rig.api.cli.gates.arrived(INTAKE)
        folder = _drafts_of(rig)
        rig.api.kill()
        with pytest.raises(Exception, match="cannot be reached"):
            sent.result()
        cut.close()
    assert eventually(lambda: not folder.exists()), "the API removes what its predecessor has left"
    ((job_id,),) = rig.api.cli.rows(sa.select(jobs.c.id).where(jobs.c.collection == name))
    outcomes = sa.select(submissions.c.outcome).where(submissions.c.job_id == job_id)
    assert eventually(lambda: {outcome for (outcome,) in rig.api.cli.rows(outcomes)} == {"completed"})
    assert 0 < len(rig.api.cli.rows(outcomes)) < len(records)
    return str(job_id)


def _drafts_of(rig: TextsRig) -> Path:
    """The folder of the files that arrive at the API: it holds the lock of that."""
    files = [Path(name) for name in _open_files(rig.api.pid)]
    (lock,) = [file for file in files if file.name.startswith("drafts-") and file.suffix == ".lock"]
    assert lock.with_suffix("").is_dir()
    return lock.with_suffix("")


def _let_reconciler_see(rig: TextsRig, job_id: str) -> None:
    """Wait until the reconciler has looked at a job that is old enough, and whose intake has no heartbeat."""
    with rig.api.cli.services() as services:
        assert eventually(lambda: not is_alive(services.redis, intake_node(job_id)))
        (created_at,) = rig.api.cli.rows(sa.select(jobs.c.created_at).where(jobs.c.id == job_id))[0]
        begun = max(time.time(), created_at + ABANDONED_S) + services.settings.reconcile_s
        assert eventually(lambda: float(services.redis.get(RECONCILED) or 0) > begun)


def test_an_api_that_is_killed_in_the_middle_goes_on_in_the_same_job(rig: TextsRig) -> None:
    records = made_up(500, seed=8)
    job_id = _kill_in_the_middle(rig, records, "killed")
    _let_reconciler_see(rig, job_id)
    finished = sa.select(jobs.c.finished_at).where(jobs.c.id == job_id)
    assert rig.api.cli.rows(finished)[0][0] is None

    report = rig.put(records, collection="killed", key="killed")
    assert report.job_id == job_id
    assert rig.put(records, collection="killed", key="killed") == report
    _assert_ended_once(rig, job_id, records)
    rig.assert_holds("killed", by_id(records))


def test_an_api_that_is_stopped_ends_its_import_and_it_goes_on_when_it_is_sent_again(rig: TextsRig) -> None:
    """The gate lets one group through every few seconds: the import ends between two groups, long before the last."""
    records, gates = made_up(500, seed=13), rig.api.cli.gates
    with gates.closed(INTAKE), ThreadPoolExecutor(1) as pool:
        cut, before, pid = Client(rig.api.url), rig.api.url, rig.api.pid
        sent = pool.submit(cut.put_texts, iter(records), key="stopped", collection="stopped")
        gates.arrived(INTAKE)
        psutil.Process(pid).terminate()

        def has_ended() -> bool:
            gates.let(INTAKE)
            return not lives(pid)

        assert eventually(has_ended, pause=3.0)
        with pytest.raises(Exception, match=r"answered 500|cannot be reached|being stopped"):
            sent.result()
        cut.close()
    rig.api.follow(before)
    taken = sa.select(sa.func.count()).where(submissions.c.source.startswith("text://item-13-"))
    assert 0 < rig.api.cli.rows(taken)[0][0] < len(records)
    report = rig.put(records, collection="stopped", key="stopped")
    assert report.records == len(records)
    _assert_ended_once(rig, report.job_id, records)
    rig.assert_holds("stopped", by_id(records))


def test_a_body_of_wrong_lines_or_of_too_many_blank_ones_is_refused_as_a_whole(rig: TextsRig) -> None:
    before = rig.api.cli.rows(sa.select(sa.func.count()).select_from(jobs))
    for line, message in (("x\n", "no JSON"), ("\n", "blank")):
        body = '{"id": "1", "text": "One."}\n' + line * (MOST_REFUSED + 1)
        answer = rig.api.http.post("/v1/texts", content=body, headers={"Content-Type": "application/x-ndjson"})
        assert (answer.status_code, answer.json()["code"], message in answer.json()["detail"]) == (
            422,
            "invalid_request",
            True,
        )
    assert rig.api.cli.rows(sa.select(sa.func.count()).select_from(jobs)) == before


def test_a_request_that_comes_back_too_late_gets_another_job(rig: TextsRig) -> None:
    records = made_up(60, seed=12)
    job_id = _kill_in_the_middle(rig, records, "late")
    with rig.api.cli.services() as services, writing(services.catalog) as connection:
        connection.execute(jobs.update().where(jobs.c.id == job_id).values(open_until=1.0))
    assert eventually(lambda: rig.api.client.job(job_id).ended)
    taken = rig.api.client.job(job_id).completed

    report = rig.put(records, collection="late", key="late")
    assert (report.job_id != job_id, report.unchanged, report.queued) == (True, taken, len(records) - taken)
    finished = sa.text("SELECT job_id FROM events WHERE kind = 'job.finished'")
    ended = [job for (job,) in rig.api.cli.rows(finished)]
    assert (ended.count(job_id), ended.count(report.job_id)) == (1, 1)
    rig.assert_holds("late", by_id(records))


def test_workers_that_are_killed_in_the_middle_lose_and_double_nothing(rig: TextsRig) -> None:
    records, gates = made_up(400, seed=9), rig.api.cli.gates
    orders = [gates.kill(gate, "worker") for gate in ("extract", "embed-worked", "upsert", "finalize-worked")]
    before = len(rig.endpoint.texts)
    report = rig.put(records, collection="kills")

    assert eventually(lambda: not any(order.exists() for order in orders))
    assert rig.api.client.job(report.job_id).completed == len(records)
    rig.assert_holds("kills", by_id(records))
    # A worker that dies with its vectors has them made again, and only these.
    assert len(records) <= len(rig.endpoint.texts) - before <= len(records) + 3 * 64


def test_a_record_that_failed_is_listed_and_tried_again(rig: TextsRig) -> None:
    client, text = rig.api.client, "A text whose copy is lost for a while."
    digest = hashlib.sha256(text.encode()).hexdigest()
    copy = rig.api.cli.folder / "spool" / "originals" / digest[:2] / f"{digest}.record"
    with rig.api.cli.gates.closed("extract"):
        report = client.put_text("lost", text, {"n": 1}, collection="failing")
        rig.api.cli.gates.arrived("extract")
        assert copy.read_bytes() == text.encode()
        copy.unlink()
    assert client.wait(report.job_id).failed == 1
    assert [(row.source, row.code) for row in client.failures(job_id=report.job_id)] == [("text://lost", "unreadable")]
    found = client.text("lost", "failing")
    assert (found.state, found.code, found.searchable, found.text) == ("failed", "unreadable", False, None)

    copy.write_bytes(text.encode())
    (again,) = client.retry(job_id=report.job_id)
    assert client.wait(again).completed == 1
    rig.assert_holds("failing", {"lost": {"text": text}})
    assert client.text("lost", "failing").metadata == {"n": 1}


def test_a_cancelled_change_leaves_the_version_that_readers_see(rig: TextsRig) -> None:
    (record,) = made_up(1, seed=10)
    rig.put([record], collection="cancel")
    with rig.api.cli.gates.closed("embed"):
        report = rig.api.client.put_text(record["id"], "The other text.", collection="cancel")
        rig.api.cli.gates.arrived("embed")
        now = rig.api.client.text(record["id"], "cancel")
        assert (now.text, now.state, now.metadata) == (record["text"], "embedding", record["metadata"])
        assert rig.api.client.cancel(report.job_id) == 1
    rig.assert_holds("cancel", {record["id"]: record})
    assert rig.api.client.text(record["id"], "cancel").state == "cancelled"


def test_of_two_clients_that_change_one_id_at_once_one_wins_whole(rig: TextsRig) -> None:
    def change(name: str) -> None:
        with Client(rig.api.url) as client:
            for number in range(8):
                client.put_text("shared", f"{name} {number}", {"by": name, "number": number}, collection="race")

    with ThreadPoolExecutor(2) as pool:
        list(pool.map(change, ("Anna", "Berta")))
    active = sa.select(sa.func.count()).where(jobs.c.collection == "race", jobs.c.finished_at.is_(None))
    assert eventually(lambda: rig.api.cli.rows(active)[0][0] == 0)

    found = rig.api.client.text("shared", "race")
    assert found.text in ("Anna 7", "Berta 7")
    assert found.text == f"{found.metadata['by']} {found.metadata['number']}"
    rig.assert_holds("race", {"shared": {"text": found.text}})
    newest = sa.select(versions.c.id).where(versions.c.document_id == found.document_id)
    newest = newest.order_by(versions.c.sequence.desc()).limit(1)
    assert rig.live_rows("race")["text://shared"].live_version_id == rig.api.cli.rows(newest)[0][0]


OPERATIONS = st.lists(
    st.tuples(st.sampled_from(["put", "put", "describe", "delete", "again"]), st.integers(0, 3), st.integers(0, 9)),
    min_size=4,
    max_size=8,
)


@settings(
    max_examples=4,
    deadline=None,
    phases=[Phase.generate],
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(OPERATIONS)
@pytest.mark.timeout(900)
def test_any_walk_of_changes_ends_as_a_dictionary_would(rig: TextsRig, walk: list[tuple[str, int, int]]) -> None:
    """One collection for all examples: each begins where the one before has ended."""
    model = WALKED
    for kind, place, number in walk:
        text_id, record = f"walk-{place}", model.get(f"walk-{place}")
        if kind == "put" or record is None:
            record = {"id": text_id, "text": f"Text {number} of {place}.", "metadata": {"number": number}}
        elif kind == "describe":
            record = {**record, "metadata": {"number": number, "described": True}}
        elif kind == "delete":
            del model[text_id]
            assert rig.api.client.delete_texts(text_id, collection="walk").documents == 1
            continue
        before, known = len(rig.endpoint.texts), record["text"] in EMBEDDED
        rig.put([record], collection="walk")
        EMBEDDED.add(record["text"])
        model[text_id] = record
        assert rig.endpoint.since(before) == ([] if known else [record["text"]])
    rig.assert_holds("walk", model)
    for text_id, record in model.items():
        found = rig.api.client.text(text_id, "walk")
        assert (found.text, found.metadata) == (record["text"], record["metadata"])


WALKED: dict[str, Record] = {}
EMBEDDED: set[str] = set()


# docs/monitoring.md, "Texts": each row, compared with a count of its own


def _post(rig: TextsRig) -> None:
    records = made_up(70, seed=20)
    report = rig.api.client.put_texts([*records, b"{"], collection="rows")
    rig.api.client.wait(report.job_id)
    counted = rig.api.cli.rows(sa.text(f"SELECT count(*) FROM submissions WHERE job_id = '{report.job_id}'"))[0][0]
    assert (report.records, report.queued, report.refused) == (counted, counted, 1) == (70, 70, 1)


def _put(rig: TextsRig) -> None:
    report = rig.api.client.put_text("item-20-0", "Changed by PUT.", collection="rows")
    rig.api.client.wait(report.job_id)
    row = rig.live_rows("rows")["text://item-20-0"]
    assert rig.api.client.text("item-20-0", "rows").document_id == row.id
    assert (report.records, report.queued) == (1, 1)


def _get(rig: TextsRig) -> None:
    for source, row in list(rig.live_rows("rows").items())[:5]:
        record = rig.api.client.text(source.removeprefix("text://"), "rows")
        stored = (record.document_id, record.metadata, json.dumps(record.tags))
        assert stored == (row.id, json.loads(row.metadata or "{}"), row.tags)
        assert record.chunks == len(list(rig.api.client.chunks(row.id)))


def _delete(rig: TextsRig) -> None:
    before = len(rig.live_rows("rows"))
    deleted = rig.api.client.delete_texts("item-20-1", "item-20-2", collection="rows")
    assert (deleted.documents, deleted.points) == (before - len(rig.live_rows("rows")), 2) == (2, 2)


def _delete_many(rig: TextsRig) -> None:
    before, ids = len(rig.live_rows("rows")), [f"item-20-{place}" for place in (3, 4, 5, 3)]
    answer = rig.api.http.post("/v1/texts/delete", params={"collection": "rows"}, json=ids).raise_for_status().json()
    sources = [f"text://{text_id}" for text_id in ids[:3]]
    assert answer == {"documents": 3, "points": 3, "sources": sources}
    assert before - len(rig.live_rows("rows")) == 3
    assert rig.api.cli.count(collection="rows") == len(rig.live_rows("rows"))


def _import(rig: TextsRig) -> None:
    file = rig.api.cli.folder.with_name("rows.jsonl")
    file.write_text("".join(f"{json.dumps(record)}\n" for record in made_up(12, seed=21)))
    printed = rig.api.cli.json("texts", "import", str(file), "-c", "imported")
    assert printed["completed"] == printed["chunks"] == len(rig.live_rows("imported")) == 12
    assert rig.api.cli.count(collection="imported") == 12


def _show(rig: TextsRig) -> None:
    row = rig.live_rows("imported")["text://item-21-3"]
    shown = rig.api.cli.json("texts", "show", "item-21-3", "-c", "imported")
    assert (shown["document_id"], shown["metadata"]) == (row.id, json.loads(row.metadata))


def _cli_delete(rig: TextsRig) -> None:
    assert rig.api.cli.json("texts", "delete", "item-21-3", "-c", "imported")["documents"] == 1
    assert len(rig.live_rows("imported")) == rig.api.cli.count(collection="imported") == 11


CHECKS: dict[str, Callable[[TextsRig], None]] = {
    "POST /v1/texts": _post,
    "PUT /v1/texts": _put,
    "GET /v1/texts": _get,
    "DELETE /v1/texts": _delete,
    "POST /v1/texts/delete": _delete_many,
    "docrelay texts import": _import,
    "docrelay texts show": _show,
    "docrelay texts delete": _cli_delete,
}


def test_every_row_of_the_page_is_true(rig: TextsRig) -> None:
    assert documented_rows("monitoring.md", "## Texts") == list(CHECKS)
    for check in CHECKS.values():
        check(rig)
