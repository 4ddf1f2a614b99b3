"""`docrelay config`: show every setting, its value, and where it came from."""

from __future__ import annotations

from typing import Any

import typer
from rich.table import Table
from rich.text import Text

from pipeline.cli.options import DataDir, Json
from pipeline.cli.output import out, plain, print_json, print_table

__all__ = ["config"]

SECRETS = frozenset({"qdrant_api_key", "embedding_api_key", "passwords"})
URLS = frozenset({"redis_url", "broker_url", "qdrant_url", "database_url", "spool_url", "embedding_url"})
MASK = "********"


def config(context: typer.Context, json: Json = False, data_dir: DataDir = None) -> None:
    """Show every setting, its value, and where it came from."""
    from pipeline.settings import ENV_PREFIX, Settings, load_settings, origins

    overrides = {"data_dir": data_dir or context.obj["data_dir"]}
    settings, sources = load_settings(overrides), origins(overrides)
    values = {name: _printable(name, getattr(settings, name)) for name in Settings.model_fields}
    if json:
        print_json({name: {"value": value, "origin": sources[name]} for name, value in values.items()})
        return
    table = Table("setting", "value", "from", "meaning", box=None, pad_edge=False)
    for name, value in values.items():
        meaning = Settings.model_fields[name].description or ""
        table.add_row(name, Text("" if value in (None, []) else plain(str(value))), sources[name], meaning)
    print_table(table)
    out.print(f"Set one by the environment ({ENV_PREFIX}<NAME>) or in {settings.data_dir / 'docrelay.toml'}.")


def _printable(name: str, value: Any) -> Any:
    """The value as JSON can hold it, secrets masked."""
    from pydantic import BaseModel

    if name in SECRETS and value:
        return MASK
    if name in URLS and value:
        return _without_password(value)
    if isinstance(value, tuple):
        return [item.model_dump(mode="json") if isinstance(item, BaseModel) else item for item in value]
    if isinstance(value, dict):
        return value
    return value if isinstance(value, (int, float, bool, type(None))) else str(value)


def _without_password(url: str) -> str:
    """The URL with its password masked, and all values of its query, because one of them may be a password too."""
    scheme, slashes, rest = url.partition("://")
    account, at, location = rest.rpartition("@")
    user, colon, _ = account.partition(":")
    address, mark, query = location.partition("?")
    values = "&".join(f"{pair.partition('=')[0]}={MASK}" for pair in query.split("&")) if mark else ""
    return f"{scheme}{slashes}{user}{colon}{MASK if colon else ''}{at}{address}{mark}{values}"
