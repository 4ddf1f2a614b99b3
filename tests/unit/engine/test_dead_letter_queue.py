"""The queue of dead letters on a real Redis: a process that is killed loses none, and the oldest stay."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import redis
from kombu.connection import Connection
from search_rig import redis_server
from structlog.testing import capture_logs

from pipeline.engine import dead_letter_queue
from pipeline.engine.broker import held_tasks, queue_depths
from pipeline.engine.dead_letter_entries import QUEUE
from pipeline.engine.dead_letter_queue import depth, peek, purge, put, reprocess
from pipeline.engine.metrics import counted_dead_letters
from pipeline.services import Services
from pipeline.settings import Settings

BODY = b'[["batch", 0], {}, {"callbacks": null}]\xff'
HEADERS = {"task": "docrelay.later", "id": "7", "lang": "py", "argsrepr": "('batch', 0)"}
PROPERTIES = {"correlation_id": "7", "priority": 3, "delivery_tag": "old", "delivery_info": {"exchange": "docrelay"}}


@pytest.fixture(scope="module")
def url() -> Iterator[str]:
    with redis_server() as address:
        yield address


@pytest.fixture
def services(url: str, tmp_path: Path) -> Iterator[Services]:
    services = Services(Settings(data_dir=tmp_path, embedding_model="hashing", redis_url=url))
    services.redis.flushall()
    yield services
    services.redis.close()


def aside(services: Services, queue: str = "embed", body: bytes = BODY, **headers: Any) -> bool:
    """Set a message aside."""
    return put(
        services,
        {
            "reason": "No worker knows the task.",
            "queue": queue,
            "content_type": "application/json",
            "content_encoding": "utf-8",
            "headers": {**HEADERS, **headers},
            "properties": PROPERTIES,
        },
        body,
    )


def received(services: Services, queue: str) -> list[Any]:
    """Take all messages of a queue, as a worker gets them."""
    messages = []
    with Connection(services.settings.redis_url, transport_options={"priority_steps": list(range(10))}) as connection:
        channel = connection.channel()
        while (message := channel.basic_get(queue, no_ack=True)) is not None:
            messages.append(message)
    return messages


def test_a_message_is_listed_and_stays(services: Services) -> None:
    assert aside(services)
    assert aside(services, "ocr", id="8")
    assert depth(services) == 2
    for _ in range(2):
        first, second = peek(services, 10)
        assert (first.queue, first.task, first.body, dict(first.headers)) == ("embed", "docrelay.later", BODY, HEADERS)
        assert (first.reason, second.queue) == ("No worker knows the task.", "ocr")
    assert [message.queue for message in peek(services, 1)] == ["embed"]
    assert [message.queue for message in peek(services, 10, queue="ocr")] == ["ocr"]
    assert counted_dead_letters(services.redis) == {"received": 2}
    assert QUEUE not in queue_depths(services)  # no worker consumes it


def test_a_message_is_sent_again_as_it_was(services: Services) -> None:
    aside(services, docrelay_handed_back=100)  # how often workers have returned it: that begins anew
    assert reprocess(services) == 1
    assert depth(services) == 0
    (message,) = received(services, "embed")
    assert (message.body, message.content_type, message.content_encoding) == (BODY, "application/json", "utf-8")
    assert message.headers == HEADERS
    assert (message.properties["correlation_id"], message.properties["priority"]) == ("7", 3)
    assert counted_dead_letters(services.redis) == {"received": 1, "reprocessed": 1}


def test_only_the_chosen_messages_are_sent_again_or_removed(services: Services) -> None:
    for number in range(4):
        aside(services, "embed" if number % 2 else "ocr", id=str(number))
    ids = [message.id for message in peek(services, 10)]
    assert reprocess(services, [ids[2]]) == 1
    assert [message.headers["id"] for message in received(services, "ocr")] == ["2"]
    assert purge(services, queue="embed") == 2
    assert [message.id for message in peek(services, 10)] == [ids[0]]
    assert purge(services, ["0" * 12]) == 0
    assert purge(services) == 1


def test_killed_between_sending_and_removing_a_message_is_twice_never_lost(services: Services, url: str) -> None:
    """A user who may not remove from lists fails at the very place where a process could be killed."""
    aside(services)
    services.redis.execute_command("ACL", "SETUSER", "halfway", "on", ">word", "~*", "&*", "+@all", "-lrem")
    halfway = Services(services.settings.model_copy(update={"redis_url": url.replace("//", "//halfway:word@")}))
    with pytest.raises(redis.exceptions.NoPermissionError):
        reprocess(halfway)
    halfway.redis.close()
    assert depth(services) == 1
    assert reprocess(services) == 1
    assert [message.body for message in received(services, "embed")] == [BODY, BODY]


def test_the_same_message_twice_is_sent_twice(services: Services) -> None:
    """Reprocessing handles what was there when it began: one that comes back at once does not keep it going."""
    raws = []
    aside(services)
    raws += services.redis.lrange(QUEUE, 0, -1)
    services.redis.rpush(QUEUE, *raws)
    assert len({message.id for message in peek(services, 10)}) == 1
    assert reprocess(services) == 2
    assert (depth(services), len(received(services, "embed"))) == (0, 2)


def test_what_is_no_envelope_is_listed_never_sent_and_can_be_removed(services: Services) -> None:
    services.redis.lpush(QUEUE, b"\x00garbage", json.dumps({"body": "e30=", "properties": {"body_encoding": "base64"}}))
    aside(services)
    listed = peek(services, 10)
    assert [message.queue for message in listed] == ["", "", "embed"]
    assert [message.body for message in listed[:2]] == [b"\x00garbage", b"{}"]
    assert reprocess(services) == 1
    assert depth(services) == 2
    assert purge(services) == 2


def test_an_entry_that_is_nested_without_end_stops_neither_the_reconciler_nor_the_list(services: Services) -> None:
    nested = b"[" * 200_000
    services.redis.lpush(QUEUE, nested)
    services.redis.lpush("embed", nested)
    assert held_tasks(services) == set()
    assert [message.body for message in peek(services, 10)] == [nested]
    assert purge(services) == 1


def test_a_full_queue_keeps_the_oldest(services: Services, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(dead_letter_queue, "MOST", 3)
    with capture_logs() as logs:
        kept = [aside(services, id=str(number)) for number in range(5)]
    assert kept == [True, True, True, False, False]
    assert [message.headers["id"] for message in peek(services, 10)] == ["0", "1", "2"]
    assert [entry["event"] for entry in logs] == ["dead_letter.full"] * 2
    assert counted_dead_letters(services.redis) == {"received": 3, "dropped": 2}
