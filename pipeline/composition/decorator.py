"""`@stage`: turn a pure function into a stage with a queue, retries, progress and a position in workflows.

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

__all__ = ["RESERVED", "Kind", "RunsStages", "Stage", "declared_stages", "find_stage", "stage", "template"]

Kind = Literal["document", "chunks"]

NAME = re.compile(r"[a-z][a-z0-9_]{0,39}")
QUEUE = re.compile(r"[a-z][a-z0-9_-]{0,39}")
RESERVED = frozenset({*QUEUES, *MAINTENANCE_TASKS, *STATES, "intake", "route", "sidecar"})
"""Names that no declared stage may have: tasks and queues of the engine, built-in stages, states of documents."""

BROKER_QUEUE = re.compile(r"(celery|docrelay|unacked)([_-].*)?")
"""Queues whose Redis keys would be those of the broker itself."""


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
    """Data that runs the stage which it is passed to in this process, as `pipeline.dry_run.Trial` does."""

    def run_stages(self, template: Signature) -> Any:
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
        """Without data return a signature of the stage; with data call the function."""
        if not data:
            return template(self.name, self.check(options))
        if isinstance(data[0], RunsStages):
            return data[0].run_stages(template(self.name, self.check(options)))
        return self.function(*data, **options)

    def check(self, options: Mapping[str, Any]) -> dict[str, Any]:
        """Return the options as JSON-ready data with the defaults filled in. Raises BadRequest."""
        return check_options(self.name, self.parameters, options)

    def run(self, data: Any, about: About, options: Mapping[str, Any]) -> Any:
        """Call the function with options that were read from JSON."""
        values = values_of(self.parameters, options)
        return self.function(data, *([about] if self.wants_about else []), **values)


def stage(*, queue: str, name: str = "", version: str = "1") -> Callable[[Callable[..., Any]], Stage]:
    """Declare the decorated function as a stage.

    Args:
        queue: the queue of its tasks; the workers of the group `extract` serve it.
        name: its name in ledger and log; the function's by default.
        version: raise it when the same input gives another result: documents are then ingested again.

    Raises:
        BadRequest: the name or queue cannot be used, or the annotations fit no kind of stage.
    """

    def declare(function: Callable[..., Any]) -> Stage:
        chosen = name or getattr(function, "__name__", "")
        _check_names(chosen, queue)
        kind, wants_about, parameters = _parse_annotations(chosen, function)
        declared = Stage(chosen, queue, version, kind, function, parameters, wants_about)
        REGISTRY.add(declared)
        return declared

    return declare


def find_stage(name: str) -> Stage | None:
    """Return the declared stage of this name, or None."""
    return REGISTRY.get(name)


def declared_stages() -> list[Stage]:
    """Return every stage that was declared so far in this process."""
    return REGISTRY.all()


def template(name: str, options: Mapping[str, Any]) -> Signature:
    """Make the signature that stands for a stage in a workflow; it carries options, and no batch yet."""
    return signature(task_name(name), kwargs=dict(options), immutable=True)


def _check_names(name: str, queue: str) -> None:
    if not NAME.fullmatch(name) or name in RESERVED:
        raise BadRequest(
            f"A stage cannot be named {name!r}.",
            "Use small letters, digits and _, and none of: " + ", ".join(sorted(RESERVED)) + ".",
        )
    if not QUEUE.fullmatch(queue) or queue in QUEUES or BROKER_QUEUE.fullmatch(queue):
        raise BadRequest(
            f"The stage {name} cannot have the queue {queue!r}.",
            f"Use small letters, digits, - and _; the queues {', '.join(QUEUES)} are taken, and what begins with "
            "celery, docrelay or unacked.",
        )


def _parse_annotations(name: str, function: Callable[..., Any]) -> tuple[Kind, bool, type[BaseModel]]:
    """Read from the annotations the kind of the stage, whether it wants `About`, and the model of its parameters."""
    if inspect.iscoroutinefunction(function) or inspect.isgeneratorfunction(function) or _is_async(function):
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
    positional = (inspect.Parameter.POSITIONAL_ONLY, inspect.Parameter.POSITIONAL_OR_KEYWORD)
    data = [parameter for parameter in signed.parameters.values() if parameter.kind in positional]
    kind = _kind(data[0].annotation) if data else None
    if (
        kind is None
        or _kind(signed.return_annotation) != kind
        or [parameter.annotation for parameter in data[1:]] not in ([], [About])
    ):
        raise BadRequest(
            f"The stage {name} fits no place in a workflow.",
            "Write (document: Document) -> Document or (chunks: list[Chunk]) -> list[Chunk], "
            "then About if it needs the document's facts, then * and its parameters.",
        )
    options = [parameter for parameter in signed.parameters.values() if parameter not in data]
    return kind, len(data) > 1, parameters_of(name, options)


def _kind(annotation: Any) -> Kind | None:
    if annotation is Document:
        return "document"
    return "chunks" if get_origin(annotation) is list and get_args(annotation) == (Chunk,) else None


def _origin(function: Callable[..., Any]) -> tuple[str, str]:
    return function.__module__, getattr(function, "__qualname__", repr(function))


def _is_async(function: Callable[..., Any]) -> bool:
    called = getattr(function, "__call__", None)  # noqa: B004 - of an object that can be called
    return inspect.isasyncgenfunction(function) or inspect.iscoroutinefunction(called)
