"""`@stage`: turns a pure function into a stage with a queue, retries, progress and a place in workflows.

    @stage(queue="redact")
    def redact(document: Document, *, mask: str = "…") -> Document: ...

The kind of a stage is read off its annotations: `Document -> Document` works on every document between extract and
chunk; `list[Chunk] -> list[Chunk]` works on the chunks of one document at a time, in each chunk batch before embed.
A second argument annotated `About` gets the document's facts. What follows the `*` are the stage's parameters.
"""

from __future__ import annotations

import inspect
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Literal, Protocol, get_args, get_origin, runtime_checkable

from celery import Signature, signature
from pydantic import BaseModel

from extractors.document import Document
from pipeline.composition.parameters import check_options, parameters_of, values_of
from pipeline.errors import BadRequest
from pipeline.names import MAINTENANCE_TASKS, QUEUES, STATES, task_name
from pipeline.types import About, Chunk

__all__ = ["RESERVED", "Kind", "RunsStages", "Stage", "declared", "find_stage", "stage", "template"]

Kind = Literal["document", "chunks"]

NAME = re.compile(r"[a-z][a-z0-9_]{0,39}")
QUEUE = re.compile(r"[a-z][a-z0-9_-]{0,39}")
RESERVED = frozenset({*QUEUES, *MAINTENANCE_TASKS, *STATES, "intake", "route", "sidecar"})
"""What no stage is named: tasks and queues of the engine, words of workflows, states of documents."""

TAKEN = re.compile(r"(celery|docrelay|unacked)([_-].*)?")
"""Queues that would lie on keys of the broker's own."""


class StageRegistry:
    """The stages that were declared in this process, by name."""

    def __init__(self) -> None:
        self._stages: dict[str, Stage] = {}

    def add(self, stage: Stage) -> None:
        """Register a stage.

        Raises:
            BadRequest: another function is registered under its name.
        """
        known = self._stages.get(stage.name)
        if known is not None and _origin(known.function) != _origin(stage.function):
            raise BadRequest(f"Two stages are named {stage.name}.", "Give one of them another name: @stage(name=…).")
        self._stages[stage.name] = stage

    def get(self, name: str) -> Stage | None:
        """Return the stage of this name, or None."""
        return self._stages.get(name)

    def all(self) -> list[Stage]:
        """Return every stage, in the order of declaration."""
        return list(self._stages.values())


REGISTRY = StageRegistry()
"""Where `@stage` registers what it decorates, as Celery's application does with tasks."""


@runtime_checkable
class RunsStages(Protocol):
    """What runs stages in this process when it is passed to one in place of data, as `pipeline.dry_run.Trial` does."""

    def through(self, template: Signature) -> Any:
        """Run the stages of the signature."""


@dataclass(frozen=True)
class Stage:
    """A stage that a workflow or a plug-in declares.

    Called without data it is a signature for workflows; called with data it is the plain function.
    """

    name: str
    queue: str
    version: str
    kind: Kind
    function: Callable[..., Any]
    parameters: type[BaseModel]
    wants_about: bool

    @property
    def __doc__(self) -> str | None:  # type: ignore[override]
        return self.function.__doc__

    def __call__(self, /, *data: Any, **options: Any) -> Any:
        """A signature of the stage, or what the function makes of the data."""
        if not data:
            return template(self.name, self.check(options))
        if isinstance(data[0], RunsStages):
            return data[0].through(template(self.name, self.check(options)))
        return self.function(*data, **options)

    def check(self, options: Mapping[str, Any]) -> dict[str, Any]:
        """The options as JSON-ready data, defaults filled in. Raises BadRequest."""
        return check_options(self.name, self.parameters, options)

    def run(self, data: Any, about: About, options: Mapping[str, Any]) -> Any:
        """Call the function with options that were carried as JSON."""
        values = values_of(self.parameters, options)
        return self.function(data, *([about] if self.wants_about else []), **values)


def stage(*, queue: str, name: str = "", version: str = "1") -> Callable[[Callable[..., Any]], Stage]:
    """Declare the decorated function as a stage.

    Args:
        queue: the queue of its tasks; the workers of the group `extract` serve it.
        name: its name in ledger and log; the function's by default.
        version: raise it when the same input gives something else: documents are then taken in anew.

    Raises:
        BadRequest: the name or queue cannot be used, or the annotations fit no kind of stage.
    """

    def declare(function: Callable[..., Any]) -> Stage:
        chosen = name or getattr(function, "__name__", "")
        _check_names(chosen, queue)
        kind, wants_about, parameters = _read(chosen, function)
        made = Stage(chosen, queue, version, kind, function, parameters, wants_about)
        REGISTRY.add(made)
        return made

    return declare


def find_stage(name: str) -> Stage | None:
    """The declared stage of this name."""
    return REGISTRY.get(name)


def declared() -> list[Stage]:
    """Every stage that was declared so far."""
    return REGISTRY.all()


def template(name: str, options: Mapping[str, Any]) -> Signature:
    """The signature that stands for a stage in a workflow; it carries options, and no batch yet."""
    return signature(task_name(name), kwargs=dict(options), immutable=True)


def _check_names(name: str, queue: str) -> None:
    if not NAME.fullmatch(name) or name in RESERVED:
        raise BadRequest(
            f"A stage cannot be named {name!r}.",
            "Use small letters, digits and _, and none of: " + ", ".join(sorted(RESERVED)) + ".",
        )
    if not QUEUE.fullmatch(queue) or queue in QUEUES or TAKEN.fullmatch(queue):
        raise BadRequest(
            f"The stage {name} cannot have the queue {queue!r}.",
            f"Use small letters, digits, - and _; the queues {', '.join(QUEUES)} are taken, and what begins with "
            "celery, docrelay or unacked.",
        )


def _read(name: str, function: Callable[..., Any]) -> tuple[Kind, bool, type[BaseModel]]:
    """What the annotations say: kind, whether the document's facts are wanted, parameters."""
    if inspect.iscoroutinefunction(function) or inspect.isgeneratorfunction(function) or _gives_later(function):
        raise BadRequest(
            f"The stage {name} is async, or a generator: what it gives is not there when it returns.",
            "Write a plain def that returns; what must be awaited goes through asyncio.run() inside of it.",
        )
    try:
        signed = inspect.signature(function, eval_str=True)
    except NameError as error:
        raise BadRequest(
            f"An annotation of the stage {name} cannot be read: {error}.",
            "Import what it names outside of `if TYPE_CHECKING`.",
        ) from error
    data = [one for one in signed.parameters.values() if one.kind in (one.POSITIONAL_ONLY, one.POSITIONAL_OR_KEYWORD)]
    kind = _kind(data[0].annotation) if data else None
    if (
        kind is None
        or _kind(signed.return_annotation) != kind
        or [one.annotation for one in data[1:]] not in ([], [About])
    ):
        raise BadRequest(
            f"The stage {name} fits no place in a workflow.",
            "Write (document: Document) -> Document or (chunks: list[Chunk]) -> list[Chunk], "
            "then About if it needs the document's facts, then * and its parameters.",
        )
    options = [one for one in signed.parameters.values() if one not in data]
    return kind, len(data) > 1, parameters_of(name, options)


def _kind(annotation: Any) -> Kind | None:
    if annotation is Document:
        return "document"
    return "chunks" if get_origin(annotation) is list and get_args(annotation) == (Chunk,) else None


def _origin(function: Callable[..., Any]) -> tuple[str, str]:
    return function.__module__, getattr(function, "__qualname__", repr(function))


def _gives_later(function: Callable[..., Any]) -> bool:
    called = getattr(function, "__call__", None)  # noqa: B004 - of an object that can be called
    return inspect.isasyncgenfunction(function) or inspect.iscoroutinefunction(called)
