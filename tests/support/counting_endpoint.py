"""An embedding endpoint that notes every text it is given, so that tests count embeddings where they are made."""

from __future__ import annotations

import hashlib
import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

__all__ = ["DIM", "CountingEndpoint", "counting_endpoint"]

DIM = 32


class CountingEndpoint(ThreadingHTTPServer):
    """Answers in OpenAI's format; `texts` are all that were sent, in the order of their coming."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Answer)
        self.texts: list[str] = []

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}/v1"

    def since(self, number: int) -> list[str]:
        """Texts after the first `number` ones."""
        return self.texts[number:]


class _Answer(BaseHTTPRequestHandler):
    server: CountingEndpoint
    protocol_version = "HTTP/1.1"

    def do_POST(self) -> None:
        texts = json.loads(self.rfile.read(int(self.headers["Content-Length"])))["input"]
        self.server.texts.extend(texts)
        data = [{"index": index, "embedding": _vector(text)} for index, text in enumerate(texts)]
        content = json.dumps({"data": data}).encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, *arguments: object) -> None:
        """Keep the test's output clean."""


def _vector(text: str) -> list[float]:
    """Numbers that depend on the text alone; never all zero."""
    return [byte - 127.5 for byte in hashlib.sha256(text.encode()).digest()]


@contextmanager
def counting_endpoint() -> Iterator[CountingEndpoint]:
    """An endpoint for the time of the block."""
    server = CountingEndpoint()
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield server
    finally:
        server.shutdown()
        server.server_close()
