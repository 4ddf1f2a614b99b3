"""`docrelay workflows`: list workflows and the stages that they bring, or draw one."""

from __future__ import annotations

from typing import Annotated, Any

import typer
from rich.table import Table
from rich.text import Text

from pipeline.cli.options import DataDir, Json, local_settings_of
from pipeline.cli.output import note, out, plain, print_json, print_table
from pipeline.cli.usage import Commands

__all__ = ["workflows_app"]

workflows_app = Commands()


@workflows_app.callback(invoke_without_command=True)
def workflows(context: typer.Context, json: Json = False) -> None:
    """Workflows: list them and the stages that they bring, or draw one."""
    if context.invoked_subcommand is not None:
        return
    installed = _installed()
    if json:
        print_json(installed)
        return
    for title, rows in (("workflow", installed["workflows"]), ("stage", installed["stages"])):
        table = Table(title, *list(rows[0])[1:] if rows else (), box=None, pad_edge=False)
        for row in rows:
            table.add_row(*(Text(plain(value)) for value in row.values()))
        print_table(table)
        out.print()
    for entry in installed["broken"]:
        origin = f"{entry['group']}, {entry['package']}"
        note(f"{entry['name']} ({origin}) does not load and is left out: {entry['reason']}")


@workflows_app.command("show")
def workflows_show(
    context: typer.Context,
    name: Annotated[str, typer.Argument(metavar="NAME", help="The workflow.", show_default=False)],
    json: Json = False,
    data_dir: DataDir = None,
) -> None:
    """Draw a workflow as a Mermaid diagram."""
    from pipeline.composition.diagram import mermaid
    from pipeline.composition.plugins import load_workflow

    settings = local_settings_of(context, data_dir)
    plan = load_workflow(name, settings.workflow_options)
    diagram = mermaid(plan)
    if json:
        print_json({"name": name, "plan": plan.to_json() or {}, "mermaid": diagram})
    else:
        out.print(Text(diagram), end="")


def _installed() -> dict[str, list[dict[str, Any]]]:
    """Workflows, stages of plug-ins, and entry points that do not load."""
    from pipeline.composition.plugins import discover, stages

    plugins = discover()
    return {
        "workflows": [
            {"name": workflow.name, "about": workflow.about, "package": workflow.package}
            for workflow in plugins.workflows.values()
        ],
        "stages": [
            {"name": stage.name, "works_on": stage.kind, "queue": stage.queue, "version": stage.version}
            for stage in stages()
        ],
        "broken": [
            {"group": entry.group, "name": entry.name, "package": entry.package, "reason": plain(entry.reason)}
            for entry in plugins.broken
        ],
    }
