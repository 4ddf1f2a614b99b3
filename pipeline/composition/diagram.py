"""Draw a workflow as a Mermaid diagram: the tasks of a batch, with the queue of each."""

from __future__ import annotations

from collections.abc import Iterable
from itertools import pairwise

from pipeline.plan import Plan, Step

__all__ = ["mermaid"]


def mermaid(plan: Plan) -> str:
    """Draw the flow of one document batch; the tasks in the box run for each chunk batch."""
    intake = [key for key, options in (("route", plan.route), ("sidecar", plan.sidecar)) if options]
    before = [*intake, "extract", *plan.texts]
    lines = ["flowchart LR", *(_node(plan, key) for key in before)]
    lines += _arrows(before)
    lines += ['    ocr["ocr"]', '    extract -. "scanned pages" .-> ocr', f"    ocr -.-> {plan.texts[0]}"]
    lines += ['    subgraph each["for each chunk batch"]', *(f"    {_node(plan, key)}" for key in plan.fan)]
    lines += [f"    {arrow}" for arrow in _arrows(plan.fan)]
    lines += ["    end", f"    chunk --> {plan.fan[0]}", f"    {plan.fan[-1]} --> finalize"]
    return "\n".join([*lines, '    finalize["finalize"]']) + "\n"


def _arrows(keys: Iterable[str]) -> list[str]:
    return [f"    {key} --> {following}" for key, following in pairwise(keys)]


def _node(plan: Plan, key: str) -> str:
    """A step: its name, its options, and its queue where that is not its name."""
    step = plan.step(key) or Step(key, key, key, _options(plan, key), "")
    options = [f"{name} = {_plain(value)}" for name, value in step.options.items() if value is not None]
    place = "intake" if key in ("route", "sidecar") else f"queue {step.queue}"
    lines = [step.stage, *options, *([place] if place != f"queue {step.stage}" else [])]
    return f'    {key}["{"<br/>".join(lines)}"]'


def _options(plan: Plan, key: str) -> dict[str, object]:
    return dict({"chunk": plan.cutting, "route": plan.route, "sidecar": plan.sidecar}.get(key, {}))


def _plain(value: object) -> str:
    """Escape a value for the quotes of a label, in which Mermaid reads entities."""
    text = str(value)
    text = text if len(text) <= 60 else f"{text[:59]}…"
    return "".join(f"#{ord(char)};" if char in '"#<>&`[]{}|' or not char.isprintable() else char for char in text)
