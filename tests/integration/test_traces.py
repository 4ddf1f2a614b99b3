"""Traces of a running stack, as a collector receives them, and the log lines that name them."""

from __future__ import annotations

import json
import secrets
from collections.abc import Iterator, Mapping
from itertools import pairwise
from typing import Any

import pytest
from api_rig import Api, api_on
from collector import Collector, Received, collecting
from flow_tools import eventually

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


def submitted(api: Api, *files: tuple[str, bytes]) -> tuple[str, str, dict[str, Any]]:
    """Submit files in one request with a header; the ids of the caller's trace and span, and the answer."""
    trace, span = secrets.token_hex(16), secrets.token_hex(8)
    answer = api.http.post(
        "/v1/documents",
        files=[("file", (name, data)) for name, data in files],
        headers={"traceparent": f"00-{trace}-{span}-01"},
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


def logged(api: Api) -> list[Mapping[str, Any]]:
    """All log lines of the stack, in the order of their times."""
    texts = [path.read_text("utf-8") for path in (api.cli.folder / "logs").glob("*.log")]
    lines = [json.loads(line) for text in texts for line in text.splitlines()]
    return sorted(lines, key=lambda line: str(line.get("timestamp")))
