"""Reads a compose file as the compose specification says: YAML merge keys, then variables in values.

https://github.com/compose-spec/compose-spec/blob/main/12-interpolation.md
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml

__all__ = ["Unset", "interpolated", "load"]

VARIABLE = re.compile(
    r"\$(?:(?P<escaped>\$)|(?P<plain>[A-Za-z_]\w*)|\{(?P<name>[A-Za-z_]\w*)(?:(?P<rule>:?[-?])(?P<word>[^{}]*))?\})"
)


class Unset(Exception):
    """A variable without which the file says it cannot be used."""


def load(path: Path, variables: Mapping[str, str]) -> dict[str, Any]:
    """The file with its variables filled in."""
    document: dict[str, Any] = interpolated(yaml.safe_load(path.read_text("utf-8")), variables)
    return document


def interpolated(value: Any, variables: Mapping[str, str]) -> Any:
    if isinstance(value, str):
        return VARIABLE.sub(lambda match: _value(match, variables), value)
    if isinstance(value, list):
        return [interpolated(item, variables) for item in value]
    return {key: interpolated(item, variables) for key, item in value.items()} if isinstance(value, dict) else value


def _value(match: re.Match[str], variables: Mapping[str, str]) -> str:
    if match["escaped"]:
        return "$"
    name, rule, word = match["name"] or match["plain"], match["rule"] or "", match["word"] or ""
    value = variables.get(name)
    if value is not None and (value or not rule.startswith(":")):
        return value
    if rule.endswith("?"):
        raise Unset(f"{name}: {word}")
    return word
