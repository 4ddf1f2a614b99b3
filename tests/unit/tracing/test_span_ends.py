"""Spans that a process has not sent when it ends: they are sent then, within a bounded time."""

from __future__ import annotations

import socket
import subprocess
import sys
from contextlib import closing

import pytest
from collector import collecting

BEGINNING = """
import os, sys, time
from pipeline.settings import Settings
from pipeline.tracing import Span, TraceContext, Traces, close_traces, spans

spans.DELAY_MS, spans.TIMEOUT_S = 3_600_000, 600  # nothing is sent before the end, and the sender has time
traces = Traces(Settings(traces_url=sys.argv[1]))

def export(name):
    traces.export([Span(name, TraceContext.new(), None, time.time(), time.time())])
"""

ENDS = {
    "by itself": ("export('own')", {"own"}),
    "by an error": ("export('own'); sys.exit(3)", {"own"}),
    "without atexit": ("export('own'); close_traces(); os._exit(0)", {"own"}),
    "in a fork": (
        "export('own')\n"
        "if os.fork() == 0:\n"
        "    traces = Traces(Settings(traces_url=sys.argv[1])); export('child'); close_traces(); os._exit(0)\n"
        "os.wait()",
        {"own", "child"},
    ),
}


@pytest.mark.parametrize("end", ENDS)
def test_the_last_spans_are_sent_once_when_a_process_ends(end: str) -> None:
    script, names = ENDS[end]
    with collecting() as collector:
        ended = subprocess.run(
            [sys.executable, "-c", BEGINNING + script, collector.url], capture_output=True, text=True
        )
        assert ended.stderr == ""
    assert sorted(span.name for span in collector.spans) == sorted(names)


def test_a_collector_that_never_answers_holds_up_no_end() -> None:
    script = "export('own'); began = time.monotonic(); close_traces(); print(time.monotonic() - began)"
    with closing(socket.create_server(("127.0.0.1", 0))) as silent:
        url = f"http://127.0.0.1:{silent.getsockname()[1]}"
        ended = subprocess.run([sys.executable, "-c", BEGINNING + script, url], capture_output=True, text=True)
    assert 2.0 <= float(ended.stdout) < 15.0  # 30 s are the limit of OpenTelemetry's processor
