"""Commands as Typer makes them, with usage lines as manuals write them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

import typer
from typer.core import TyperCommand

__all__ = ["Commands"]

Function = TypeVar("Function", bound=Callable[..., Any])

BRACES = str.maketrans("", "", "{}")


class Command(TyperCommand):
    """A command whose usage line has `QUERY` where Typer writes `{QUERY}`; brackets stay, they mean something."""

    def collect_usage_pieces(self, ctx: Any) -> list[str]:
        """What stands behind the command's name."""
        return [piece.translate(BRACES) for piece in super().collect_usage_pieces(ctx)]


class Commands(typer.Typer):
    """A group of such commands."""

    def command(
        self, name: str | None = None, *, cls: type[TyperCommand] | None = Command, **options: Any
    ) -> Callable[[Function], Function]:
        """As Typer's own."""
        return super().command(name, cls=cls, **options)
