"""What counts as a message of Celery in a queue of Redis."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.engine.redis_transport import is_message

MESSAGE: dict[str, Any] = {
    "body": "W10=",
    "content-type": "application/json",
    "content-encoding": "utf-8",
    "headers": {"task": "docrelay.sweep", "id": "one"},
    "properties": {
        "delivery_tag": "tag",
        "delivery_info": {"exchange": "docrelay", "routing_key": "maintenance"},
        "body_encoding": "base64",
        "priority": 5,
    },
}


def test_what_kombu_writes_is_a_message() -> None:
    assert is_message(json.dumps(MESSAGE).encode())


def test_a_body_that_cannot_be_decoded_is_none() -> None:
    assert not is_message(json.dumps({**MESSAGE, "body": "W10"}).encode())
    assert not is_message(json.dumps({**MESSAGE, "properties": {**MESSAGE["properties"], "body_encoding": 7}}).encode())


@pytest.mark.parametrize("name", MESSAGE)
@pytest.mark.parametrize("value", [None, 3, []])
def test_a_message_with_a_wrong_part_is_none(name: str, value: object) -> None:
    assert not is_message(json.dumps({**MESSAGE, name: value}).encode())
    assert not is_message(json.dumps({key: part for key, part in MESSAGE.items() if key != name}).encode())


@given(st.binary(max_size=40))
def test_arbitrary_bytes_are_no_message(entry: bytes) -> None:
    assert not is_message(entry)


def test_an_entry_that_is_nested_without_end_is_no_message() -> None:
    assert not is_message(b"[" * 200_000)
