"""`docrelay config`: show every setting, its value, and where it came from."""

from __future__ import annotations

import typer
from rich.table import Table
from rich.text import Text

from pipeline.cli.options import DataDir, Json
from pipeline.cli.output import out, plain, print_json, print_table

__all__ = ["config"]


def config(context: typer.Context, json: Json = False, data_dir: DataDir = None) -> None:
    """Show every setting, its value, and where it came from."""
    from pipeline.settings import ENV_PREFIX, Settings, load_settings, origins
    from pipeline.settings.printable import printable_settings

    overrides = {"data_dir": data_dir or context.obj["data_dir"]}
    settings, sources = load_settings(overrides), origins(overrides)
    values = printable_settings(settings)
    if json:
        print_json({name: {"value": value, "origin": sources[name]} for name, value in values.items()})
        return
    table = Table("setting", "value", "from", "meaning", box=None, pad_edge=False)
    for name, value in values.items():
        meaning = Settings.model_fields[name].description or ""
        table.add_row(name, Text("" if value in (None, []) else plain(str(value))), sources[name], meaning)
    print_table(table)
    out.print(f"Set one by the environment ({ENV_PREFIX}<NAME>) or in {settings.data_dir / 'docrelay.toml'}.")
