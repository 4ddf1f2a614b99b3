"""All errors have the same fields, and an error keeps its class when it is sent to another process."""

from __future__ import annotations

import json
import pickle
from collections.abc import Iterator

import pytest

import pipeline.vectorstore.qdrant_convert
from embeddings.errors import EmbedError, EndpointBusy, EndpointError
from extractors.errors import Corrupt, ExtractError
from pipeline.errors import PipelineError, StackUnavailable, TooMany, UnknownId
from pipeline.errors.problem import KNOWN, KnownError, Problem, class_of_code, pack, problem_of, unpack
from pipeline.rpc import _result

PACKAGES = ("pipeline.", "extractors.", "embeddings.")


def classes(root: type[KnownError]) -> Iterator[type[KnownError]]:
    """A class and all below it in the project, at any depth."""
    yield root
    for kind in root.__subclasses__():
        if f"{kind.__module__}.".startswith(PACKAGES):
            yield from classes(kind)


EVERY = [kind for root in KNOWN for kind in classes(root)]


def sent(error: BaseException) -> KnownError:
    """The error as another process receives it."""
    return unpack(json.loads(json.dumps(pack(error))))


@pytest.mark.parametrize("kind", EVERY, ids=lambda kind: kind.__name__)
def test_every_error_is_the_same_in_another_process(kind: type[KnownError]) -> None:
    error = kind("What went wrong.")

    arrived = sent(error)

    assert type(arrived) is kind
    assert problem_of(arrived) == problem_of(error) == Problem(kind.code, "What went wrong.", kind.hint, kind.transient)
    assert str(arrived) == str(error) == "What went wrong."


@pytest.mark.parametrize("kind", EVERY, ids=lambda kind: kind.__name__)
def test_every_error_survives_pickling_after_it_was_sent(kind: type[KnownError]) -> None:
    arrived = pickle.loads(pickle.dumps(sent(kind("What went wrong."))))

    assert type(arrived) is kind
    assert problem_of(arrived) == problem_of(kind("What went wrong."))


def test_error_names_are_distinct_and_include_all_subclasses() -> None:
    names = [kind.__name__ for kind in EVERY]

    assert len(set(names)) == len(names)
    assert pipeline.vectorstore.qdrant_convert.NoCollection in EVERY  # a class of another room
    assert {"NoWorker", "Conflict", "EndpointBusy", "HubUnreachable", "TooMany"} <= set(names)


def test_the_hint_of_an_instance_reaches_the_other_process() -> None:
    error = StackUnavailable("Redis is away.", "Start Redis.")

    assert (error.hint, error.advice, StackUnavailable.hint) == (
        "Start Redis.",
        "Start Redis.",
        StackUnavailable().hint,
    )
    assert problem_of(sent(error)) == Problem("stack_unavailable", "Redis is away.", "Start Redis.", transient=True)
    assert problem_of(UnknownId()).hint == UnknownId.hint


@pytest.mark.parametrize("seconds", [None, 7.5])
def test_the_retry_pause_of_an_endpoint_reaches_the_other_process(seconds: float | None) -> None:
    arrived = sent(EndpointBusy("It is busy.", seconds))

    assert isinstance(arrived, EndpointBusy)
    assert (arrived.retry_after, arrived.transient) == (seconds, True)


def test_the_retry_pause_of_an_api_key_reaches_the_other_process() -> None:
    error = TooMany("Too many.")
    error.retry_after = 3.0

    arrived = sent(error)

    assert isinstance(arrived, TooMany)
    assert arrived.retry_after == 3.0


def test_a_class_that_the_other_process_does_not_know_is_its_nearest_known_one() -> None:
    packed = {**pack(EndpointError("No.")), "classes": ["NewerError", "EndpointError", "EmbedError"], "code": "newer"}

    arrived = unpack(packed)

    assert type(arrived) is EndpointError
    assert (arrived.code, EndpointError.code) == ("newer", "endpoint_error")


def test_an_unknown_class_is_a_pipeline_error_with_the_sent_code() -> None:
    arrived = unpack({**pack(Corrupt("No.")), "classes": ["NewerError"], "code": "newer"})

    assert type(arrived) is PipelineError
    assert problem_of(arrived) == Problem("newer", "No.", Corrupt.hint)


def test_an_answer_of_an_older_process_keeps_its_class() -> None:
    """It has the name of the class, the message and the hint; code and transience are those of the class."""
    with pytest.raises(UnknownId) as caught:
        _result({"error": ["UnknownId", "No such index.", "See the list."]})
    with pytest.raises(PipelineError) as unknown:
        _result({"error": ["OlderError", "No.", ""]})

    assert problem_of(caught.value) == Problem(UnknownId.code, "No such index.", "See the list.", UnknownId.transient)
    assert (type(unknown.value), unknown.value.code, unknown.value.message) == (PipelineError, "internal", "No.")


def test_an_unknown_exception_is_an_internal_error() -> None:
    expected = Problem("internal", "ValueError: bad", PipelineError.hint)

    assert problem_of(ValueError("bad")) == expected
    assert type(sent(ValueError("bad"))) is PipelineError
    assert problem_of(sent(ValueError("bad"))) == expected


def test_codes_of_the_pipeline_have_a_class_and_those_of_the_leaves_have_none() -> None:
    for kind in classes(PipelineError):
        highest = class_of_code(kind.code)
        assert highest is not None
        assert issubclass(kind, highest)
    assert class_of_code(EmbedError.code) is None
    assert class_of_code(ExtractError.code) is None
