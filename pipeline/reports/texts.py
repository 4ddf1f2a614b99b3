"""Values of a report as a person reads them: texts of users without control characters, numbers, times, sources."""

from __future__ import annotations

from urllib.parse import unquote

__all__ = ["Cell", "cell_text", "number_text", "readable", "source_text", "time_text"]

Cell = str | int | float | None

JOINERS = "\u200c\u200d"
"""Invisible characters that some scripts need to be written right."""


def readable(text: str) -> str:
    """A text in which characters that cannot be seen, such as controls and marks of direction, are escapes."""
    return "".join(char if char.isprintable() or char in JOINERS else _escape(char) for char in text)


def number_text(value: float) -> str:
    """A number with thousands set off and three decimals at most.

    >>> number_text(12345), number_text(0.25), number_text(3.0)
    ('12,345', '0.25', '3')
    """
    return f"{value:,}" if isinstance(value, int) else f"{value:,.3f}".rstrip("0").rstrip(".")


def time_text(moment: str | None) -> str:
    """A time of a result, to the second.

    >>> time_text("2026-11-29T15:30:00.250+00:00")
    '2026-11-29 15:30:00 UTC'
    """
    return f"{moment[:19].replace('T', ' ')} UTC" if moment else ""


def source_text(source: str) -> str:
    """A source with its letters in place of percent signs.

    >>> source_text("file:///home/me/Gr%C3%B6%C3%9Fe.pdf")
    'file:///home/me/Größe.pdf'
    """
    return unquote(source) if source.startswith("file:") else source


def cell_text(cell: Cell) -> str:
    """A cell of a table as it is read; nothing for what is not known."""
    if cell is None:
        return ""
    return readable(cell) if isinstance(cell, str) else number_text(cell)


def _escape(char: str) -> str:
    return char.encode("unicode_escape").decode("ascii")
