"""Usage lines of commands are those of the manual."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from typer.main import get_command

from pipeline.cli.app import app

MANUAL = (Path(__file__).parents[3] / "docs" / "cli.md").read_text("utf-8").splitlines()


def usages(command: Any, name: str, parent: Any = None) -> Iterator[str]:
    """The usage line of every command below this one that has none below itself."""
    context = command.context_class(command, info_name=name, parent=parent)
    below = getattr(command, "commands", {})
    for word, sub in below.items():
        yield from usages(sub, word, context)
    if not below:
        yield " ".join(command.get_usage(context).removeprefix("Usage: ").split())


def test_a_command_shows_the_usage_line_of_its_manual() -> None:
    lines = list(usages(get_command(app), "docrelay"))
    assert "docrelay search [OPTIONS] QUERY" in lines
    assert "docrelay failures retry [OPTIONS] [ID]..." in lines
    assert [line for line in lines if line not in MANUAL] == []
