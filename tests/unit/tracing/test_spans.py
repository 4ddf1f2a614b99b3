"""Contexts of spans as text, and the spans of a task as plain data."""

from __future__ import annotations

import time

import pytest
from collector import collecting
from hypothesis import given
from hypothesis import strategies as st
from opentelemetry.sdk.trace.sampling import TraceIdRatioBased

from pipeline.catalog.work.attempt_traces import Outcome, TracedAttempt
from pipeline.catalog.work.ledger import Claim
from pipeline.engine.stage_traces import TaskTrace, log_fields, spans_of
from pipeline.errors import BadRequest
from pipeline.plan import PLAIN
from pipeline.settings import Settings, load_settings
from pipeline.tracing import Span, TraceContext, Traces

FACTS = {"docrelay.outcome": "done"}
CLAIM = Claim("task", "batch", "embed", 3, 1, {}, "job", 5, PLAIN, "request")


def attempt(number: int, *, traced: bool = True) -> TracedAttempt:
    return TracedAttempt(f"attempt-{number}", f"document-{number}", str(TraceContext.new()) if traced else None)


def test_context_as_text_and_back() -> None:
    context = TraceContext.new()
    assert TraceContext.parse(str(context)) == context
    child = context.child()
    assert (child.trace_id, child.span_id != context.span_id) == (context.trace_id, True)


@pytest.mark.parametrize(("trace", "span"), [("0" * 32, "1" * 16), ("1" * 32, "0" * 16)])
def test_ids_of_zeros_are_no_ids(trace: str, span: str) -> None:
    assert TraceContext.parse(f"00-{trace}-{span}-01") is None


@given(st.text() | st.from_regex(r"00-[0-9a-fA-F]{30,34}-[0-9a-f]{15,17}-[0-9a-f]{2}", fullmatch=True))
def test_what_is_no_context_is_ignored(text: str) -> None:
    context = TraceContext.parse(text)
    assert context is None or str(context)[:-2] == text[:-2]


@pytest.mark.parametrize(("flags", "is_sampled"), [("00", False), ("01", True), ("02", False), ("ff", True)])
def test_a_trace_is_sampled_where_its_first_span_is(flags: str, is_sampled: bool) -> None:
    context = TraceContext.parse(f"00-{'1' * 32}-{'2' * 16}-{flags}")
    assert context is not None
    assert (context.is_sampled, context.child().is_sampled) == (is_sampled, is_sampled)
    assert TraceContext.parse(str(context)) == context


@given(st.floats(0, 1), st.floats(0, 1))
def test_a_share_of_traces_is_sampled_by_their_ids(first: float, second: float) -> None:
    """What a small share samples, a larger one does; and as OpenTelemetry's own sampler decides it."""
    less, more = sorted((first, second))
    assert TraceContext.by_share(1.0).is_sampled
    assert not TraceContext.by_share(0.0).is_sampled
    context = TraceContext.by_share(less)
    by_less, by_more = (
        TraceIdRatioBased(share).should_sample(None, int(context.trace_id, 16), "intake").decision.is_sampled()
        for share in (less, more)
    )
    assert context.is_sampled == by_less <= by_more


def test_one_trace_in_four_is_sampled() -> None:
    sampled = sum(TraceContext.by_share(0.25).is_sampled for _ in range(4000))
    assert 850 < sampled < 1150  # seven standard deviations are 190


def test_only_spans_of_sampled_traces_are_exported() -> None:
    with collecting() as collector:
        traces = Traces(Settings(traces_url=collector.url, traces_share=0.0))
        contexts = [TraceContext.new(is_sampled=is_sampled) for is_sampled in (True, False)] + [traces.begin()]
        traces.export([Span("extract", context, None, 1.0, 2.0) for context in contexts])
        traces.processor.shutdown()
    assert [span.id for span in collector.spans] == [contexts[0].span_id]


@given(st.lists(st.booleans(), min_size=2, max_size=6))
def test_the_span_of_a_task_is_sampled_if_one_of_its_documents_is(sampled: list[bool]) -> None:
    contexts = [TraceContext.new(is_sampled=is_sampled) for is_sampled in sampled]
    documents = [TracedAttempt(f"a-{number}", "d", str(context)) for number, context in enumerate(contexts)]
    *own, whole = spans_of(CLAIM, TaskTrace(documents, 1.0), {}, 2.0, FACTS)
    assert [span.context.is_sampled for span in own] == sampled
    assert whole.context.is_sampled == any(sampled)


@given(st.lists(st.booleans(), max_size=8))
def test_spans_of_a_task(traced: list[bool]) -> None:
    documents = [attempt(number, traced=is_traced) for number, is_traced in enumerate(traced)]
    reached = {document.attempt_id: Outcome("embedding", None) for document in documents}
    spans = list(spans_of(CLAIM, TaskTrace(documents, 10.0), reached, 12.0, FACTS))
    own, whole = [span for span in spans if span.name == "embed"], [span for span in spans if span.name != "embed"]
    assert [str(span.parent) for span in own] == [document.trace for document in documents if document.trace]
    assert all((span.start, span.end) == (10.0, 12.0) for span in spans)
    assert len(whole) == int(len(documents) > 1 and any(traced))
    for span in whole:
        assert list(span.links) == [document.context for document in own]
        assert all(list(document.links) == [span.context] for document in own)


def test_document_that_was_deleted_meanwhile_has_its_span() -> None:
    (span,) = spans_of(CLAIM, TaskTrace([attempt(1)], 1.0), {}, 2.0, FACTS)
    assert span.attributes["docrelay.document.state"] == "deleted"


def test_log_lines_name_a_single_document_only() -> None:
    (one, two) = attempt(1), attempt(2)
    assert log_fields(TaskTrace([one], 0.0)) == {"document": "document-1", "trace": str(one.trace)[3:35]}
    assert log_fields(TaskTrace([one, two], 0.0)) == {"documents": 2}
    assert log_fields(TaskTrace([attempt(1, traced=False)], 0.0)) == {"document": "document-1"}


def test_nothing_is_exported_without_a_collector() -> None:
    traces = Traces(Settings())
    now = time.time()
    traces.export([Span("extract", TraceContext.new(), None, now, now)])
    assert not traces.is_on
    assert "processor" not in vars(traces)


def test_unreachable_collector_stops_nobody() -> None:
    traces = Traces(Settings(traces_url="http://127.0.0.1:9"))
    now = time.time()
    traces.export([Span("extract", TraceContext.new(), None, now, now)])
    traces.processor.shutdown()


def test_traces_without_their_packages_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("pipeline.settings.schema.find_spec", lambda _name: None)
    with pytest.raises(BadRequest, match=r"docrelay\[traces\]"):
        load_settings({"traces_url": "http://127.0.0.1:4318"})
