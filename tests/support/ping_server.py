"""A server for tests that counts the requests it gets: the other end of the dead-man URL and of webhooks."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any


class PingServer:
    """`calls` are the paths that were asked for with GET, `posts` the headers and JSON bodies by path."""

    def __init__(self) -> None:
        self.calls: list[str] = []
        self.posts: list[tuple[str, dict[str, str], bytes]] = []
        server = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                server.calls.append(self.path)
                self._answer()

            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["content-length"]))
                server.posts.append((self.path, dict(self.headers.items()), body))
                self._answer()

            def _answer(self) -> None:
                self.send_response(200)
                self.send_header("Content-Length", "0")
                self.end_headers()

            def log_message(self, *_: Any) -> None:
                return

        self.http = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.host = f"127.0.0.1:{self.http.server_port}"

    def bodies(self, path: str) -> list[Any]:
        """The JSON that was posted to a path."""
        return [json.loads(body) for at, _, body in self.posts if at == path]


@contextmanager
def ping_server() -> Iterator[PingServer]:
    """A server that runs for the block."""
    server = PingServer()
    thread = threading.Thread(target=server.http.serve_forever)
    thread.start()
    try:
        yield server
    finally:
        server.http.shutdown()
        server.http.server_close()
        thread.join()
