"""`Problem`: the form in which errors of the three trees are stored, shown and sent.

`pack` and `unpack` send an error to another process as JSON, where it is raised again as the same class.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, TypeAlias, TypeVar

from embeddings.errors import EmbedError
from extractors.errors import ExtractError
from pipeline.errors import PipelineError

__all__ = ["KNOWN", "KnownError", "Problem", "class_of_code", "copy_of", "pack", "problem_of", "unpack"]

KnownError: TypeAlias = PipelineError | ExtractError | EmbedError

Error = TypeVar("Error", bound=Exception)

KNOWN = (PipelineError, ExtractError, EmbedError)
"""The roots of the three trees. Their instances have `code`, `message`, `hint` and `transient`."""


@dataclass(frozen=True, slots=True)
class Problem:
    """What went wrong: a stable code, one sentence, what to do, and whether a retry may cure it."""

    code: str
    message: str
    hint: str
    transient: bool = False

    def to_json(self) -> dict[str, str]:
        """Code, message and hint, as commands and the API report them."""
        return {"code": self.code, "message": self.message, "hint": self.hint}


def problem_of(error: BaseException) -> Problem:
    """Return the problem of an error; the code is `internal` for an error of none of the three trees."""
    if isinstance(error, KNOWN):
        return Problem(error.code, error.message, error.hint, error.transient)
    return Problem(PipelineError.code, f"{type(error).__name__}: {error}", PipelineError.hint)


def pack(error: BaseException) -> dict[str, Any]:
    """Return an error as JSON: its problem, the wait before a retry, and its classes, the most specific first."""
    problem = problem_of(error)
    return {
        "classes": [kind.__name__ for kind in type(error).__mro__ if issubclass(kind, KNOWN)],
        "code": problem.code,
        "message": problem.message,
        "hint": problem.hint,
        "transient": problem.transient,
        "retry_after": getattr(error, "retry_after", None),
    }


def unpack(packed: Mapping[str, Any]) -> KnownError:
    """Return the error that was packed, of the most specific of its classes that this process knows.

    Only `classes` and `message` are required: code, hint and transience that are not sent are those of the class.
    """
    known = {kind.__name__: kind for kind in _classes()}
    kind = next((known[name] for name in packed["classes"] if name in known), PipelineError)
    # Not by its constructor: a subclass may have other arguments.
    error = kind.__new__(kind, packed["message"])
    for field in ("code", "hint", "transient"):
        if field in packed:
            setattr(error, field, packed[field])
    if packed.get("retry_after") is not None:
        vars(error)["retry_after"] = packed["retry_after"]
    return error


def copy_of(error: KnownError) -> KnownError:
    """An error that says the same: one object that several threads raise would gather the tracebacks of all."""
    return unpack(pack(error))


def class_of_code(code: str) -> type[PipelineError] | None:
    """Return the class of the pipeline's tree with this code; the highest where subclasses share it."""
    return next((kind for kind in _below(PipelineError) if kind.code == code), None)


def _classes() -> Iterator[type[KnownError]]:
    yield from _below(PipelineError)
    yield from _below(ExtractError)
    yield from _below(EmbedError)


def _below(root: type[Error]) -> Iterator[type[Error]]:
    """Yield a class and all its subclasses, each class before its subclasses."""
    yield root
    for kind in root.__subclasses__():
        yield from _below(kind)
