"""The page docs/retrieval.md: the tables of `bench/retrieval.py` and what they mean."""

from __future__ import annotations

from pathlib import Path
from typing import Any, TypeAlias

from catalogues import CATALOGUES
from provenance import provenance

__all__ = ["Row", "table", "tables", "write_page"]

ROOT = Path(__file__).resolve().parents[1]
MODES = ("dense", "sparse", "hybrid")

Row: TypeAlias = dict[str, Any]
"""Figures by column."""

COMMAND = "python bench/retrieval.py --corpora DIR --write"
MEANING = (
    "DIR is the folder with the published test collections, see [benchmarks.md](benchmarks.md).",
    "",
    "Each collection has documents, questions, and judgements of which documents answer which question: by people in",
    "Cranfield, MED and XQuAD; the German set was written for Docrelay, 70 passages and 210 questions with other",
    "inflections, parts of compounds and other words, and the default model knows English alone. No multilingual model",
    "is on the machine: search across languages is not measured.",
    "The documents are ingested as text files and each question is asked through Docrelay's search, in each mode:",
    "`dense` (by meaning), `sparse` (by words), `hybrid` (both). Brute force: plain sentence-transformers compares",
    "the question with every one of the same chunks. The figure is nDCG@10: 1 if the ten best answers are the right",
    "ones in the right order, 0 if none of them is right.",
)
"""The lines of the page above its table."""

CATALOGUE_MEANING = (
    "Catalogues of near-identical records (`bench/catalogues.py`): the share of questions whose record is first. A",
    "question is an identifier (part number, e-mail address, error code, version, file name, IBAN, telephone number,",
    "standard), alone or in a sentence.",
)
COLUMNS_MEANING = (
    "Rows through `files` are ingested and asked through Docrelay; those through `engine` (`--engine`) store whole",
    "texts in the embedded store without ingesting them. *Before* is reciprocal rank fusion with analyser 1, over",
    "whole texts in memory.",
)
HYBRID_BEFORE = {
    "cranfield": 0.4111,
    "med": 0.8079,
    "xquad_en": 0.9695,
    "german": 0.7454,
    "parts": 0.5417,
    "records": 0.5638,
}
"""What hybrid search reached before scores were added, measured on 2026-11-28; no code of today measures it."""

FUSION_MEANING = (
    "## Fusions that were tried",
    "",
    "In memory, over whole texts, lists of 100 where a fusion has lists: nDCG@10, and for `parts` and `records` the",
    "share of questions whose record is first. Ranks are reciprocal rank fusion, as it was before.",
)
KEPT_FROM = "## Scores"
"""The page from here on is written by hand."""


def tables(rows: dict[str, Row], through: str) -> list[str]:
    """Markdown: the judged collections, and the catalogues with a sentence before them.

    Args:
        rows: figures by the name of a collection or catalogue.
        through: how they were measured, `files` or `engine`.
    """
    rows = {
        name: {**row, "through": through, "hybrid before": HYBRID_BEFORE.get(name, "")} for name, row in rows.items()
    }
    columns = ["through", "chunks", "brute force", *MODES, "hybrid before"]
    judged = {name: row for name, row in rows.items() if name not in CATALOGUES}
    catalogues = {name: row for name, row in rows.items() if name in CATALOGUES}
    parts = [table(judged, columns, "corpus"), "\n".join(COLUMNS_MEANING)] if judged else []
    return [*parts, "\n".join(CATALOGUE_MEANING), table(catalogues, columns, "catalogue")] if catalogues else parts


def table(rows: dict[str, Row], columns: list[str], head: str) -> str:
    """Markdown, one row per name."""
    alignment = ["---" if column == "through" else "---:" for column in columns]
    lines = [f"| {head} | {' | '.join(columns)} |", f"|---|{'|'.join(alignment)}|"]
    for name, row in rows.items():
        cells = [_cell(column, row[column]) for column in columns]
        lines.append(f"| {name} | {' | '.join(cells)} |")
    return "\n".join(lines)


def _cell(column: str, value: float | str) -> str:
    if isinstance(value, str):
        return value
    return f"{value:.0f}" if column == "chunks" else f"{value:.4f}"


def write_page(page: str, tried: str) -> None:
    """Write the tables into the page, above what is written by hand."""
    path = ROOT / "docs" / "retrieval.md"
    _, mark, kept = path.read_text("utf-8").partition(KEPT_FROM)
    head = "\n".join(["# Retrieval quality", "", provenance(COMMAND), *MEANING])
    parts = [head, page, "\n".join(FUSION_MEANING), tried, mark + kept.rstrip()]
    path.write_text("\n\n".join(parts) + "\n", "utf-8")
