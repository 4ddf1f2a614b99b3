"""`docrelay try`: show what each stage of a workflow makes of a file; nothing is stored."""

from __future__ import annotations

from json import dumps
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.text import Text

from pipeline.cli.options import DataDir, Json, Ocr, Workflow, local_settings_of
from pipeline.cli.output import FAILED, note, out, plain, print_json, quantity

__all__ = ["try_file"]

SHOWN_CHARS = 240
POINT_FIELDS = (
    "source",
    "title",
    "page_start",
    "page_end",
    "line_start",
    "line_end",
    "prefix",
    "section",
    "tags",
    "added",
)
"""Fields of a point's payload that are shown besides its text; `--json` has all of them."""

SHOWN_ROWS = 5
"""Chunks, points or vectors that are shown of each stage."""


def try_file(
    context: typer.Context,
    file: Annotated[Path, typer.Argument(metavar="FILE", help="A single file.", show_default=False)],
    workflow: Workflow = None,
    ocr: Ocr = None,
    json: Json = False,
    data_dir: DataDir = None,
) -> None:
    """Show what each stage of a workflow makes of a file; nothing is stored."""
    from pipeline.dry_run import try_file as dry_run
    from pipeline.services import Services

    settings = local_settings_of(context, data_dir, ocr=ocr)
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
        pages, characters = quantity(document["pages"], "page"), quantity(len(document["text"]), "character")
        out.print(Text(f"    {document['media_type']}, {pages}, {characters}"))
        out.print(Text(f"    {_short(document['text'])}"))
        for sentence in dict.fromkeys((*document["missing"], *document["warnings"], *document["page_warnings"])):
            out.print(Text(f"    {plain(sentence)}"))
    rows = output.pop("chunks", None) or output.pop("points", None) or output.pop("vectors", None) or []
    for row in rows[:SHOWN_ROWS]:
        _print_row(row)
    if len(rows) > SHOWN_ROWS:
        out.print(f"    … and {len(rows) - SHOWN_ROWS} more")
    for name, value in output.items():
        out.print(Text(f"    {name}: {plain(str(value))}"))


def _print_row(row: Any) -> None:
    """Print a chunk, a point or a vector."""
    if not isinstance(row, dict):
        out.print(Text(f"    {_short(str(row))}"))
    elif "payload" in row:
        payload = row["payload"]
        out.print(Text(f"    point {row['id']}"))
        out.print(Text(f"      {_short(payload['text'])}"))
        _print_fields({name: payload[name] for name in POINT_FIELDS})
    else:
        out.print(Text(f"    {_short(row['text'])}"))
        _print_fields(row["metadata"])


def _print_fields(fields: dict[str, Any]) -> None:
    """Print one line for each field that has a value."""
    for name, value in fields.items():
        if value not in (None, "", [], {}):
            shown = value if isinstance(value, str) else dumps(value, ensure_ascii=False)
            out.print(Text(f"      {name}: {_short(shown)}"))


def _short(text: str) -> str:
    line = plain(" ".join(text.split()))
    return line if len(line) <= SHOWN_CHARS else f"{line[: SHOWN_CHARS - 1]}…"
