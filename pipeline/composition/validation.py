"""Checks what a workflow says, and makes a plan of it or refuses it with what to write instead.

A workflow is a template: one chain, in which what stands between chunk and finalize is done for each chunk batch.
`extract() | chunk() | chord([embed() | upsert()], finalize())`, the same with `group`, and the plain chain of all
are one and the same.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

from celery import Signature

from pipeline.composition.builtins import WORDS
from pipeline.composition.decorator import Stage, find_stage
from pipeline.errors import BadRequest
from pipeline.names import task_name
from pipeline.plan import Plan, Step

__all__ = ["Found", "plan_of", "steps_in"]

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
class Found:
    """A stage as the walk met it: its place in the order, its checked options, and its declaration if it has one."""

    name: str
    place: str
    options: dict[str, Any]
    stage: Stage | None


@dataclass
class Walk:
    """The flattened template: stages in order, and between which of them the chord was opened and closed."""

    steps: list[Found] = field(default_factory=list)
    opened: int | None = None
    closed: int | None = None


def plan_of(template: Any) -> Plan:
    """The plan of what a workflow returned.

    Raises:
        BadRequest: it is no workflow of ours; the message says why and the hint what to write instead.
    """
    if not isinstance(template, Signature):
        raise BadRequest(f"A workflow returns a signature, not {_kind(template)}.", SHAPE)
    walk = Walk()
    _chain(list(_links(template)), walk)
    _check_order(walk.steps)
    _check_chord(walk)
    steps = walk.steps
    options = {one.name: one.options for one in steps if one.stage is None}
    return Plan(
        documents=_own(steps, "document"),
        chunks=_own(steps, "chunks"),
        cutting=options["chunk"],
        route=options.get("route", {}),
        sidecar=options.get("sidecar", {}),
    )


def steps_in(template: Signature) -> list[Found]:
    """The stages that a signature holds, in order; their order is not checked.

    Raises:
        BadRequest: one of them is no stage of ours, or has a wrong parameter.
    """
    found: list[Found] = []
    for link in _links(template):
        members = [*link.tasks, link.body] if link.task == CHORD else link.tasks if link.task == GROUP else [link]
        found += [_found(one) for member in members for one in _links(member)]
    return found


def _links(template: Signature) -> Iterator[Signature]:
    """The links of a chain, chains in it unrolled; anything else is its only link.

    Raises:
        BadRequest: options of Celery's are set on one.
    """
    _check_signature(template)
    if template.task == CHAIN:
        for one in template.tasks:
            yield from _links(one)
    else:
        yield template


def _chain(links: Sequence[Signature], walk: Walk) -> None:
    for number, link in enumerate(links):
        if link.task == CHORD:
            _chord(link, walk)
        elif link.task == GROUP:
            _group(link, links[number + 1 :], walk)
        else:
            walk.steps.append(_found(link))


def _chord(chord: Signature, walk: Walk) -> None:
    if walk.opened is not None:
        raise BadRequest(
            "The workflow opens a second chord.", f"Write all that is done for a chunk batch in one. {SHAPE}"
        )
    if not walk.steps or walk.steps[-1].name != "chunk":
        raise BadRequest("The chord is not opened by chunk.", f"Write chunk() right before the chord. {SHAPE}")
    if chord.body is None:
        raise BadRequest("The chord has no body.", f"Write finalize() as its body. {SHAPE}")
    walk.opened = len(walk.steps)
    _header(chord.tasks, walk)
    walk.closed = len(walk.steps)
    _chain(list(_links(chord.body)), walk)


def _group(group: Signature, after: Sequence[Signature], walk: Walk) -> None:
    if len(group.tasks) > 1:
        _header(group.tasks, walk)
    if not after:
        raise BadRequest("The workflow ends with a group.", f"{NEIGHBOURS['finalize']} {SHAPE}")
    _chain([one for member in group.tasks for one in _links(member)], walk)


def _header(members: Sequence[Signature], walk: Walk) -> None:
    """The one member of a chord's header, or of a group, which stands for each chunk batch."""
    every = [_flat(member) for member in members]
    for link in (link for links in every for link in links):
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
    if len(every) != 1:
        raise BadRequest(
            f"The chord's header has {len(every)} members.",
            "Write one, which stands for each chunk batch, in brackets: chord([embed() | upsert()], finalize()).",
        )
    for link in every[0]:
        walk.steps.append(_found(link))


def _flat(member: Any) -> list[Signature]:
    if not isinstance(member, Signature):
        raise BadRequest(f"A chord holds signatures, not {_kind(member)}.", SHAPE)
    return list(_links(member))


def _found(link: Signature) -> Found:
    """What a single signature stands for, its options checked."""
    name = link.task.removeprefix(task_name(""))
    unknown = BadRequest(
        f"There is no stage {link.task}.", f"Declare it with @stage(queue=…), or use one of: {', '.join(WORDS)}."
    )
    if name == link.task:
        raise unknown
    if link.args:
        raise BadRequest(f"{name} is given data in a workflow.", f"Write {name}() with nothing but its parameters.")
    if name in WORDS:
        return Found(name, name, WORDS[name].check(link.kwargs), None)
    own = find_stage(name)
    if own is None:
        raise unknown
    return Found(name, own.kind, own.check(link.kwargs), own)


def _check_signature(link: Signature) -> None:
    """No queue, callback or other option of Celery's; a chain, chord or group has none either."""
    name = link.task.rpartition(".")[2]
    set_here = {option for option, value in link.options.items() if value is not None and value != []}
    if set_here & {"queue", "routing_key", "exchange"}:
        raise BadRequest(f"The workflow sends {name} to another queue.", "The queue is the stage's: @stage(queue=…).")
    if set_here - {"task_id", "reply_to"}:
        raise BadRequest(
            f"The workflow sets options of Celery's on {name}.",
            "Leave out .set(), link and link_error: retries, priorities and errors are the engine's part.",
        )


def _check_order(steps: Sequence[Found]) -> None:
    names = [one.name for one in steps]
    for name in ONCE:
        if name not in names:
            raise BadRequest(f"The workflow has no {name}().", f"{NEIGHBOURS[name]} {SHAPE}")
    for name in WORDS:
        if names.count(name) > 1:
            raise BadRequest(f"The workflow names {name}() {names.count(name)} times.", NEIGHBOURS[name])
    reached = -1
    for one in steps:
        place = ORDER.index(one.place)
        if place < reached:
            raise BadRequest(f"{one.name}() stands at the wrong place.", NEIGHBOURS[one.place])
        reached = place


def _check_chord(walk: Walk) -> None:
    """The chord reaches from chunk to finalize: what is outside is written as if it were done once."""
    if walk.opened is None or walk.closed is None:
        return
    outside = [one.name for one in walk.steps[walk.closed :] if one.name != "finalize"]
    if outside:
        raise BadRequest(
            f"{outside[0]}() stands behind the chord.",
            "Write it in the chord's header: it is done for each chunk batch.",
        )


def _own(steps: Sequence[Found], kind: str) -> tuple[Step, ...]:
    made: list[Step] = []
    for one in steps:
        if one.stage is not None and one.place == kind:
            used = sum(earlier.stage == one.name for earlier in made)
            key = f"{one.name}-{used + 1}" if used else one.name
            made.append(Step(key, one.name, one.stage.queue, one.options, one.stage.version))
    return tuple(made)


def _kind(value: Any) -> str:
    return "nothing" if value is None else type(value).__name__
