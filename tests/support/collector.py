"""A stand-in for an OpenTelemetry collector: it takes OTLP over HTTP and keeps the spans."""

from __future__ import annotations

import gzip
import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import (
    ExportTraceServiceRequest,
    ExportTraceServiceResponse,
)


@dataclass(frozen=True)
class Received:
    """A span as it arrived; ids in hexadecimal, times in seconds."""

    name: str
    trace: str
    id: str
    parent: str
    start: float
    end: float
    facts: Mapping[str, Any]
    links: Sequence[tuple[str, str]]
    error: str | None


class Collector:
    """What has arrived; `url` is where programs send it."""

    def __init__(self, url: str) -> None:
        self.url = url
        self.spans: list[Received] = []
        self.paths: set[str] = set()

    def of(self, trace: str) -> list[Received]:
        """The spans of a trace, in the order in which they began."""
        return sorted((span for span in self.spans if span.trace == trace), key=lambda span: span.start)

    def named(self, name: str, **facts: Any) -> list[Received]:
        """The spans with this name and these attributes (`_` for a dot), in the order in which they began."""
        wanted = {key.replace("_", "."): value for key, value in facts.items()}.items()
        found = [span for span in self.spans if span.name == name and wanted <= span.facts.items()]
        return sorted(found, key=lambda span: span.start)

    def tree(self, trace: str) -> str:
        """A trace as text: each span below its parent, with its begin after that of the first, and what it took."""
        spans = self.of(trace)
        known = {span.id for span in spans}
        roots = [span for span in spans if span.parent not in known]
        return "\n".join(line for root in roots for line in _branch(spans, root, spans[0].start, 0))


def _branch(spans: Sequence[Received], span: Received, zero: float, depth: int) -> Iterator[str]:
    took = f"{(span.start - zero) * 1000:6.0f} ms  {(span.end - span.start) * 1000:6.0f} ms"
    state = span.facts.get("docrelay.document.state") or span.facts.get("http.response.status_code")
    yield f"{'  ' * depth + span.name:<34}{took}  {state}"
    for child in spans:
        if child.parent == span.id:
            yield from _branch(spans, child, zero, depth + 1)


@contextmanager
def collecting() -> Iterator[Collector]:
    """A collector on a port of loopback."""
    collector = Collector("")

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            if self.headers.get("Content-Encoding") == "gzip":
                body = gzip.decompress(body)
            collector.paths.add(self.path)
            collector.spans.extend(_received(ExportTraceServiceRequest.FromString(body)))
            self.send_response(200)
            self.send_header("Content-Type", "application/x-protobuf")
            self.end_headers()
            self.wfile.write(ExportTraceServiceResponse().SerializeToString())

        def log_message(self, *_arguments: Any) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    collector.url = f"http://127.0.0.1:{server.server_port}"
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield collector
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def _received(request: ExportTraceServiceRequest) -> Iterator[Received]:
    for resource in request.resource_spans:
        for scope in resource.scope_spans:
            for span in scope.spans:
                yield Received(
                    span.name,
                    span.trace_id.hex(),
                    span.span_id.hex(),
                    span.parent_span_id.hex(),
                    span.start_time_unix_nano / 1e9,
                    span.end_time_unix_nano / 1e9,
                    {item.key: getattr(item.value, str(item.value.WhichOneof("value"))) for item in span.attributes},
                    [(link.trace_id.hex(), link.span_id.hex()) for link in span.links],
                    span.status.message if span.status.code == span.status.STATUS_CODE_ERROR else None,
                )
