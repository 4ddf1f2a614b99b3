"""`docrelay config`."""

from __future__ import annotations

from typing import Any

from pydantic import BaseModel
from rich.table import Table
from rich.text import Text

from pipeline.cli.output import out, plain, print_json, print_table
from pipeline.settings import ENV_PREFIX, Settings, load_settings, origins

__all__ = ["run"]

SECRETS = frozenset({"qdrant_api_key", "embedding_api_key", "passwords"})
URLS = frozenset({"redis_url", "broker_url", "qdrant_url", "database_url", "spool_url", "embedding_url"})
MASK = "********"


def run(overrides: dict[str, Any], as_json: bool) -> None:
    """Print every setting, its value and its origin; secrets are masked."""
    settings, found = load_settings(overrides), origins(overrides)
    values = {name: _shown(name, getattr(settings, name)) for name in Settings.model_fields}
    if as_json:
        print_json({name: {"value": value, "origin": found[name]} for name, value in values.items()})
        return
    table = Table("setting", "value", "from", "meaning", box=None, pad_edge=False)
    for name, value in values.items():
        meaning = Settings.model_fields[name].description or ""
        table.add_row(name, Text("" if value in (None, []) else plain(str(value))), found[name], meaning)
    print_table(table)
    out.print(f"Set one by the environment ({ENV_PREFIX}<NAME>) or in {settings.data_dir / 'docrelay.toml'}.")


def _shown(name: str, value: Any) -> Any:
    if name in SECRETS and value:
        return MASK
    if name in URLS and value:
        return _without_password(value)
    if isinstance(value, tuple):
        return [one.model_dump(mode="json") if isinstance(one, BaseModel) else one for one in value]
    if isinstance(value, dict):
        return value
    return value if isinstance(value, (int, float, bool, type(None))) else str(value)


def _without_password(url: str) -> str:
    """The URL with its password masked, and the values of its query: one of them may be a password too."""
    scheme, slashes, rest = url.partition("://")
    account, at, place = rest.rpartition("@")
    user, colon, _ = account.partition(":")
    address, mark, query = place.partition("?")
    values = "&".join(f"{pair.partition('=')[0]}={MASK}" for pair in query.split("&")) if mark else ""
    return f"{scheme}{slashes}{user}{colon}{MASK if colon else ''}{at}{address}{mark}{values}"
