"""Embeddings from an OpenAI-compatible HTTP endpoint: TEI, vLLM, Ollama, and the hosted ones.

Source: https://platform.openai.com/docs/api-reference/embeddings/create
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Any, NoReturn

import httpx
import numpy as np

from embeddings.base import Fingerprint
from embeddings.errors import EndpointBusy, EndpointError
from embeddings.sources import Source
from embeddings.tokenizer import encodable, tokenizer_of
from embeddings.vectors import Vectors, normalize

__all__ = ["OpenAIEmbedder"]

_TIMEOUT_S = 60.0
_MAX_TEXTS = 32  # what TEI takes in one request by default (--max-client-batch-size)
_MAX_TOKENS = 16_384  # TEI's --max-batch-tokens; OpenAI takes 300,000
_BUSY = frozenset({408, 409, 425, 429})
_ERROR_LENGTH = 200


class OpenAIEmbedder:
    """An endpoint that speaks OpenAI's `/embeddings`. It never retries: that is the caller's.

    Args:
        source: the model as it is described.
        base_url: the URL that `/embeddings` is appended to, e.g. http://host:8080/v1.
        api_key: sent as a bearer token unless it is empty.
        served_as: the model's name at the endpoint.
    """

    def __init__(self, source: Source, base_url: str, api_key: str = "", served_as: str = "") -> None:
        self._source = source
        self._tokenizer = tokenizer_of(source)
        self._url = base_url.rstrip("/").removesuffix("/embeddings") + "/embeddings"
        self._served_as = served_as or source.model.name
        headers = {"Authorization": f"Bearer {api_key}"} if api_key else {}
        self._client = httpx.Client(headers=headers, timeout=_TIMEOUT_S)

    @property
    def fingerprint(self) -> Fingerprint:
        """The space the vectors live in."""
        return self._source.fingerprint

    @property
    def max_tokens(self) -> int:
        """Longest text the model reads, special tokens included."""
        return self._source.model.max_tokens

    def embed(self, texts: Sequence[str]) -> Vectors:
        """Embed passages: (n, dim) float32, L2-normalised, input order; (0, dim) for no texts.

        Raises:
            EndpointBusy: it may succeed later.
            EndpointError: it will not.
        """
        return self._embed([self._source.model.passage_prefix + text for text in texts])

    def embed_query(self, text: str) -> Vectors:
        """Embed a question: (dim,) float32, L2-normalised; raises as `embed` does."""
        return np.asarray(self._embed([self._source.model.query_prefix + text])[0], dtype=np.float32)

    def close(self) -> None:
        """Close the connections."""
        self._client.close()

    def _embed(self, texts: Sequence[str]) -> Vectors:
        dim = self._source.model.dim
        safe = [encodable(text) for text in texts]
        rows = [row for group in _requests(self._tokenizer.count(safe)) for row in self._ask([safe[i] for i in group])]
        return normalize(rows, dim)

    def _ask(self, texts: list[str]) -> list[list[float]]:
        body = {"model": self._served_as, "input": texts, "encoding_format": "float"}
        try:
            response = self._client.post(self._url, json=body)
        except httpx.TransportError as error:
            raise EndpointBusy(f"The embedding endpoint {self._url} cannot be reached: {error}") from error
        except (httpx.HTTPError, httpx.InvalidURL) as error:
            raise EndpointError(f"The embedding endpoint {self._url} cannot be asked: {error}") from error
        if response.status_code != httpx.codes.OK:
            _refused(response)
        return self._read(response, len(texts))

    def _read(self, response: httpx.Response, expected: int) -> list[list[float]]:
        try:
            items = sorted(response.json()["data"], key=lambda item: int(item["index"]))
            rows = [[float(number) for number in item["embedding"]] for item in items]
            indices = [int(item["index"]) for item in items]
        except (ValueError, KeyError, TypeError) as error:
            raise EndpointError(f"The answer of {self._url} is not in OpenAI's format.") from error
        if indices != list(range(expected)):
            raise EndpointError(f"The endpoint {self._url} sent {len(rows)} vectors for {expected} texts.")
        dim = self._source.model.dim
        wrong = next((len(row) for row in rows if len(row) != dim), None)
        if wrong is not None:
            raise EndpointError(f"The endpoint {self._url} sends vectors of {wrong} numbers, not {dim}.")
        if not np.isfinite(rows).all():
            raise EndpointError(f"The endpoint {self._url} sends vectors that are not numbers.")
        return rows


def _requests(lengths: Sequence[int]) -> Iterator[list[int]]:
    """Indices of each request, in order; servers batch by themselves, so nothing is sorted here."""
    group: list[int] = []
    tokens = 0
    for index, length in enumerate(lengths):
        if group and (len(group) == _MAX_TEXTS or tokens + length > _MAX_TOKENS):
            yield group
            group, tokens = [], 0
        group.append(index)
        tokens += length
    if group:
        yield group


def _refused(response: httpx.Response) -> NoReturn:
    sentence = f"The embedding endpoint {response.url} answered {response.status_code}{_reason(response)}."
    if response.is_server_error or response.status_code in _BUSY:
        raise EndpointBusy(sentence, _retry_after(response.headers.get("Retry-After")))
    raise EndpointError(sentence)


def _reason(response: httpx.Response) -> str:
    try:
        body: Any = response.json()
        error = body.get("error", body.get("detail", ""))
        # A list holds what was sent beside what is wrong with it; the texts must not get into messages and logs.
        text = error.get("message", "") if isinstance(error, dict) else error if isinstance(error, str) else ""
    except (ValueError, AttributeError):
        return ""
    return f": {str(text)[:_ERROR_LENGTH].rstrip('.')}" if text else ""


def _retry_after(value: str | None) -> float | None:
    """Seconds to wait, of a header that holds seconds or a date (RFC 9110, section 10.2.3)."""
    if not value:
        return None
    try:
        return max(0.0, float(value))
    except ValueError:
        pass
    try:
        when = parsedate_to_datetime(value)
    except ValueError:
        return None
    return max(0.0, (when.replace(tzinfo=when.tzinfo or UTC) - datetime.now(UTC)).total_seconds())
