"""A report as PDF, set by Typst: any script in its own direction, the charts as vectors, tags for screen readers."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pipeline.errors import BadRequest
from pipeline.reports import sections
from pipeline.reports.fonts import FAMILIES, missing_characters, with_code_points
from pipeline.reports.texts import Cell, cell_text
from pipeline.results import Report, ReportedDocument

if TYPE_CHECKING:
    from typst import Fonts

__all__ = ["write"]

TEMPLATE = Path(__file__).with_name("report.typ")

NARROW, WIDEST = 16, 40
"""Letters up to which a column is never folded, and from which on a longer text makes its column no wider."""

LONG_WORD = re.compile(r"(\S{25,})")
PIECE = re.compile(r"[^/\\_.,;:=&?%-]{1,25}[/\\_.,;:=&?%-]*|[/\\_.,;:=&?%-]+")
"""A part of a long word after which a line may end: up to its next signs, or 25 characters."""


def write(report: Report, rows: Iterable[ReportedDocument], path: Path) -> None:
    """Write the report; of the documents it has those that the report lists.

    Raises:
        BadRequest: Typst is not installed.
    """
    try:
        import typst
    except ImportError:
        raise BadRequest("A PDF needs Typst, which is not installed.", "pip install 'docrelay[pdf]'") from None
    data = json.dumps(_content(report, _fonts()), ensure_ascii=False)
    # The data are values of the template, never code of it: no text of a document can be a command.
    path.write_bytes(typst.compile(TEMPLATE.read_bytes(), sys_inputs={"data": data}, font_paths=_fonts()))


def _content(report: Report, fonts: Fonts) -> dict[str, Any]:
    """What the template lays out, with code points in place of characters that no font has."""
    shown = [*sections.figures(report), *sections.lists(report)]
    content: dict[str, Any] = {
        "title": sections.title(report),
        "notes": sections.notes(report),
        "facts": [[name, cell_text(value)] for name, value in sections.facts(report) if value is not None],
        "sections": [_section(section) for section in shown],
    }
    missing = missing_characters(set(json.dumps(content, ensure_ascii=False)), fonts)
    content = _replaced(content, missing)
    if missing:
        content["notes"].append("Characters for which this machine has no font are written as their code points.")
    for section, laid_out in zip(shown, content["sections"], strict=True):
        laid_out["chart"] = section.chart
    return content | {"families": FAMILIES}


def _replaced(content: Any, missing: frozenset[str]) -> Any:
    """The content with all of its texts as they can be set."""
    if isinstance(content, str):
        return with_code_points(content, missing)
    if isinstance(content, list):
        return [_replaced(item, missing) for item in content]
    if isinstance(content, dict):
        return {key: _replaced(value, missing) for key, value in content.items()}
    return content


def _section(section: sections.Section) -> dict[str, Any]:
    columns = list(zip(*section.rows, strict=True))
    return {
        "title": section.title,
        "head": list(section.head),
        "rows": [[_pieces(cell_text(cell)) for cell in row] for row in section.rows],
        "numbers": [all(isinstance(cell, int | float | None) for cell in column) for column in columns],
        "shares": [_share(column) for column in columns],
        "note": section.note,
    }


def _share(column: Iterable[Cell]) -> int:
    """The share of a column in the width that is left, by its longest text; 0: the column is as wide as it is."""
    longest = max((len(cell) for cell in column if isinstance(cell, str)), default=0)
    return 0 if longest <= NARROW else min(longest, WIDEST)


def _pieces(text: str) -> list[str]:
    """The text in parts after which a line may end; most texts are one part, as words end lines by themselves."""
    words = LONG_WORD.split(text)
    return [
        piece for word in words for piece in (PIECE.findall(word) if LONG_WORD.fullmatch(word) else [word]) if piece
    ]


@cache
def _fonts() -> Fonts:
    """The fonts of this machine and those of Typst itself, looked for once."""
    from typst import Fonts

    return Fonts()
