"""Questions to a running process over Redis, answered beside its tasks: a search does not queue behind a batch.

A question is pushed on a list; any process that serves the subject pops it and pushes the answer on a list of
its own. Both expire, and a question that nobody answers in time is an error, never a hang.
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
from pipeline.names import PREFIX

__all__ = ["Answers", "ask", "serve"]

log = structlog.get_logger()

Answers = Mapping[str, Callable[..., Any]]
"""Method name to function of keyword arguments; arguments and results are JSON-ready."""

POLL_S = 1
ANSWER_TTL_S = 60


def ask(connection: redis.Redis, subject: str, method: str, arguments: dict[str, Any], timeout_s: float = 30.0) -> Any:
    """Ask whoever serves the subject.

    Raises:
        StackUnavailable: no answer in time.
        PipelineError: the other side refused, with its code.
    """
    identity = uuid.uuid4().hex
    deadline = time.monotonic() + timeout_s
    until = _now(connection) + timeout_s
    question = {"id": identity, "method": method, "arguments": arguments, "deadline": until}
    key = f"{PREFIX}ask:{subject}"
    with connection.pipeline() as pipe:
        pipe.lpush(key, json.dumps(question))
        pipe.expire(key, int(timeout_s) + ANSWER_TTL_S)
        pipe.execute()
    while (left := deadline - time.monotonic()) > 0:
        found = connection.brpop([f"{PREFIX}answer:{identity}"], timeout=min(max(left, 0.1), 5.0))
        if found is not None:
            return _unpack(json.loads(found[1]))
    raise StackUnavailable(f"The {subject} process did not answer within {timeout_s:.0f} seconds.")


def serve(connection: redis.Redis, subject: str, answers: Answers) -> threading.Thread:
    """Answer questions on the subject in a thread of this process, for as long as it lives."""
    thread = threading.Thread(
        target=_answer_all, args=(connection, subject, answers), name=f"ask-{subject}", daemon=True
    )
    thread.start()
    return thread


def _answer_all(connection: redis.Redis, subject: str, answers: Answers) -> None:
    while True:
        try:
            found = connection.brpop([f"{PREFIX}ask:{subject}"], timeout=POLL_S)
            if found is not None:
                _answer(connection, json.loads(found[1]), answers)
        except redis.RedisError:
            time.sleep(POLL_S)


def _answer(connection: redis.Redis, question: dict[str, Any], answers: Answers) -> None:
    if question["deadline"] < _now(connection):
        return
    try:
        answer = json.dumps({"result": answers[question["method"]](**question["arguments"])})
    except PipelineError as error:
        answer = json.dumps({"error": [type(error).__name__, error.message, error.advice]})
    except Exception as error:  # this thread is a door: whoever asked is told, the process goes on
        log.exception("ask.failed", method=question["method"])
        answer = json.dumps({"error": ["PipelineError", f"{type(error).__name__}: {error}", ""]})
    key = f"{PREFIX}answer:{question['id']}"
    with connection.pipeline() as pipe:
        pipe.lpush(key, answer)
        pipe.expire(key, ANSWER_TTL_S)
        pipe.execute()


def _now(connection: redis.Redis) -> float:
    """Redis's time, in seconds: the clocks of two hosts may differ by more than a question may take."""
    seconds, microseconds = connection.time()
    return float(seconds) + float(microseconds) / 1e6


def _unpack(answer: dict[str, Any]) -> Any:
    if "error" not in answer:
        return answer["result"]
    name, message, advice = answer["error"]
    kinds = {kind.__name__: kind for kind in PipelineError.__subclasses__()}
    raise kinds.get(name, PipelineError)(message, advice)
