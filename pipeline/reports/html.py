"""A report as one HTML file: charts inline as SVG, no scripts, nothing fetched; for light or dark screens and paper."""

from __future__ import annotations

from collections.abc import Iterable
from functools import cache
from pathlib import Path

from jinja2 import Environment, FileSystemLoader, StrictUndefined, Template

from pipeline.reports import sections
from pipeline.reports.texts import cell_text
from pipeline.results import Report, ReportedDocument

__all__ = ["write"]


def write(report: Report, rows: Iterable[ReportedDocument], path: Path) -> None:
    """Write the report; of the documents it has those that the report lists."""
    page = _template().render(
        title=sections.title(report),
        notes=sections.notes(report),
        facts=[(name, value) for name, value in sections.facts(report) if value is not None],
        sections=[*sections.figures(report), *sections.lists(report)],
    )
    path.write_text(page, "utf-8", errors="backslashreplace")


@cache
def _template() -> Template:
    loader = FileSystemLoader(Path(__file__).parent)
    environment = Environment(
        loader=loader, autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )
    environment.filters["cell"] = cell_text
    environment.filters["is_number"] = lambda cell: isinstance(cell, int | float)
    return environment.get_template("report.html.jinja")
