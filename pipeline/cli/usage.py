"""Typer commands whose usage lines are written as manuals write them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

import typer
from typer.core import TyperCommand

from pipeline.errors import BadRequest

__all__ = ["Commands", "refuse_misplaced_options"]

Function = TypeVar("Function", bound=Callable[..., Any])

BRACES = str.maketrans("", "", "{}")


class Command(TyperCommand):
    """A command whose usage line has `QUERY` where Typer writes `{QUERY}`; `[...]` stays: it marks what is optional."""

    def collect_usage_pieces(self, ctx: Any) -> list[str]:
        """The words of the usage line after the name of the command."""
        return [word.translate(BRACES) for word in super().collect_usage_pieces(ctx)]


class Commands(typer.Typer):
    """A Typer application or command group whose commands are of the class `Command`."""

    def command(
        self, name: str | None = None, *, cls: type[TyperCommand] | None = Command, **options: Any
    ) -> Callable[[Function], Function]:
        """Register a function as a command, as `typer.Typer.command` does."""
        return super().command(name, cls=cls, **options)


def refuse_misplaced_options(context: typer.Context) -> None:
    """Refuse options that stand before the subcommand: there they would be options of the group.

    Raises:
        BadRequest: an option stands there.
    """
    sources = {name: context.get_parameter_source(name) for name in context.params}
    given = [name for name, source in sources.items() if source is not None and source.name == "COMMANDLINE"]
    if given:
        option, subcommand = "--" + given[0].replace("_", "-"), context.invoked_subcommand
        hint = f"Say: docrelay {context.info_name} {subcommand} {option} …"
        raise BadRequest(f"{option} stands before {subcommand}.", hint)
