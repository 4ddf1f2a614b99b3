"""`docrelay workflows` and `docrelay try`."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from rich.table import Table
from rich.text import Text

from pipeline.cli.output import FAILED, note, out, plain, print_json, print_table
from pipeline.composition.diagram import mermaid
from pipeline.composition.plugins import discover, load_workflow, stages
from pipeline.dry_run import try_file
from pipeline.services import Services
from pipeline.settings import Settings

__all__ = ["draw", "show", "try_out"]

SHOWN_CHARS = 240
SHOWN_CHUNKS = 5


def show(as_json: bool) -> None:
    """List workflows, the stages that they bring, and what did not load."""
    found = discover()
    told: dict[str, Any] = {
        "workflows": [
            {"name": one.name, "about": one.about, "package": one.package} for one in found.workflows.values()
        ],
        "stages": [
            {"name": one.name, "works_on": one.kind, "queue": one.queue, "version": one.version} for one in stages()
        ],
        "broken": [
            {"group": one.group, "name": one.name, "package": one.package, "reason": plain(one.reason)}
            for one in found.broken
        ],
    }
    if as_json:
        print_json(told)
        return
    for title, rows in (("workflow", told["workflows"]), ("stage", told["stages"])):
        table = Table(title, *list(rows[0])[1:] if rows else (), box=None, pad_edge=False)
        for row in rows:
            table.add_row(*(Text(plain(value)) for value in row.values()))
        print_table(table)
        out.print()
    for one in told["broken"]:
        note(f"{one['name']} ({one['group']}, {one['package']}) does not load and is left out: {one['reason']}")


def draw(settings: Settings, name: str, as_json: bool) -> None:
    """Draw a workflow."""
    plan = load_workflow(name, settings.workflow_options)
    diagram = mermaid(plan)
    if as_json:
        print_json({"name": name, "plan": plan.to_json() or {}, "mermaid": diagram})
    else:
        out.print(Text(diagram), end="")


def try_out(settings: Settings, path: Path, workflow: str | None, as_json: bool) -> int:
    """Show what each stage makes of a file.

    Returns:
        The exit code.
    """
    told = try_file(Services(settings), path, workflow or settings.workflow)
    if as_json:
        print_json(told)
    else:
        for output in told["stages"]:
            _tell(dict(output))
        if told["error"] is not None:
            note(f"{told['error']['code']}: {told['error']['message']} {told['error']['hint']}")
    return FAILED if told["error"] is not None else 0


def _tell(output: dict[str, Any]) -> None:
    """One stage's output, in short."""
    stage, seconds = output.pop("stage"), output.pop("seconds")
    out.print(Text.assemble((stage, "bold"), f"  {seconds:.3f} s"))
    document = output.pop("document", None)
    if document is not None:
        out.print(Text(f"    {document['media_type']}, {document['pages']} pages, {len(document['text'])} characters"))
        out.print(Text(f"    {_short(document['text'])}"))
    rows = output.pop("chunks", None) or output.pop("points", None) or output.pop("vectors", None) or []
    for row in rows[:SHOWN_CHUNKS]:
        told = row.get("text") or row.get("payload") if isinstance(row, dict) else row
        added = row.get("metadata") if isinstance(row, dict) else None
        out.print(Text(f"    {_short(str(told))}{f'  {added}' if added else ''}"))
    if len(rows) > SHOWN_CHUNKS:
        out.print(f"    … and {len(rows) - SHOWN_CHUNKS} more")
    for name, value in output.items():
        out.print(Text(f"    {name}: {plain(str(value))}"))


def _short(text: str) -> str:
    flat = plain(" ".join(text.split()))
    return flat if len(flat) <= SHOWN_CHARS else f"{flat[: SHOWN_CHARS - 1]}…"
