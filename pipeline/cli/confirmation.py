"""The question before something is forgotten."""

from __future__ import annotations

import sys

import typer

from pipeline.cli.output import quantity

__all__ = ["confirm"]


def confirm(number: int, noun: str) -> None:
    """Ask whether so many things are to be forgotten; no question if there are none.

    Raises:
        BadRequest: no user can answer.
        typer.Abort: the user said no.
    """
    from pipeline.errors import BadRequest

    if not number:
        return
    if not sys.stdin.isatty():
        raise BadRequest(f"{quantity(number, noun)} would be forgotten, and nothing confirms it.", "Say it with: --yes")
    typer.confirm(f"Forget {quantity(number, noun)}?", abort=True, err=True)
