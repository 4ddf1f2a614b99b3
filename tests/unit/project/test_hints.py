"""Settings and commands that messages, hints and warnings name exist: a user who follows one must not be refused."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from functools import cache
from pathlib import Path

from typer.main import get_command

from pipeline.cli.app import app
from pipeline.settings import Settings

ROOT = Path(__file__).parents[3]
ROOMS = ("extractors", "embeddings", "pipeline")
SETTING = re.compile(r"[Ss]ettings? `(\w+)`|[Ss]et `(\w+)`|`(\w+)` allows|[Rr]aise `(\w+)`|DOCRELAY_([A-Z_]+)\b")
COMMAND = re.compile(r"\bdocrelay (?!or\b)([a-z]+)(?: ([a-z]+))?((?: --(?!help)[a-z-]+)*)")
NO_SETTING = re.compile("config|test_.*")
"""Variables of the environment that are no settings."""


@cache
def texts() -> list[tuple[str, str]]:
    """Every text in the code but docstrings, with its place; the parts of an f-string are texts of their own."""
    paths = sorted(path for room in ROOMS for path in (ROOT / room).rglob("*.py"))
    return [found for path in paths for found in texts_of(path)]


def texts_of(path: Path) -> Iterator[tuple[str, str]]:
    tree = ast.parse(path.read_text("utf-8"))
    docs = {id(node.value) for node in ast.walk(tree) if isinstance(node, ast.Expr)}
    for node in ast.walk(tree):
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and id(node) not in docs:
            yield f"{path.relative_to(ROOT)}:{node.lineno}", node.value


def test_settings_that_messages_name_exist() -> None:
    named = {(place, next(filter(None, match)).lower()) for place, text in texts() for match in SETTING.findall(text)}
    assert len(named) > 20
    unknown = {name for name in named if name[1] not in Settings.model_fields and not NO_SETTING.fullmatch(name[1])}
    assert unknown == set()


def test_commands_and_options_that_messages_name_exist() -> None:
    root, unknown, seen = get_command(app), list[str](), 0
    for place, text in texts():
        for name, word, options in COMMAND.findall(text):
            seen += 1
            command = root.commands.get(name)  # type: ignore[attr-defined]
            command = getattr(command, "commands", {}).get(word, command)
            known = {option for parameter in getattr(command, "params", ()) for option in parameter.opts}
            if command is None or not set(options.split()) <= known:
                unknown.append(f"{place}: docrelay {name} {word} {options}")
    assert seen > 20
    assert unknown == []
