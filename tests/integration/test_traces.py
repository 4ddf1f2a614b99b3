"""Traces of a running stack, as a collector receives them, and the log lines that name them."""

from __future__ import annotations

import json
import os
import secrets
import signal
from collections.abc import Iterator, Mapping
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from api_rig import Api, api_on
from collector import Collector, Received, collecting
from flow_tools import eventually
from metrics_rig import Work, rows_of

STAGES = ["extract", "chunk", "embed", "upsert", "finalize"]
LEVELS = json.dumps({"pipeline.api": "warning"})
TEXT = b"The heron stands in the shallows and waits.\n"


@pytest.fixture(scope="module")
def collector() -> Iterator[Collector]:
    with collecting() as collector:
        yield collector


@pytest.fixture(scope="module")
def api(tmp_path_factory: pytest.TempPathFactory, collector: Collector) -> Iterator[Api]:
    settings = {"traces_url": collector.url, "log_levels": LEVELS}
    with api_on(tmp_path_factory.mktemp("traces") / "data", **settings) as api:
        yield api


def submitted(api: Api, *files: tuple[str, bytes], flags: str = "01") -> tuple[str, str, dict[str, Any]]:
    """Submit files in one request with a header; the ids of the caller's trace and span, and the answer."""
    trace, span = secrets.token_hex(16), secrets.token_hex(8)
    answer = api.http.post(
        "/v1/documents",
        files=[("file", (name, data)) for name, data in files],
        headers={"traceparent": f"00-{trace}-{span}-{flags}"},
    )
    accepted = answer.raise_for_status().json()
    assert api.client.wait(accepted["job_id"]).ended
    return trace, span, accepted


def complete(collector: Collector, trace: str) -> list[Received]:
    """The spans of the trace of one document, once all have arrived: every process sends its own."""
    assert eventually(lambda: len(collector.of(trace)) == 2 + len(STAGES)), collector.tree(trace)
    return collector.of(trace)


def test_trace_of_a_document_goes_from_the_header_to_searchable(api: Api, collector: Collector) -> None:
    trace, caller, accepted = submitted(api, ("heron.txt", TEXT))
    (document,) = accepted["documents"]
    request, intake, *stages = complete(collector, trace)
    print(collector.tree(trace))
    assert (request.name, request.parent) == ("POST /v1/documents", caller)
    assert request.facts["http.response.status_code"] == 202
    assert (intake.name, intake.parent) == ("intake", request.id)
    assert [span.name for span in stages] == STAGES
    assert {span.parent for span in stages} == {intake.id}
    assert {span.facts["docrelay.document.id"] for span in (intake, *stages)} == {document["document_id"]}
    for before, after in pairwise(stages):
        assert before.start <= before.end
        assert before.start < after.start
    assert [span.facts["docrelay.document.state"] for span in stages[-1:]] == ["completed"]
    assert not any(span.links or span.error for span in collector.of(trace))
    assert collector.paths == {"/v1/traces"}


def test_documents_of_one_request_have_a_trace_each(api: Api, collector: Collector) -> None:
    files = [(f"bird-{number}.txt", TEXT + str(number).encode()) for number in range(3)]
    trace, _, accepted = submitted(api, *files)
    ids = {document["document_id"] for document in accepted["documents"]}
    assert eventually(lambda: collector.of(trace) != [])
    (request,) = collector.of(trace)
    intakes = spans_of(collector, "intake", ids)
    assert [span.links for span in intakes] == [[(trace, request.id)]] * 3
    assert len({span.trace for span in intakes} | {trace}) == 4
    for stage in STAGES:
        own = spans_of(collector, stage, ids)
        (whole,) = spans_of_batch(collector, f"{stage} batch", own[0].facts["docrelay.batch.id"])
        assert whole.facts["docrelay.documents"] == 3
        assert sorted(whole.links) == sorted((span.trace, span.id) for span in own)
        assert [span.links for span in own] == [[(whole.trace, whole.id)]] * 3
        assert {span.parent for span in own} == {span.id for span in intakes}


def spans_of(collector: Collector, name: str, ids: set[str]) -> list[Received]:
    """The spans with a name of these documents, once each of them has one: every process sends its own."""

    def found() -> list[Received]:
        return [span for span in collector.named(name) if span.facts["docrelay.document.id"] in ids]

    assert eventually(lambda: {span.facts["docrelay.document.id"] for span in found()} == ids)
    return found()


def spans_of_batch(collector: Collector, name: str, batch: str) -> list[Received]:
    assert eventually(lambda: collector.named(name, docrelay_batch_id=batch) != [])
    return collector.named(name, docrelay_batch_id=batch)


def test_trace_of_a_document_that_fails_says_why(api: Api, collector: Collector) -> None:
    trace, _, _ = submitted(api, ("hollow.pdf", b"%PDF-1.7\nnothing of the kind"))
    assert eventually(lambda: [span for span in collector.of(trace) if span.name == "extract"] != [])
    (extract,) = (span for span in collector.of(trace) if span.name == "extract")
    assert (extract.error, extract.facts["docrelay.document.state"]) == ("corrupt", "failed")


def test_nothing_is_exported_of_what_the_caller_does_not_sample(api: Api, collector: Collector) -> None:
    names = ("first.txt", "second.txt")
    trace, _, _ = submitted(api, *((name, TEXT + name.encode()) for name in names), flags="00")
    alone, _, _ = submitted(api, ("third.txt", TEXT + b"third"), flags="00")
    sampled, _, _ = submitted(api, ("fourth.txt", TEXT + b"fourth"))
    complete(collector, sampled)  # what the same processes have sent later has arrived
    assert collector.of(trace) == collector.of(alone) == []
    assert not {*names, "third.txt"} & sources(collector)
    flags = "SELECT DISTINCT substr(a.trace, -2) FROM attempts a JOIN documents d ON d.id = a.document_id"
    wanted = " WHERE d.source IN ('upload://first.txt', 'upload://second.txt', 'upload://third.txt')"
    assert rows_of(api.cli.folder / "catalog.db", flags + wanted) == [("00",)]


def sources(collector: Collector) -> set[str]:
    """Names of the documents whose intake has arrived."""
    return {Path(span.facts["docrelay.document.source"]).name for span in collector.named("intake")}


def test_what_is_asked_all_the_time_has_no_traces(api: Api, collector: Collector) -> None:
    for path in ("/health/live", "/health/ready", "/health", "/metrics"):
        assert api.http.get(path, headers={"traceparent": f"00-{'9' * 32}-{'1' * 16}-01"}).status_code == 200
    before = len(collector.named("GET /v1/status"))
    assert api.http.get("/v1/status").status_code == 200
    assert eventually(lambda: len(collector.named("GET /v1/status")) > before)
    assert collector.of("9" * 32) == []
    assert not {name for name in (span.name for span in collector.spans) if "/health" in name or "metrics" in name}


def test_a_command_that_ends_at_once_has_sent_its_spans(api: Api, collector: Collector, tmp_path: Path) -> None:
    path = tmp_path / "teal.txt"
    path.write_bytes(TEXT + b"The teal is gone at once.")
    assert api.cli.run("ingest", path, "--no-wait").code == 0
    assert eventually(lambda: "teal.txt" in sources(collector))


def test_log_lines_name_request_trace_job_and_document(api: Api, collector: Collector) -> None:
    trace, _, accepted = submitted(api, ("egret.txt", TEXT))
    spans = complete(collector, trace)
    request = spans[0].facts["docrelay.request.id"]
    ids = {"job": accepted["job_id"], "document": accepted["documents"][0]["document_id"], "trace": trace}
    lines = [line for line in logged(api) if line.get("event") == "stage.done" and line.get("job") == ids["job"]]
    assert [line["stage"] for line in lines] == STAGES
    assert all({**line, **ids, "request": request} == line for line in lines)
    (opened,) = (line for line in logged(api) if line.get("event") == "job.opened" and line.get("job") == ids["job"])
    assert (opened["request"], opened["trace"], opened["process"]) == (request, trace, "api")


def test_levels_of_modules(api: Api) -> None:
    """The API is silent about requests that are served; submissions are still logged."""
    api.submit(("level.txt", TEXT))
    events = {line.get("event") for line in logged(api) if line.get("process") == "api"}
    assert "job.opened" in events
    assert "request.served" not in events


def test_processes_that_are_ended_send_their_last_spans(api: Api, collector: Collector) -> None:
    """A process of a pool, a worker without one, and the API."""
    broken, _, _ = submitted(api, ("broken.pdf", b"%PDF-1.7\nbroken"))
    end(api, "extract")
    assert eventually(lambda: "extract" in {span.name for span in collector.of(broken)})
    whole, _, _ = submitted(api, ("whole.txt", TEXT + b"whole"))
    end(api, "store")
    assert "finalize" in {span.name for span in complete(collector, whole)}
    trace = secrets.token_hex(16)
    api.http.get("/v1/jobs", headers={"traceparent": f"00-{trace}-{'1' * 16}-01"}).raise_for_status()
    end(api, "api")
    assert eventually(lambda: len(collector.of(trace)) == 1)


def end(api: Api, name: str) -> None:
    """End a process as an operator does; it is started again."""
    (pid,) = [process["pid"] for process in Work(api).stack()["processes"] if process["name"] == name]
    os.kill(pid, signal.SIGTERM)


def logged(api: Api) -> list[Mapping[str, Any]]:
    """All log lines of the stack, in the order of their times."""
    texts = [path.read_text("utf-8") for path in (api.cli.folder / "logs").glob("*.log")]
    lines = [json.loads(line) for text in texts for line in text.splitlines()]
    return sorted(lines, key=lambda line: str(line.get("timestamp")))
