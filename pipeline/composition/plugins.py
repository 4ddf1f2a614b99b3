"""Load what other packages add by entry points, workflows among it. One that does not load is reported and skipped.

    docrelay.workflows   a function that returns a signature, as module:function, or a module with one of that name
    docrelay.stages      a function under @stage, or a module with several
    docrelay.chunkers    (document, tokenizer, max_tokens, overlap_tokens) -> list[Chunk]

The packages `extractors` and `embeddings` read the groups docrelay.extractors and docrelay.embedders themselves.
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
from pydantic import BaseModel

from embeddings import known_models as models
from embeddings.base import Tokenizer
from extractors import registry as formats
from extractors.document import Document
from pipeline.composition.decorator import Stage, declared_stages
from pipeline.composition.parameters import check_options, parameters_of, values_of
from pipeline.composition.validation import plan_of
from pipeline.errors import BadRequest, PipelineError
from pipeline.plan import Plan
from pipeline.types import Chunk

__all__ = ["Broken", "Chunker", "Discovered", "Workflow", "discover", "find_chunker", "load_workflow", "stages"]

log = structlog.get_logger()

BUILT_IN = "docrelay"
"""The name of Docrelay's own package."""

Chunker = Callable[[Document, Tokenizer, int, int], list[Chunk]]
"""Cuts a document into chunks of at most `max_tokens` that repeat `overlap_tokens`: `pipeline.stages.chunking.cut`."""


@dataclass(frozen=True)
class Broken:
    """An entry point that could not be loaded, and why."""

    group: str
    name: str
    package: str
    reason: str


@dataclass(frozen=True)
class Workflow:
    """A workflow: its name, the function that declares it, and the package that brought it."""

    name: str
    function: Callable[..., Any]
    package: str

    @property
    def about(self) -> str:
        """The first line of its docstring."""
        return (inspect.getdoc(self.function) or "").partition("\n")[0]

    def plan(self, options: Mapping[str, Any] | None = None) -> Plan:
        """Make the checked plan, with these values of the workflow's parameters.

        Raises:
            BadRequest: a parameter is wrong or missing, the function raises, or what it returns is no workflow.
        """
        model, values = self._parameters, options or {}
        missing = [name for name in self.required if name not in values]
        if missing:
            raise BadRequest(
                f"The workflow {self.name} needs values for: {', '.join(missing)}.",
                f"Set it in docrelay.toml: [workflow_options.{self.name}] {missing[0]} = …",
            )
        check_options(self.name, model, values)
        return plan_of(self._call(values_of(model, values)))

    @property
    def required(self) -> list[str]:
        """Names of the parameters that have no default."""
        parameters = _signature(self.function).values()
        return [parameter.name for parameter in parameters if parameter.default is parameter.empty]

    @property
    def _parameters(self) -> type[BaseModel]:
        return parameters_of(self.name, list(_signature(self.function).values()))

    def check(self) -> None:
        """Check all that can be checked without values for the required parameters. Raises BadRequest."""
        if self.required:
            _ = self._parameters
        else:
            self.plan()

    def _call(self, values: Mapping[str, Any]) -> Any:
        try:
            return self.function(**values)
        except PipelineError:
            raise
        except (Exception, SystemExit) as error:  # an entry point: a plug-in may raise anything
            message = f"The workflow {self.name} raised {type(error).__name__}: {error}"
            raise BadRequest(message, "Correct its function, or what workflow_options says for it.") from error


@dataclass(frozen=True)
class Discovered:
    """The workflows and chunkers of this installation by name, and the entry points that did not load."""

    workflows: Mapping[str, Workflow]
    chunkers: Mapping[str, Chunker]
    broken: tuple[Broken, ...]


@lru_cache(maxsize=1)
def discover() -> Discovered:
    """Load every entry point of this installation, once per process."""
    loaded: dict[str, dict[str, Any]] = {group: {} for group in LOADERS}
    broken: list[tuple[str, EntryPoint, str]] = []
    for group, entry in _entries():
        try:
            value = LOADERS[group](entry)
            if group != "stages" and entry.name in loaded[group]:
                raise BadRequest(f"There is another {entry.name} already, which is the one that is used.")
            loaded[group][entry.name] = value
        except (Exception, SystemExit) as error:  # an entry point: a plug-in may raise anything
            reason = error.message if isinstance(error, PipelineError) else f"{type(error).__name__}: {error}"
            broken.append((group, entry, reason))
    for group, reasons in (("extractors", formats.outside()), ("embedders", models.outside().broken)):
        broken += [(group, entry, reason) for entry, reason in reasons]
    for group, entry, reason in broken:
        log.warning("entry_point.broken", group=group, entry=entry.name, package=_package(entry), reason=reason)
    broken_entries = tuple(Broken(group, entry.name, _package(entry), reason) for group, entry, reason in broken)
    return Discovered(loaded["workflows"], loaded["chunkers"], broken_entries)


def stages() -> list[Stage]:
    """Return every declared stage of this installation: those of plug-ins and of workflows."""
    discover()
    return declared_stages()


def find_chunker(name: str) -> Chunker:
    """Return the chunker of this name.

    Raises:
        BadRequest: there is none.
    """
    discovered = discover()
    if name not in discovered.chunkers:
        known = ", ".join(sorted(discovered.chunkers)) or "none but the one that is used without a name"
        raise BadRequest(f"There is no chunker {name}.", _why(discovered, "chunkers", name) or f"There are: {known}.")
    return discovered.chunkers[name]


def load_workflow(name: str, options: Mapping[str, Mapping[str, Any]] | None = None) -> Plan:
    """Make the plan of the workflow with this name.

    Args:
        name: as in the entry points.
        options: the setting `workflow_options`: values of parameters by workflow.

    Raises:
        BadRequest: there is none, it could not be loaded, or it is not valid.
    """
    discovered = discover()
    _check_names(discovered, options or {})
    if name not in discovered.workflows:
        known = ", ".join(sorted(discovered.workflows))
        raise BadRequest(f"There is no workflow {name}.", _why(discovered, "workflows", name) or f"There are: {known}.")
    plan = _planned(discovered.workflows[name], json.dumps((options or {}).get(name)))
    if "chunker" in plan.cutting:
        find_chunker(plan.cutting["chunker"])
    return plan


@lru_cache(maxsize=64)
def _planned(workflow: Workflow, options: str) -> Plan:
    """Make a plan once for the same options: a workflow's function has no side effects."""
    return workflow.plan(json.loads(options))


def _check_names(discovered: Discovered, options: Mapping[str, Any]) -> None:
    """Refuse values for a workflow that does not exist: a typing error."""
    known = {*discovered.workflows, *(broken.name for broken in discovered.broken if broken.group == "workflows")}
    for name in options:
        if name not in known:
            message = f"workflow_options names {name}, and there is no such workflow."
            raise BadRequest(message, f"There are: {', '.join(sorted(discovered.workflows))}.")


def _entries() -> list[tuple[str, EntryPoint]]:
    """List every entry point with its group: those of Docrelay first, so that no plug-in replaces them."""
    order = [*LOADERS]

    def rank(pair: tuple[str, EntryPoint]) -> tuple[bool, int, str, str]:
        group, entry = pair
        return _package(entry) != BUILT_IN, order.index(group), _package(entry), entry.name

    return sorted(((group, entry) for group in order for entry in entry_points(group=f"docrelay.{group}")), key=rank)


def _signature(function: Callable[..., Any]) -> Mapping[str, inspect.Parameter]:
    return inspect.signature(function, eval_str=True).parameters


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
    workflow = Workflow(entry.name, function, _package(entry))
    workflow.check()
    return workflow


LOADERS: dict[str, Callable[[EntryPoint], Any]] = {"stages": _stage, "chunkers": _chunker, "workflows": _workflow}
"""The function that loads an entry point of each group, in the order in which the groups are loaded."""


def _package(entry: EntryPoint) -> str:
    return entry.dist.name if entry.dist is not None else ""


def _why(discovered: Discovered, group: str, name: str) -> str:
    """Say why an entry point did not load; "" if there is none of this name."""
    reasons = [entry.reason for entry in discovered.broken if (entry.group, entry.name) == (group, name)]
    return f"It is there, but: {reasons[0]}" if reasons else ""
