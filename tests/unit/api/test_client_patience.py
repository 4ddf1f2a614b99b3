"""How long the client waits for what takes long, and what it does not ask for again, on a server that hangs up."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest

from pipeline.client import Client
from pipeline.client.attempts import MAX_ATTEMPTS
from pipeline.client.endpoints import search
from pipeline.client.page_endpoints import page_detail, page_image, page_position
from pipeline.client.report_endpoints import report, report_file
from pipeline.client.request import Request
from pipeline.errors import StackUnavailable
from pipeline.page_images.renderers import PATIENCE_S
from pipeline.settings import Settings

ASKED: list[str] = []


class HangsUp(BaseHTTPRequestHandler):
    """Takes a request, and closes the connection without an answer."""

    def do_GET(self) -> None:
        ASKED.append(self.path)
        self.close_connection = True

    def log_message(self, *_: Any) -> None:
        """Say nothing."""


@pytest.fixture
def client() -> Iterator[Client]:
    ASKED.clear()
    with ThreadingHTTPServer(("127.0.0.1", 0), HangsUp) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        with Client(f"http://127.0.0.1:{server.server_port}") as made:
            yield made
        server.shutdown()
        thread.join()


@pytest.mark.parametrize(
    ("ask", "times"),
    [
        (lambda client: client.report(), 1),
        (lambda client: client.report_file("csv", "job"), 1),
        (lambda client: client.page_image("document"), MAX_ATTEMPTS),  # equal requests are one drawing, which is kept
    ],
)
def test_a_report_is_asked_for_once(client: Client, ask: Callable[[Client], object], times: int) -> None:
    with pytest.raises(StackUnavailable):
        ask(client)
    assert len(ASKED) == times


def timeout_of(request: Request[Any]) -> float | None:
    with ExitStack() as scope:
        timeout = request.arguments(scope).get("timeout")
    return None if timeout is None else timeout.read


def test_what_takes_long_is_waited_for() -> None:
    """A page waits for a text and two sandboxes, may be read by OCR, and is drawn, each try twice at most."""
    settings = Settings.model_fields
    extract_s, ocr_s = (float(settings[name].default) for name in ("extract_timeout_s", "ocr_timeout_s"))
    longest = 3 * PATIENCE_S + 2 * extract_s + ocr_s
    for request in (page_image("document"), page_detail("document"), page_position("document", 0)):
        assert (timeout_of(request) or 0.0) >= longest
    for made in (report(), report_file("pdf", "job")):
        assert (timeout_of(made) or 0.0) >= longest
    assert timeout_of(search("lamp")) is None  # that of the client
