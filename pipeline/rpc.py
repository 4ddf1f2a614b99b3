"""Remote calls of a running worker over Redis, answered in a thread: a search does not queue behind a batch.

A call is pushed on the list of its subject. Any process that serves the subject pops it, and pushes the answer on a
list that only this call uses. Both lists expire, and a call without an answer in time is an error, never a hang.
"""

from __future__ import annotations

import json
import threading
import time
import uuid
from collections.abc import Callable, Mapping
from typing import Any

import redis
import structlog

from pipeline.errors import PipelineError, StackUnavailable
from pipeline.errors.problem import KNOWN, pack, unpack
from pipeline.names import PREFIX

__all__ = ["Methods", "call", "serve"]

log = structlog.get_logger()

Methods = Mapping[str, Callable[..., Any]]
"""Functions of keyword arguments by the names of the methods; arguments and results are JSON-ready."""

NO_ANSWER_HINT = (
    "It may still be loading the model, or the machine is busy: "
    "try again while `docrelay up` runs in another terminal. "
    "If other programs use all cores, set `niceness` lower. The logs are in `logs/` of the data folder."
)

POLL_S = 1
LOOK_S = 1.0
"""How often a call without an answer looks whether the process that serves it was replaced."""
ANSWER_TTL_S = 60


def call(connection: redis.Redis, subject: str, method: str, arguments: dict[str, Any], timeout_s: float = 30.0) -> Any:
    """Call a method of a process that serves the subject, and wait for its result. The method must be repeatable.

    Raises:
        StackUnavailable: no answer in time.
        PipelineError, ExtractError, EmbedError: the method raised it, with the same class, code, message and hint.
    """
    call_id = uuid.uuid4().hex
    deadline, server = time.monotonic() + timeout_s, _server(connection, subject)
    request = {"id": call_id, "method": method, "arguments": arguments, "deadline": _now(connection) + timeout_s}
    _push(connection, f"{PREFIX}ask:{subject}", json.dumps(request), int(timeout_s) + ANSWER_TTL_S)
    while (left_s := deadline - time.monotonic()) > 0:
        popped = connection.brpop([f"{PREFIX}answer:{call_id}"], timeout=min(max(left_s, 0.1), LOOK_S))
        if popped is not None:
            return _result(json.loads(popped[1]))
        if (now := _server(connection, subject)) != server:
            # The process that took the call may be the one that was replaced: the new one gets it as well.
            server = now
            _push(connection, f"{PREFIX}ask:{subject}", json.dumps(request), int(timeout_s) + ANSWER_TTL_S)
    raise StackUnavailable(f"The {subject} process did not answer within {timeout_s:.0f} seconds.", NO_ANSWER_HINT)


def serve(connection: redis.Redis, subject: str, methods: Methods) -> threading.Thread:
    """Answer the calls of a subject in a thread, as long as this process lives."""
    connection.set(f"{PREFIX}serves:{subject}", uuid.uuid4().hex)
    thread = threading.Thread(target=_serve, args=(connection, subject, methods), name=f"ask-{subject}", daemon=True)
    thread.start()
    return thread


def _server(connection: redis.Redis, subject: str) -> bytes | str | None:
    """Which process began last to serve the subject; None if that is not known."""
    return connection.get(f"{PREFIX}serves:{subject}")


def _serve(connection: redis.Redis, subject: str, methods: Methods) -> None:
    while True:
        try:
            popped = connection.brpop([f"{PREFIX}ask:{subject}"], timeout=POLL_S)
            if popped is not None:
                _answer(connection, json.loads(popped[1]), methods)
        except redis.RedisError:
            time.sleep(POLL_S)


def _answer(connection: redis.Redis, request: dict[str, Any], methods: Methods) -> None:
    if request["deadline"] < _now(connection):
        return
    try:
        answer = json.dumps({"result": methods[request["method"]](**request["arguments"])})
    except Exception as error:  # the entry point of a call: the caller gets the error, the process lives on
        if not isinstance(error, KNOWN):
            log.exception("ask.failed", method=request["method"])
        answer = json.dumps(_refusal(error))
    _push(connection, f"{PREFIX}answer:{request['id']}", answer, ANSWER_TTL_S)


def _push(connection: redis.Redis, key: str, text: str, ttl_s: int) -> None:
    with connection.pipeline() as pipe:
        pipe.lpush(key, text)
        pipe.expire(key, ttl_s)
        pipe.execute()


def _now(connection: redis.Redis) -> float:
    """Redis's time, in seconds: the clocks of two hosts may differ by more than a call may take."""
    seconds, microseconds = connection.time()
    return float(seconds) + float(microseconds) / 1e6


def _refusal(error: Exception) -> dict[str, Any]:
    """The answer that raises the error in the calling process."""
    packed = pack(error)
    name = packed["classes"][0] if packed["classes"] else PipelineError.__name__
    # `error` alone is what processes of an older release read.
    return {"error": [name, packed["message"], packed["hint"]], "problem": packed}


def _result(answer: dict[str, Any]) -> Any:
    if "error" not in answer:
        return answer["result"]
    if "problem" in answer:
        raise unpack(answer["problem"])
    name, message, hint = answer["error"]  # of a process of an older release
    raise unpack({"classes": [name], "message": message, "hint": hint})
