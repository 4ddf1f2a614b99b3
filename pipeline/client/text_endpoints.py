"""Endpoints of text records, as functions that make the request: see `pipeline.client.endpoints`."""

from __future__ import annotations

import json
import uuid
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, TypedDict, Unpack

import httpx

from pipeline.client.request import Request
from pipeline.results import Deleted, TextDetail, TextsReport

__all__ = ["TextOptions", "delete_texts", "put_text", "put_texts", "text"]

BLOCK = 64 << 10
"""Bytes that are sent at once: a call of the network for each line would cost more than the line."""


class TextOptions(TypedDict, total=False):
    """How records are taken in; the server's settings decide about what is left out."""

    collection: str | None
    workflow: str | None
    priority: int | None


def put_text(
    text_id: str,
    text: str,
    metadata: Mapping[str, Any] | None = None,
    tags: Sequence[str] | None = None,
    key: str | None = None,
    **options: Unpack[TextOptions],
) -> Request[TextsReport]:
    """Send one text record, new or changed, as a job. It is durable when this returns.

    Args:
        text_id: its id; a record that has it is replaced.
        text: the text.
        metadata: JSON that comes back with every hit.
        tags: replace its tags; None leaves them.
        key: an Idempotency-Key; by default each call gets a new one.
        options: collection, workflow and priority.
    """
    body: dict[str, Any] = {"id": text_id, "text": text, "metadata": dict(metadata or {})}
    body |= {} if tags is None else {"tags": list(tags)}
    params = dict(options)
    return Request("PUT", "/v1/texts", _report, params, json=body, idempotency_key=key or uuid.uuid4().hex)


def put_texts(
    records: Iterable[Mapping[str, Any] | bytes], key: str | None = None, **options: Unpack[TextOptions]
) -> Request[TextsReport]:
    """Send text records, new or changed, as one job, in one request that is sent while `records` is read.

    It is sent again when the connection breaks, but not where `records` can be read only once, as a generator. Lines
    that are no record are in `errors` of the answer.

    Args:
        records: id, text, and if wanted metadata, tags and collection of each; or lines of JSON as they are.
        key: an Idempotency-Key; by default each call gets a new one.
        options: collection, workflow and priority.
    """
    return Request(
        "POST",
        "/v1/texts",
        _report,
        dict(options),
        lines=_Blocks(records),
        idempotency_key=key or uuid.uuid4().hex,
        repeatable=not isinstance(records, Iterator),
    )


def text(text_id: str, collection: str | None = None) -> Request[TextDetail]:
    """A text record as readers see it now."""
    params = {"id": text_id, "collection": collection}
    return Request("GET", "/v1/texts", lambda response: TextDetail.model_validate_json(response.content), params)


def delete_texts(*text_ids: str, collection: str | None = None) -> Request[Deleted]:
    """Delete text records with their points, 100,000 at most; if one of them is not there, none is deleted."""
    return Request(
        "POST",
        "/v1/texts/delete",
        lambda response: Deleted.model_validate_json(response.content),
        {"collection": collection},
        lines=_Blocks(json.dumps(text_id).encode() for text_id in text_ids),
        repeatable=False,
    )


def _report(response: httpx.Response) -> TextsReport:
    return TextsReport.model_validate_json(response.content)


class _Blocks:
    """Records as lines of JSON, in blocks; they are read anew whenever this is iterated over."""

    def __init__(self, records: Iterable[Mapping[str, Any] | bytes]) -> None:
        self._records = records

    def __iter__(self) -> Iterator[bytes]:
        block = bytearray()
        for record in self._records:
            line = record if isinstance(record, bytes) else json.dumps(dict(record), ensure_ascii=False).encode()
            block += line.rstrip(b"\n") + b"\n"
            if len(block) >= BLOCK:
                yield bytes(block)
                block.clear()
        if block:
            yield bytes(block)
