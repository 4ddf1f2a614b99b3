"""The HTTP embedder against a real server on this machine that speaks OpenAI's format."""

import json
import threading
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import numpy as np
import pytest

from embeddings import Embedder, EmbedderConfig, EndpointBusy, EndpointError, describe, load

DIM = 8


def number_of(text: str) -> float:
    return 1.0 + sum(map(ord, text)) % 97


def row(text: str) -> list[float]:
    return [number_of(text), 3.0, *[0.0] * (DIM - 2)]


class Endpoint(ThreadingHTTPServer):
    """Answers in reversed order, as the format allows; `answers` are given first, one a request."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Answer)
        self.requests: list[dict[str, Any]] = []
        self.headers: list[dict[str, str]] = []
        self.answers: list[tuple[int, dict[str, str], bytes]] = []

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}/v1"


class Answer(BaseHTTPRequestHandler):
    server: Endpoint

    def do_POST(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        self.server.requests.append({"path": self.path, **body})
        self.server.headers.append(dict(self.headers))
        data = [{"index": index, "embedding": row(text)} for index, text in enumerate(body["input"])]
        good = (200, {}, json.dumps({"data": data[::-1]}).encode())
        status, headers, content = self.server.answers.pop(0) if self.server.answers else good
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, *arguments: object) -> None:
        """Keep the test's output clean."""


@pytest.fixture
def endpoint() -> Iterator[Endpoint]:
    server = Endpoint()
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield server
    server.shutdown()
    server.server_close()


@pytest.fixture
def embedder(endpoint: Endpoint) -> Iterator[Embedder]:
    made = load(EmbedderConfig("served", base_url=endpoint.url, api_key="s3cret", dim=DIM))
    yield made
    made.close()  # type: ignore[attr-defined]


def test_vectors_are_normalised_and_in_input_order(endpoint: Endpoint, embedder: Embedder) -> None:
    texts = [f"text {'x' * (number % 7)} {number}" for number in range(70)]
    vectors = embedder.embed(texts)
    expected = np.array([row(text) for text in texts], dtype=np.float32)
    np.testing.assert_allclose(vectors, expected / np.linalg.norm(expected, axis=1, keepdims=True), atol=1e-6)
    assert vectors.dtype == np.float32
    assert [len(request["input"]) for request in endpoint.requests] == [32, 32, 6]
    assert {request["path"] for request in endpoint.requests} == {"/v1/embeddings"}
    assert {request["model"] for request in endpoint.requests} == {"served"}
    assert endpoint.headers[0]["Authorization"] == "Bearer s3cret"


def test_requests_are_bounded_by_tokens(endpoint: Endpoint, embedder: Embedder) -> None:
    embedder.embed(["9" * 6000] * 5)
    assert [len(request["input"]) for request in endpoint.requests] == [2, 2, 1]


def test_embedding_no_texts_sends_no_request(endpoint: Endpoint, embedder: Embedder) -> None:
    assert embedder.embed([]).shape == (0, DIM)
    assert endpoint.requests == []


def test_prefixes_of_a_known_model_are_sent(endpoint: Endpoint) -> None:
    embedder = load(EmbedderConfig("nomic-embed-text", base_url=endpoint.url + "/", dim=DIM))
    embedder.embed(["passage"])
    assert embedder.embed_query("question").shape == (DIM,)
    assert [request["input"] for request in endpoint.requests] == [
        ["search_document: passage"], ["search_query: question"],
    ]  # fmt: skip
    assert "Authorization" not in endpoint.headers[0]
    embedder.close()  # type: ignore[attr-defined]


def test_described_and_loaded_are_the_same_space(endpoint: Endpoint, embedder: Embedder) -> None:
    config = EmbedderConfig("served", base_url=endpoint.url, api_key="other", dim=DIM)
    assert embedder.fingerprint == describe(config).fingerprint
    assert (embedder.fingerprint.model, embedder.fingerprint.dim, embedder.max_tokens) == ("served", DIM, 512)


@pytest.mark.parametrize(
    ("status", "headers", "waits"),
    [(429, {"Retry-After": "7"}, 7), (503, {"Retry-After": "soon"}, None), (500, {}, None)],
)
def test_busy_answers_are_transient_errors(
    endpoint: Endpoint, embedder: Embedder, status: int, headers: dict[str, str], waits: float | None
) -> None:
    endpoint.answers = [(status, headers, b"{}")]
    with pytest.raises(EndpointBusy) as caught:
        embedder.embed(["text"])
    assert caught.value.transient
    assert caught.value.retry_after == waits
    assert embedder.embed(["text"]).shape == (1, DIM)


def test_retry_after_may_be_a_date(endpoint: Endpoint, embedder: Embedder) -> None:
    # Taken when the test runs: tests may be collected long before.
    in_an_hour = format_datetime(datetime.now(UTC) + timedelta(hours=1), usegmt=True)
    endpoint.answers = [(503, {"Retry-After": in_an_hour}, b"{}")]
    with pytest.raises(EndpointBusy) as caught:
        embedder.embed(["text"])
    assert caught.value.retry_after is not None
    assert 3400 <= caught.value.retry_after <= 3600


def test_a_closed_port_is_a_transient_error(endpoint: Endpoint) -> None:
    free = Endpoint()
    free.server_close()
    with pytest.raises(EndpointBusy, match="cannot be reached"):
        load(EmbedderConfig("served", base_url=free.url, dim=DIM)).embed(["text"])


def answer(*rows: tuple[Any, Any]) -> bytes:
    return json.dumps({"data": [{"index": index, "embedding": numbers} for index, numbers in rows]}).encode()


@pytest.mark.parametrize(
    ("status", "content", "says"),
    [
        (401, b'{"error": {"message": "bad key"}}', "401: bad key"),
        (404, b'{"error": "no such model"}', "404: no such model"),
        (413, b"too large", "413"),
        (400, b"[]", "400"),
        (200, b"<html>", "OpenAI's format"),
        (200, b"{}", "OpenAI's format"),
        (200, answer((0, "words")), "OpenAI's format"),
        (200, answer((0, [1.0] * DIM), (1, [1.0] * DIM)), "2 vectors for 1"),
        (200, answer((1, [1.0] * DIM)), "1 vectors for 1"),
        (200, answer((0, [1.0] * 5)), f"vectors of 5 numbers, not {DIM}"),
        (200, answer((0, [float("nan")] * DIM)), "not numbers"),
    ],
)
def test_refused_requests_are_permanent_errors(
    endpoint: Endpoint, embedder: Embedder, status: int, content: bytes, says: str
) -> None:
    endpoint.answers = [(status, {}, content)]
    with pytest.raises(EndpointError, match=says) as caught:
        embedder.embed(["text"])
    assert not caught.value.transient
    assert "s3cret" not in str(caught.value)
    assert len(endpoint.requests) == 1
