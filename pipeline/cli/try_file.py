"""`docrelay try`: show what each stage of a workflow makes of a file; nothing is stored."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer
from rich.text import Text

from pipeline.cli.options import DataDir, Json, Workflow, local_settings_of
from pipeline.cli.output import FAILED, note, out, plain, print_json

__all__ = ["try_file"]

SHOWN_CHARS = 240
SHOWN_ROWS = 5
"""Chunks, points or vectors that are shown of each stage."""


def try_file(
    context: typer.Context,
    file: Annotated[Path, typer.Argument(metavar="FILE", help="A single file.", show_default=False)],
    workflow: Workflow = None,
    json: Json = False,
    data_dir: DataDir = None,
) -> None:
    """Show what each stage of a workflow makes of a file; nothing is stored."""
    from pipeline.dry_run import try_file as dry_run
    from pipeline.services import Services

    settings = local_settings_of(context, data_dir)
    result = dry_run(Services(settings), file, workflow or settings.workflow)
    error = result["error"]
    if json:
        print_json(result)
    else:
        for output in result["stages"]:
            _print_stage(dict(output))
        if error is not None:
            note(f"{error['code']}: {error['message']} {error['hint']}")
    raise typer.Exit(FAILED if error is not None else 0)


def _print_stage(output: dict[str, Any]) -> None:
    """Print the output of one stage in short."""
    stage, seconds = output.pop("stage"), output.pop("seconds")
    out.print(Text.assemble((stage, "bold"), f"  {seconds:.3f} s"))
    document = output.pop("document", None)
    if document is not None:
        out.print(Text(f"    {document['media_type']}, {document['pages']} pages, {len(document['text'])} characters"))
        out.print(Text(f"    {_short(document['text'])}"))
    rows = output.pop("chunks", None) or output.pop("points", None) or output.pop("vectors", None) or []
    for row in rows[:SHOWN_ROWS]:
        _print_row(row)
    if len(rows) > SHOWN_ROWS:
        out.print(f"    … and {len(rows) - SHOWN_ROWS} more")
    for name, value in output.items():
        out.print(Text(f"    {name}: {plain(str(value))}"))


def _print_row(row: Any) -> None:
    """Print a chunk with its metadata, the payload of a point, or a vector."""
    content = row.get("text") or row.get("payload") if isinstance(row, dict) else row
    metadata = row.get("metadata") if isinstance(row, dict) else None
    out.print(Text(f"    {_short(str(content))}{f'  {metadata}' if metadata else ''}"))


def _short(text: str) -> str:
    line = plain(" ".join(text.split()))
    return line if len(line) <= SHOWN_CHARS else f"{line[: SHOWN_CHARS - 1]}…"
