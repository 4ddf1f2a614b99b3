"""Where the settings come from.

Sources, later ones win: the defaults of the model, `docrelay.toml` in the data folder (or the file named by
`DOCRELAY_CONFIG`), environment variables `DOCRELAY_<NAME>`, the command line.

A variable `DOCRELAY_<NAME>_FILE` names a file that holds the value, so that no password stands in the environment.
"""

from __future__ import annotations

import json
import os
import tomllib
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from pipeline.errors import BadRequest
from pipeline.settings.schema import Settings

__all__ = ["CONFIG_VARIABLE", "ENV_PREFIX", "FILE_SUFFIX", "TEST_PREFIX", "load_settings", "origins"]

ENV_PREFIX = "DOCRELAY_"
CONFIG_VARIABLE = "DOCRELAY_CONFIG"
TEST_PREFIX = "DOCRELAY_TEST_"
FILE_SUFFIX = "_file"
"""Ending of the name of a variable, in lower case, that holds the path of a file with the setting's value."""

JSON_SETTINGS = ("workflow_options", "log_levels", "notify", "notify_templates")
"""Settings that the environment holds as JSON."""


def load_settings(overrides: dict[str, Any] | None = None) -> Settings:
    """Read the settings from all their sources.

    Args:
        overrides: the values of the command line; None values are left out.

    Raises:
        BadRequest: an unknown key or a value out of its range, with the source that holds it.
    """
    merged = {key: value for source in _sources(overrides or {}).values() for key, value in source.items()}
    try:
        return Settings(**merged)
    except ValidationError as error:
        raise BadRequest(_sentence(error, origins(overrides)), "Every setting is in docs/configuration.md.") from error


def origins(overrides: dict[str, Any] | None = None) -> dict[str, str]:
    """Return where each setting's value comes from: default, file, environment or command line."""
    by_name = dict.fromkeys(Settings.model_fields, "default")
    for name, source in _sources(overrides or {}).items():
        by_name.update(dict.fromkeys(source, name))
    return by_name


def _sources(overrides: dict[str, Any]) -> dict[str, dict[str, Any]]:
    line = {key: value for key, value in overrides.items() if value is not None}
    environment = _environment()
    folder = line.get("data_dir") or environment.get("data_dir") or Settings.model_fields["data_dir"].default
    return {"file": _file(Path(folder)), "environment": environment, "command line": line}


def _environment() -> dict[str, Any]:
    values: dict[str, Any] = {}
    for variable, value in os.environ.items():
        if not variable.startswith(ENV_PREFIX) or variable.startswith(TEST_PREFIX) or variable == CONFIG_VARIABLE:
            continue
        name = variable.removeprefix(ENV_PREFIX).lower()
        setting = name.removesuffix(FILE_SUFFIX)
        # An empty variable is an unset one, as in a compose file; an unknown one is refused either way.
        if name not in Settings.model_fields and setting in Settings.model_fields:
            if value:
                values[setting] = _content(setting, value)
        elif value or name not in Settings.model_fields:
            values[name] = _read(name, value)
    return values


def _content(name: str, path: str) -> Any:
    """The value of a setting, from the file that its variable with the ending `_FILE` names.

    Raises:
        BadRequest: the setting has its plain variable too, or the file cannot be read or is empty.
    """
    plain = f"{ENV_PREFIX}{name.upper()}"
    variable = f"{plain}{FILE_SUFFIX.upper()}"
    if os.environ.get(plain):
        raise BadRequest(f"{name} is set twice: by {plain} and by {variable}.", "Unset one.")
    try:
        value = Path(path).read_text("utf-8").rstrip("\r\n")
    except (OSError, UnicodeDecodeError) as error:
        raise BadRequest(
            f"The file {path} that {variable} names cannot be read: {error}", f"Fix or unset {variable}."
        ) from error
    if not value:
        raise BadRequest(f"The file {path} that {variable} names is empty.", f"Write the value of {name} into it.")
    return _read(name, value)


def _read(name: str, value: str) -> Any:
    """Parse the value of a variable: a list is separated by commas, a mapping is JSON."""
    if name in JSON_SETTINGS or (name == "api_roots" and value.lstrip().startswith("[")):
        try:
            return json.loads(value)
        except ValueError:
            return value
    if name == "api_roots":
        return tuple(root.strip() for root in value.split(",") if root.strip())
    return tuple(value.split(",")) if name in ("passwords", "languages") else value


def _file(folder: Path) -> dict[str, Any]:
    named = os.environ.get(CONFIG_VARIABLE)
    path = Path(named) if named else folder.expanduser() / "docrelay.toml"
    try:
        return tomllib.loads(path.read_text("utf-8"))
    except (FileNotFoundError, NotADirectoryError):
        if named:
            raise BadRequest(f"The settings file {path} does not exist.", f"Fix or unset {CONFIG_VARIABLE}.") from None
        return {}
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise BadRequest(f"The settings file {path} cannot be read: {error}", "It must be valid TOML.") from error


def _origin_text(name: str, origin: str) -> str:
    return f"{ENV_PREFIX}{name.upper()} in the environment" if origin == "environment" else f"from the {origin}"


def _sentence(error: ValidationError, origin_of: dict[str, str]) -> str:
    parts = []
    for problem in error.errors():
        name = str(problem["loc"][0]) if problem["loc"] else ""
        where = f"{_path(problem['loc'])} ({_origin_text(name, origin_of[name])}): " if name in origin_of else ""
        parts.append(where + (problem["msg"] if name in (*Settings.model_fields, "") else "there is no such setting"))
    return "The settings are wrong: " + "; ".join(parts) + "."


def _path(place: tuple[int | str, ...]) -> str:
    """The place of a value inside a setting, as in `notify[0].events`."""
    name, *inner = place
    return str(name) + "".join(f"[{step}]" if isinstance(step, int) else f".{step}" for step in inner)
