"""What other packages add by entry points, and the workflows among it. One that does not load is named and skipped.

    docrelay.workflows   a function that returns a signature, as module:function, or a module with one of that name
    docrelay.stages      a function under @stage, or a module with several
    docrelay.chunkers    (document, tokenizer, max_tokens, overlap_tokens) -> list[Chunk]

The groups docrelay.extractors and docrelay.embedders are read by those rooms themselves.
"""

from __future__ import annotations

import inspect
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import lru_cache
from importlib.metadata import EntryPoint, entry_points
from types import ModuleType
from typing import Any

import structlog

from embeddings import registry as models
from embeddings.base import Tokenizer
from extractors import registry as formats
from extractors.document import Document
from pipeline.checking import plan_of
from pipeline.chunking import Chunk
from pipeline.declaring import Stage, check_options, declared, parameters_of
from pipeline.errors import BadRequest, PipelineError
from pipeline.plan import Plan

__all__ = ["Broken", "Chunker", "Discovered", "Workflow", "discover", "find_chunker", "load_workflow", "stages"]

log = structlog.get_logger()

Chunker = Callable[[Document, Tokenizer, int, int], list[Chunk]]
"""Cuts a document into chunks of at most so many tokens, repeating so many; see `pipeline.chunking.cut`."""


@dataclass(frozen=True)
class Broken:
    """An entry point that could not be loaded, and why."""

    group: str
    name: str
    package: str
    reason: str


@dataclass(frozen=True)
class Workflow:
    """A workflow by its name: the function that declares it, and the package that it came with."""

    name: str
    function: Callable[..., Any]
    package: str

    @property
    def about(self) -> str:
        """The first line of its docstring."""
        return (inspect.getdoc(self.function) or "").partition("\n")[0]

    def plan(self, options: Mapping[str, Any] | None = None) -> Plan:
        """The checked plan, with these values of the workflow's own parameters.

        Raises:
            BadRequest: a parameter is wrong, or what the function returns is no workflow.
        """
        parameters = list(inspect.signature(self.function, eval_str=True).parameters.values())
        model = parameters_of(self.name, parameters)
        check_options(self.name, model, options or {})
        given = model.model_validate(dict(options or {}))
        return plan_of(self.function(**{one.name: getattr(given, one.name) for one in parameters}))


@dataclass(frozen=True)
class Discovered:
    """Everything that was found, by name."""

    workflows: Mapping[str, Workflow]
    chunkers: Mapping[str, Chunker]
    broken: tuple[Broken, ...]


@lru_cache(maxsize=1)
def discover() -> Discovered:
    """Load every entry point of this installation, once per process."""
    workflows: dict[str, Workflow] = {}
    chunkers: dict[str, Chunker] = {}
    broken: list[Broken] = []
    for group, take in (("stages", _stage), ("chunkers", _chunker), ("workflows", _workflow)):
        for entry in sorted(entry_points(group=f"docrelay.{group}"), key=lambda one: (one.dist is None, one.name)):
            try:
                found = take(entry)
            except Exception as error:  # a door: what somebody else's package raises must not stop ours
                reason = error.message if isinstance(error, PipelineError) else f"{type(error).__name__}: {error}"
                log.warning("entry_point.broken", group=group, entry=entry.name, reason=reason)
                broken.append(Broken(group, entry.name, _package(entry), reason))
                continue
            if isinstance(found, Workflow):
                workflows.setdefault(entry.name, found)
            elif not isinstance(found, (Stage, ModuleType)):
                chunkers.setdefault(entry.name, found)
    for group, reasons in (("extractors", formats.outside()), ("embedders", models.outside().broken)):
        for name, reason in reasons.items():
            log.warning("entry_point.broken", group=group, entry=name, reason=reason)
            (entry,) = list(entry_points(group=f"docrelay.{group}", name=name))[:1]
            broken.append(Broken(group, name, _package(entry), reason))
    return Discovered(workflows, chunkers, tuple(broken))


def stages() -> list[Stage]:
    """Every stage of somebody's own that this installation has."""
    discover()
    return declared()


def find_chunker(name: str) -> Chunker:
    """The chunker of this name.

    Raises:
        BadRequest: there is none.
    """
    found = discover()
    if name not in found.chunkers:
        known = ", ".join(sorted(found.chunkers)) or "none but the one that is used without a name"
        raise BadRequest(f"There is no chunker {name}.", _why(found, "chunkers", name) or f"There are: {known}.")
    return found.chunkers[name]


def load_workflow(name: str, options: Mapping[str, Mapping[str, Any]] | None = None) -> Plan:
    """The plan of the workflow with this name.

    Args:
        name: as in the entry points.
        options: the setting `workflow_options`: values of parameters by workflow.

    Raises:
        BadRequest: there is none, it could not be loaded, or it says what cannot be.
    """
    found = discover()
    if name not in found.workflows:
        known = ", ".join(sorted(found.workflows))
        raise BadRequest(f"There is no workflow {name}.", _why(found, "workflows", name) or f"There are: {known}.")
    plan = _planned(found.workflows[name], json.dumps((options or {}).get(name)))
    if "chunker" in plan.cutting:
        find_chunker(plan.cutting["chunker"])
    return plan


@lru_cache(maxsize=64)
def _planned(workflow: Workflow, options: str) -> Plan:
    """A plan is what a function of no side effects says of its parameters: asked once."""
    return workflow.plan(json.loads(options))


def _stage(entry: EntryPoint) -> Stage | ModuleType:
    loaded = entry.load()
    if not isinstance(loaded, (Stage, ModuleType)):
        raise BadRequest(f"{entry.value} is no stage.", "Put @stage(queue=…) on the function.")
    return loaded


def _chunker(entry: EntryPoint) -> Any:
    loaded = entry.load()
    if not callable(loaded) or isinstance(loaded, type):
        raise BadRequest(f"{entry.value} is no function.", "Name the function that cuts: module:function.")
    return loaded


def _workflow(entry: EntryPoint) -> Workflow:
    loaded = entry.load()
    function = getattr(loaded, entry.name, None) if isinstance(loaded, ModuleType) else loaded
    if not callable(function):
        raise BadRequest(f"{entry.value} has no function {entry.name}.", "Name it: module:function.")
    made = Workflow(entry.name, function, _package(entry))
    made.plan()
    return made


def _package(entry: EntryPoint) -> str:
    return entry.dist.name if entry.dist is not None else ""


def _why(found: Discovered, group: str, name: str) -> str:
    """What is wrong with it, if it is there but does not load."""
    return next(
        (f"It is there, but: {one.reason}" for one in found.broken if (one.group, one.name) == (group, name)), ""
    )
