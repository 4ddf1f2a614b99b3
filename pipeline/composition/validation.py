"""Check the signature that a workflow returns, and make a plan of it. An error says what to write instead.

A workflow is a template: one chain, in which the stages between chunk and finalize run for each chunk batch.
`extract() | chunk() | chord([embed() | upsert()], finalize())`, the same with `group`, and the plain chain of all
mean the same.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

from celery import Signature

from pipeline.composition.builtins import BUILTIN_STAGES
from pipeline.composition.decorator import Stage, find_stage
from pipeline.errors import BadRequest
from pipeline.names import task_name
from pipeline.plan import Plan, Step

__all__ = ["WorkflowStep", "plan_of", "steps_in"]

SHAPE = "The shape is: extract() | chunk() | chord([embed() | upsert()], finalize())."
CHORD, CHAIN, GROUP = "celery.chord", "celery.chain", "celery.group"
ORDER = ("route", "sidecar", "extract", "document", "chunk", "chunks", "embed", "upsert", "finalize")
ONCE = ("extract", "chunk", "embed", "upsert", "finalize")
NEIGHBOURS = {
    "route": "Write route() before extract().",
    "sidecar": "Write sidecar() before extract(), after route().",
    "extract": "Write extract() first, before the stages that work on its text.",
    "document": "It works on documents: write it between extract() and chunk().",
    "chunk": "Write chunk() once, after the stages that work on documents and before the chord.",
    "chunks": "It works on chunks: write it after chunk() and before embed().",
    "embed": "Write embed() once, after chunk() and before upsert().",
    "upsert": "Write upsert() once, right after embed().",
    "finalize": "Write finalize() last, as the body of the chord.",
}


@dataclass(frozen=True)
class WorkflowStep:
    """A stage of a workflow: its position in the order, its checked options, its declaration unless it is built in."""

    name: str
    position: str
    options: dict[str, Any]
    stage: Stage | None


@dataclass
class FlatWorkflow:
    """The flattened template: stages in order, and the indexes at which the chord begins and ends."""

    steps: list[WorkflowStep] = field(default_factory=list)
    opened: int | None = None
    closed: int | None = None


def plan_of(template: Any) -> Plan:
    """Make the plan of a workflow from the signature that it returned.

    Raises:
        BadRequest: it is no valid workflow; the message says why and the hint what to write instead.
    """
    if not isinstance(template, Signature):
        raise BadRequest(f"A workflow returns a signature, not {_kind(template)}.", SHAPE)
    flat = FlatWorkflow()
    _chain(list(_links(template)), flat)
    _check_order(flat.steps)
    _check_chord(flat)
    steps = flat.steps
    options = {step.name: step.options for step in steps if step.stage is None}
    return Plan(
        documents=_declared_steps(steps, "document"),
        chunks=_declared_steps(steps, "chunks"),
        cutting=options["chunk"],
        route=options.get("route", {}),
        sidecar=options.get("sidecar", {}),
    )


def steps_in(template: Signature) -> list[WorkflowStep]:
    """List the stages that a signature holds, in order; the order is not checked.

    Raises:
        BadRequest: one of them is unknown, or has a wrong parameter.
    """
    steps: list[WorkflowStep] = []
    for outer in _links(template):
        members = [*outer.tasks, outer.body] if outer.task == CHORD else outer.tasks if outer.task == GROUP else [outer]
        steps += [_step_of(link) for member in members for link in _links(member)]
    return steps


def _links(template: Signature) -> Iterator[Signature]:
    """Yield the links of a chain, nested chains unrolled; any other signature is its only link.

    Raises:
        BadRequest: an option of Celery is set on one.
    """
    _check_signature(template)
    if template.task == CHAIN:
        for member in template.tasks:
            yield from _links(member)
    else:
        yield template


def _chain(links: Sequence[Signature], flat: FlatWorkflow) -> None:
    for number, link in enumerate(links):
        if link.task == CHORD:
            _chord(link, flat)
        elif link.task == GROUP:
            _group(link, links[number + 1 :], flat)
        else:
            flat.steps.append(_step_of(link))


def _chord(chord: Signature, flat: FlatWorkflow) -> None:
    if flat.opened is not None:
        raise BadRequest(
            "The workflow opens a second chord.", f"Write all that is done for a chunk batch in one. {SHAPE}"
        )
    if not flat.steps or flat.steps[-1].name != "chunk":
        raise BadRequest("The chord is not opened by chunk.", f"Write chunk() right before the chord. {SHAPE}")
    if chord.body is None:
        raise BadRequest("The chord has no body.", f"Write finalize() as its body. {SHAPE}")
    flat.opened = len(flat.steps)
    _header(chord.tasks, flat)
    flat.closed = len(flat.steps)
    _chain(list(_links(chord.body)), flat)


def _group(group: Signature, after: Sequence[Signature], flat: FlatWorkflow) -> None:
    if len(group.tasks) > 1:
        _header(group.tasks, flat)
    if not after:
        raise BadRequest("The workflow ends with a group.", f"{NEIGHBOURS['finalize']} {SHAPE}")
    _chain([link for member in group.tasks for link in _links(member)], flat)


def _header(members: Sequence[Signature], flat: FlatWorkflow) -> None:
    """Add the steps of the one member of a chord's header, or of a group, which stands for each chunk batch."""
    chains = [_flat(member) for member in members]
    for link in (link for links in chains for link in links):
        if link.task in (CHORD, GROUP):
            raise BadRequest(
                "There is a chord inside the chord: when one member fails, the outer one would hang for ever.",
                "Write what is done for a chunk batch as a chain: chord([first() | embed() | upsert()], finalize()).",
            )
        if link.task in (task_name("extract"), task_name("chunk")):
            raise BadRequest(
                f"The chord fans out {link.task.partition('.')[2]}: documents need no chord.",
                "Every document batch has a canvas of its own already: write extract() | chunk() before the chord.",
            )
    if len(chains) != 1:
        raise BadRequest(
            f"The chord's header has {len(chains)} members.",
            "Write one, which stands for each chunk batch, in brackets: chord([embed() | upsert()], finalize()).",
        )
    for link in chains[0]:
        flat.steps.append(_step_of(link))


def _flat(member: Any) -> list[Signature]:
    if not isinstance(member, Signature):
        raise BadRequest(f"A chord holds signatures, not {_kind(member)}.", SHAPE)
    return list(_links(member))


def _step_of(link: Signature) -> WorkflowStep:
    """Make a step of a single signature, and check its options."""
    name = link.task.removeprefix(task_name(""))
    unknown = BadRequest(
        f"There is no stage {link.task}.",
        f"Declare it with @stage(queue=…), or use one of: {', '.join(BUILTIN_STAGES)}.",
    )
    if name == link.task:
        raise unknown
    if link.args:
        raise BadRequest(f"{name} is given data in a workflow.", f"Write {name}() with nothing but its parameters.")
    if name in BUILTIN_STAGES:
        return WorkflowStep(name, name, BUILTIN_STAGES[name].check(link.kwargs), None)
    declared = find_stage(name)
    if declared is None:
        raise unknown
    return WorkflowStep(name, declared.kind, declared.check(link.kwargs), declared)


def _check_signature(link: Signature) -> None:
    """Refuse a queue, a callback or another option of Celery on a signature, a chain, a chord or a group."""
    name = link.task.rpartition(".")[2]
    set_here = {option for option, value in link.options.items() if value is not None and value != []}
    if set_here & {"queue", "routing_key", "exchange"}:
        raise BadRequest(f"The workflow sends {name} to another queue.", "The queue is the stage's: @stage(queue=…).")
    if set_here - {"task_id", "reply_to"}:
        raise BadRequest(
            f"The workflow sets options of Celery's on {name}.",
            "Leave out .set(), link and link_error: retries, priorities and errors are the engine's part.",
        )


def _check_order(steps: Sequence[WorkflowStep]) -> None:
    names = [step.name for step in steps]
    for name in ONCE:
        if name not in names:
            raise BadRequest(f"The workflow has no {name}().", f"{NEIGHBOURS[name]} {SHAPE}")
    for name in BUILTIN_STAGES:
        if names.count(name) > 1:
            raise BadRequest(f"The workflow names {name}() {names.count(name)} times.", NEIGHBOURS[name])
    reached = -1
    for step in steps:
        position = ORDER.index(step.position)
        if position < reached:
            raise BadRequest(f"{step.name}() stands at the wrong place.", NEIGHBOURS[step.position])
        reached = position


def _check_chord(flat: FlatWorkflow) -> None:
    """Check that the chord reaches from chunk to finalize: a stage outside it would look as if it ran once."""
    if flat.opened is None or flat.closed is None:
        return
    outside = [step.name for step in flat.steps[flat.closed :] if step.name != "finalize"]
    if outside:
        raise BadRequest(
            f"{outside[0]}() stands behind the chord.",
            "Write it in the chord's header: it is done for each chunk batch.",
        )


def _declared_steps(steps: Sequence[WorkflowStep], kind: str) -> tuple[Step, ...]:
    """Plan the stages of this kind that are not built in; a stage that is used again gets a numbered key."""
    planned: list[Step] = []
    for step in steps:
        if step.stage is not None and step.position == kind:
            used = sum(earlier.stage == step.name for earlier in planned)
            key = f"{step.name}-{used + 1}" if used else step.name
            planned.append(Step(key, step.name, step.stage.queue, step.options, step.stage.version))
    return tuple(planned)


def _kind(value: Any) -> str:
    return "nothing" if value is None else type(value).__name__
