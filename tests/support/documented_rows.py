"""The tables of the documentation, so that a test can run each of their rows."""

from __future__ import annotations

from pathlib import Path

DOCS = Path(__file__).resolve().parents[2] / "docs"


def documented_rows(page: str, heading: str) -> list[str]:
    """First cells of the tables under a heading of a page, without code marks, in their order."""
    under = (DOCS / page).read_text("utf-8").split(f"\n{heading}\n", 1)[1]
    level = heading.split(" ", 1)[0]
    lines = []
    for line in under.splitlines():
        if line.startswith("#") and len(line.split(" ", 1)[0]) <= len(level):
            break
        lines.append(line)
    cells = [line.split("|")[1].strip() for line in lines if line.startswith("|")]
    return [cell.replace("`", "") for cell in _without_heads(cells)]


def _without_heads(cells: list[str]) -> list[str]:
    """Cells of a column without the rule below each head and the head above it."""
    rules = {index for index, cell in enumerate(cells) if cell and set(cell) <= set(":-")}
    heads = {index - 1 for index in rules}
    return [cell for index, cell in enumerate(cells) if index not in rules | heads]
