"""The example workflows and those of a plug-in, through the command line and real workers."""

from __future__ import annotations

import json
import re
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest
import sqlalchemy as sa
from flow_tools import eventually, write_documents
from plugin_rig import Composed, composed

from pipeline.catalog.database.schema import documents, tasks, versions
from pipeline.catalog.index import indexes
from pipeline.catalog.index.vector_cache import vectors
from pipeline.stages.chunking import chunk_id, text_hash
from pipeline.vectorstore.base import Filter

PERSONAL = {
    "email": "jane.doe+tides@harbour-office.example",
    "iban": "DE89 3704 0044 0532 0130 00",
    "card": "4111 1111 1111 1111",
    "phone": "+49 30 1234567",
}
LETTER = """# Complaint of {email}

The siren rang all night, please call {phone} before noon. The refund goes to {iban}, or to the card {card}.

## Reference DE12 3456 7891 2345 6789 19

The order number 4111 1111 1111 1112 is no card, and 2026-09-21 is no phone number.
"""


@pytest.fixture(scope="module")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Composed]:
    settings = {"max_starts": 2, "chunk_tokens": 64, "chunk_overlap_tokens": 0}
    with composed(tmp_path_factory.mktemp("workflows"), **settings) as composed_stack:
        yield composed_stack


def everything(stack: Composed, collection: str) -> str:
    """All that readers may see of a collection, as one text."""
    return json.dumps(stack.payloads(collection), ensure_ascii=False)


# The examples


def test_redacted_workflow_stores_no_personal_data(stack: Composed, tmp_path: Path) -> None:
    letter = tmp_path / "letter.md"
    letter.write_text(LETTER.format(**PERSONAL), "utf-8")
    assert stack.ingest(tmp_path, workflow="redacted", collection="redacted")["completed"] == 1

    seen = everything(stack, "redacted")
    assert [personal for personal in PERSONAL.values() if personal in seen] == []
    assert "4111 1111 1111 1112" in seen
    assert "DE12 3456 7891 2345 6789 19" in seen
    assert "2026-09-21" in seen
    # The words for the search by words and the vectors are made of these texts, and so are the names in the cache.
    texts = [payload["text"] for payload in stack.payloads("redacted")]
    with stack.rig.services.cache.connect() as connection:
        known = set(connection.scalars(sa.select(vectors.c.text_hash)))
    assert {text_hash(text) for text in texts} <= known
    assert stack.cli.search_names("jane.doe", "redacted") == set()
    assert stack.cli.search_names("1234567", "redacted") == set()
    query = sa.select(versions.c.title).where(versions.c.title.contains("jane"))
    assert stack.rig.rows(query) == []


def test_a_redacted_hit_is_a_slice_of_the_redacted_text(stack: Composed, tmp_path: Path) -> None:
    letter = tmp_path / "letter.md"
    letter.write_text(LETTER.format(**PERSONAL) * 5, "utf-8")
    stack.ingest(letter, workflow="redacted", collection="slices")
    points = sorted(stack.payloads("slices"), key=lambda point: point["order"])
    text = LETTER.format(**PERSONAL).strip()
    trial = stack.cli.json("try", letter, "-w", "redacted")
    text = trial["stages"][1]["document"]["text"]

    assert len(points) > 3
    assert all(text[point["char_start"] : point["char_end"]] == point["text"] for point in points)
    assert all(
        "[removed]" in " ".join(point["section"]) for point in points if "Complaint" in " ".join(point["section"])
    )
    version = points[0]["version_id"]
    ids = {chunk_id(version, point["order"], point["text"]) for point in points}
    assert set(stack.rig.stored("slices")) == ids


def test_routed_workflow_chooses_the_collection_by_content(stack: Composed, tmp_path: Path) -> None:
    samples = Path(__file__).parents[2] / "samples" / "documents"
    for name in ("annual_report.pdf", "tide_sensor.md", "staff_handbook.docx"):
        (tmp_path / name).write_bytes((samples / name).read_bytes())
    (tmp_path / "really_a_pdf.txt").write_bytes((samples / "invoice_wrong_suffix.txt").read_bytes())
    (tmp_path / "sound.wav").write_bytes((samples / "sound.wav").read_bytes())
    report = stack.ingest(tmp_path, workflow="routed", collection="elsewhere", code=1)

    assert (report["completed"], report["failed"]) == (4, 1)
    names = {
        collection: {Path(payload["source"]).name for payload in stack.payloads(collection)}
        for collection in ("papers", "notes", "elsewhere")
    }
    assert names == {
        "papers": {"annual_report.pdf", "really_a_pdf.txt"},
        "notes": {"tide_sensor.md"},
        "elsewhere": {"staff_handbook.docx"},
    }
    again = stack.ingest(tmp_path, workflow="routed", collection="elsewhere", code=1)
    assert again["unchanged"] == 4


def test_enriched_workflow_adds_sidecar_metadata(stack: Composed, tmp_path: Path) -> None:
    paths = write_documents(tmp_path / "in", 3)
    beside = paths[0].with_name(paths[0].name + ".meta.json")
    beside.write_text(json.dumps({"department": "harbour", "tags": ["night"]}))
    report = stack.ingest(tmp_path / "in", workflow="enriched", collection="enriched")
    added = {Path(payload["source"]).name: payload["added"] for payload in stack.payloads("enriched")}

    assert (report["documents"], report["completed"]) == (3, 3)
    assert added[paths[0].name] == {"department": "harbour", "tags": ["night"]}
    assert added[paths[1].name] == {}
    assert all(payload["metadata"]["added"] == payload["added"] for payload in stack.payloads("enriched"))
    assert stack.ingest(tmp_path / "in", workflow="enriched", collection="enriched")["unchanged"] == 3
    # A changed sidecar alone is reason enough; the vectors are those of before.
    beside.write_text(json.dumps({"department": "office"}))
    report = stack.ingest(beside, workflow="enriched", collection="enriched")
    assert (report["documents"], report["completed"], report["embedded"]) == (1, 1, 0)
    added = {Path(payload["source"]).name: payload["added"] for payload in stack.payloads("enriched")}
    assert added[paths[0].name] == {"department": "office"}


@pytest.mark.parametrize("content", [b"no json", b"[1]", b'{"a": NaN}', b"[" * 100_000, b"\xff"])
def test_bad_sidecar_fails_only_its_document(stack: Composed, tmp_path: Path, content: bytes) -> None:
    paths = write_documents(tmp_path / "in", 2)
    paths[0].with_name(paths[0].name + ".meta.json").write_bytes(content)
    report = stack.ingest(tmp_path / "in", workflow="enriched", collection="sidecars", code=1)

    assert (report["completed"], report["failed"]) == (1, 1)
    assert report["failures"][0]["code"] == "bad_sidecar"


# A plug-in


def trouble(folder: Path, **texts: str) -> dict[str, Path]:
    """Ordinary documents, and some whose text makes the stage fail."""
    write_documents(folder, 4)
    for name, text in texts.items():
        (folder / f"{name}.txt").write_text(f"{text}, said the cat to the other cat.\n")
    return {name: folder / f"{name}.txt" for name in texts}


def test_failing_plug_in_stage_fails_only_its_document(stack: Composed, tmp_path: Path) -> None:
    trouble(tmp_path / "in", bad="please-raise", out="please-exit", none="give-nothing", fine="Good morning")
    report = stack.ingest(tmp_path / "in", workflow="troubled", collection="trouble", code=1)

    assert (report["completed"], report["failed"]) == (5, 3)
    assert {failure["code"] for failure in report["failures"]} == {"stage_failed"}
    said = {Path(failure["source"]).stem: failure["message"] for failure in report["failures"]}
    assert said["bad"] == "The stage trouble failed: ValueError: I do not like this document"
    assert "NoneType instead of a document" in said["none"]
    assert all(failure["hint"] for failure in report["failures"])
    (fine,) = [payload for payload in stack.payloads("trouble") if payload["source"].endswith("fine.txt")]
    assert fine["text"] == "Good morning, said the dog to the other dog."


def counters(stack: Composed, stage: str) -> dict[str, int]:
    """What GET /metrics says of a stage's tasks, by outcome."""
    with over_http(stack) as http:
        answer = http.get("/metrics")
    assert answer.status_code == 200, answer.text
    samples = re.findall(r"^docrelay_stage_tasks_total\{(.+)\} (\d+)", answer.text, flags=re.M)
    labels = [(dict(re.findall(r'(\w+)="(\w+)"', words)), int(number)) for words, number in samples]
    return {words["outcome"]: number for words, number in labels if words["stage"] == stage}


def test_plug_in_stage_is_retried_and_repeated_after_a_kill(stack: Composed, tmp_path: Path) -> None:
    before = counters(stack, "trouble")
    paths = trouble(tmp_path / "in", later="come-later", dead="please-die-once")
    report = stack.ingest(tmp_path / "in", workflow="troubled", collection="again")

    assert report["completed"] == 6
    assert Path(f"{paths['later']}.tried").exists()
    assert Path(f"{paths['dead']}.died").exists()
    assert stack.rig.happened(report["job"], "task.retrying") >= 1
    stack.rig.assert_at_rest(report["job"])
    starts = stack.rig.tasks_of(report["job"], tasks.c.stage == "trouble")
    assert max(row.starts for row in starts) > 1
    # Metrics and the timeline contain the stage like any other.
    after = counters(stack, "trouble")
    assert after.get("retried", 0) > before.get("retried", 0)
    assert after["done"] > before.get("done", 0)
    document = stack.cli.status(stack.payloads("again")[0]["document_id"])
    assert [step.state for step in document.timeline].index("trouble") == 1


def test_plug_in_stage_that_always_dies_fails_only_its_document(stack: Composed, tmp_path: Path) -> None:
    trouble(tmp_path / "in", dead="please-die")
    report = stack.ingest(tmp_path / "in", workflow="troubled", collection="dies", code=1)

    assert (report["completed"], report["failed"]) == (4, 1)
    assert report["failures"][0]["code"] == "crashed"
    stack.rig.assert_at_rest(report["job"])


def test_plug_in_stage_works_on_scanned_documents(stack: Composed, tmp_path: Path, needs: Any) -> None:
    needs("tesseract")
    samples = Path(__file__).parents[2] / "samples" / "documents"
    (tmp_path / "scan.png").write_bytes((samples / "letter_scan.png").read_bytes())
    report = stack.ingest(tmp_path, workflow="troubled", collection="scanned")

    assert report["completed"] == 1
    assert {row.stage for row in stack.rig.tasks_of(report["job"])} >= {"ocr", "trouble", "chunk", "finalize"}
    stack.rig.assert_at_rest(report["job"])


@contextmanager
def held(stack: Composed, folder: Path, collection: str) -> Iterator[str]:
    """Job of six documents whose stage is running; it continues when the block ends."""
    write_documents(folder / "in", 6)
    hold = folder / "hold"
    hold.touch()
    try:
        with stack.options("troubled", hold=str(hold)):
            job = stack.cli.json("ingest", folder / "in", "-w", "troubled", "-c", collection, "--no-wait")["job"]
        at_work = (tasks.c.stage == "trouble", tasks.c.state == "running")
        assert eventually(lambda: stack.rig.tasks_of(job, *at_work))
        yield job
    finally:
        hold.unlink()


def test_worker_killed_in_a_plug_in_stage_is_replaced(stack: Composed, tmp_path: Path) -> None:
    """kill -9 of the whole worker group while its process is inside the function."""
    rig = stack.rig
    with held(stack, tmp_path, "killed") as job:
        for process in rig.processes("extract"):
            process.send_signal(signal.SIGKILL)
    assert rig.wait(job) == {"completed": 6}
    rig.assert_at_rest(job)
    assert rig.services.store.count("killed", Filter(live=True)) == len(rig.stored("killed")) > 0


def test_cancel_during_a_plug_in_stage(stack: Composed, tmp_path: Path) -> None:
    with held(stack, tmp_path, "halt") as job:
        stack.cli.json("cancel", job)
    assert stack.rig.wait(job) == {"cancelled": 6}
    assert stack.rig.stored("halt") == []


def test_other_parameters_make_another_recipe(stack: Composed, tmp_path: Path) -> None:
    write_documents(tmp_path / "in", 2)
    (tmp_path / "in" / "short.txt").write_text("One two.\n\nThree four five six seven.\n")

    assert stack.ingest(tmp_path / "in", workflow="counted", collection="counted")["completed"] == 3
    assert stack.ingest(tmp_path / "in", workflow="counted", collection="counted")["unchanged"] == 3
    (short,) = [payload for payload in stack.payloads("counted") if payload["source"].endswith("short.txt")]
    assert (short["text"], short["order"]) == ("Three four five six seven.", 1)
    assert (short["line_start"], short["line_end"]) == (3, 3)
    assert short["added"] == {"words": 5, "of": "short.txt"}
    with stack.options("counted", at_least=1):
        report = stack.ingest(tmp_path / "in", workflow="counted", collection="counted")
    assert report["completed"] == 3
    shorts = [payload for payload in stack.payloads("counted") if payload["source"].endswith("short.txt")]
    assert sorted(payload["text"] for payload in shorts) == ["One two.", "Three four five six seven."]


def test_document_without_remaining_chunks_is_empty(stack: Composed, tmp_path: Path) -> None:
    write_documents(tmp_path / "in", 2)
    (tmp_path / "in" / "short.txt").write_text("One two.\n")
    report = stack.ingest(tmp_path / "in", workflow="counted", collection="left", code=1)

    assert (report["completed"], report["failed"]) == (2, 1)
    assert report["failures"][0]["code"] == "empty"


def test_extractor_of_a_plug_in_reads_its_format(stack: Composed, tmp_path: Path) -> None:
    (tmp_path / "birds.tally").write_text("gull|||||\nheron|\n")
    report = stack.ingest(tmp_path, workflow="counted", collection="birds")

    assert report["completed"] == 1
    assert {payload["text"] for payload in stack.payloads("birds")} == {
        "gull was seen 5 times.",
        "heron was seen 1 times.",
    }
    assert {payload["media_type"] for payload in stack.payloads("birds")} == {"text/x-tally"}


def test_embedding_model_of_a_plug_in_is_used(stack: Composed, tmp_path: Path) -> None:
    """The collection is made with it, so the workers load it for this collection."""
    (tmp_path / "a.txt").write_text("aaaa bbbb cccc")
    words = ("ingest", str(tmp_path / "a.txt"), "-w", "counted", "-c", "letters", "--json")
    report = stack.cli.run(*words, env={"DOCRELAY_EMBEDDING_MODEL": "letters"}).json

    assert report["completed"] == 1
    with stack.rig.services.catalog.connect() as connection:
        index = indexes.live(connection, "letters")
    assert index is not None
    assert (index.fingerprint.model, index.fingerprint.dim) == ("letters", 26)


def test_broken_plug_in_entry_is_named_and_skipped(stack: Composed) -> None:
    listed = stack.cli.json("workflows")
    names = {workflow["name"] for workflow in listed["workflows"]}
    broken = {(entry["group"], entry["name"]): entry["reason"] for entry in listed["broken"]}

    assert {"ingest", "redacted", "routed", "enriched", "counted", "troubled"} <= names
    assert broken["workflows", "broken"] == "RuntimeError: this package needs a library that is not there"
    assert "chord inside the chord" in broken["workflows", "nested"]
    assert ("extractors", "broken_format") in broken
    refused = stack.cli.quick("ingest", "/", "-w", "broken", "--json")
    assert refused.code == 2
    assert "this package needs a library" in refused.json["error"]["hint"]


# The other entry points


WORKFLOWS = ("redacted", "enriched", "routed", "counted")
LETTER_TO = "A letter to jane@host.example about the tides.\n"


def send(http: httpx.Client, name: str, workflow: str, collection: str) -> str:
    """Submit a file with metadata; the job's id."""
    fields = {"workflow": workflow, "collection": collection, "metadata": '{"department": "harbour"}'}
    parts: list[Any] = [(field, (None, value)) for field, value in fields.items()]
    answer = http.post("/v1/documents", files=[*parts, ("file", (name, LETTER_TO.encode()))])
    assert answer.status_code == 202, answer.text
    return str(answer.json()["job_id"])


def payloads_of(stack: Composed, collection: str, name: str) -> list[dict[str, Any]]:
    """Payloads of a file's points; none in a collection that is not known yet."""
    with stack.rig.services.catalog.connect() as connection:
        if indexes.live(connection, collection) is None:
            return []
    return [payload for payload in stack.payloads(collection) if payload["source"].endswith(name)]


def assert_made_by(workflow: str, points: list[dict[str, Any]]) -> None:
    (point,) = points
    assert ("jane" in point["text"]) == (workflow != "redacted")
    added = {"enriched": {"department": "harbour"}, "counted": {"words": 7, "of": point["title"]}}
    assert point["added"] == added.get(workflow, {})


def over_http(stack: Composed) -> httpx.Client:
    """A client of the API that `up` runs."""
    said = stack.cli.folder.with_name(f"{stack.cli.folder.name}.up")
    assert eventually(lambda: "api is ready: " in said.read_text())
    return httpx.Client(base_url=re.findall(r"api is ready: (\S+)", said.read_text())[-1], timeout=60)


def test_every_workflow_over_http(stack: Composed) -> None:
    with over_http(stack) as http:
        known = {workflow["name"]: workflow["description"] for workflow in http.get("/v1/workflows").json()}
        assert known["redacted"] == "Take personal data out, then make what is left searchable."
        jobs = {name: send(http, f"{name}.md", name, f"http_{name}") for name in WORKFLOWS}
    for workflow, job in jobs.items():
        assert stack.rig.wait(job) == {"completed": 1}
        collection = "notes" if workflow == "routed" else f"http_{workflow}"
        assert_made_by(workflow, payloads_of(stack, collection, f"upload://{workflow}.md"))


def test_every_workflow_on_a_watched_folder(stack: Composed, tmp_path: Path) -> None:
    places = {name: "notes" if name == "routed" else f"watched_{name}" for name in WORKFLOWS}
    files = {name: tmp_path / name / f"watched_{name}.md" for name in WORKFLOWS}
    for file in files.values():
        file.parent.mkdir()
        file.write_text(LETTER_TO)
        file.with_name(f"{file.name}.meta.json").write_text('{"department": "harbour"}')
    watching = stack.cli.start("watch", files["routed"].parent, "-c", "watched_routed", env=watch_by(stack, "routed"))
    try:
        # One process that goes on watching is enough; the others bring their folders up to date and end.
        # `counted` leaves nothing of the sidecar, which is a file as well and fails as empty.
        for name, code in {"redacted": 0, "enriched": 0, "counted": 1}.items():
            words = ("watch", files[name].parent, "-c", f"watched_{name}", "--once")
            ended = stack.cli.quick(*words, env=watch_by(stack, name))
            assert ended.code == code, ended
        assert eventually(lambda: payloads_of(stack, places["routed"], files["routed"].name), 180)
        for name, file in files.items():
            assert_made_by(name, payloads_of(stack, places[name], file.name))
        # What was sent to another collection goes from there when the file goes.
        files["routed"].unlink()
        assert eventually(lambda: not is_live(stack, files["routed"]))
    finally:
        watching.terminate()
        stack.cli.end(watching)


def watch_by(stack: Composed, workflow: str) -> dict[str, str]:
    """Environment of a command with this workflow in its settings."""
    return {**stack.cli.environment, "DOCRELAY_WORKFLOW": workflow}


def is_live(stack: Composed, file: Path) -> bool:
    query = sa.select(documents.c.id).where(documents.c.source == str(file), documents.c.deleted_at.is_(None))
    return bool(stack.rig.rows(query))
