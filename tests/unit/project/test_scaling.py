"""The page about scaling: its table follows from its unit costs, and they are those of the pages that measured them."""

from __future__ import annotations

import re
from collections.abc import Callable
from math import ceil
from pathlib import Path

import pytest

DOCS = Path(__file__).parents[3] / "docs"
PAGE = (DOCS / "scaling.md").read_text("utf-8")
ROUNDING = 0.05
"""The page shows two digits."""

BLOCK = 4096
"""Bytes of a block of the file system: a kept text is a file."""

Costs = dict[str, float]


def table(heading: str) -> list[list[str]]:
    """Cells of the rows of the first table under a heading, without its head."""
    under = PAGE.split(f"\n## {heading}\n", 1)[1].split("\n## ", 1)[0]
    rows = [line.strip("| ").split("|") for line in under.splitlines() if line.startswith("|")]
    return [[cell.strip() for cell in row] for row in rows[2:]]


def number(cell: str) -> float:
    return float(cell.replace(",", "").strip("` "))


COSTS: Costs = {name.strip("`"): number(value) for name, value, *_ in table("Unit costs")}

FORMULAS: dict[str, Callable[[Costs, float], float]] = {
    "processor hours": lambda c, chunks: (chunks * c["chunk_s"] + c["documents"] * c["scanned"] * c["page_s"]) / 3600,
    "days on 16 cores": lambda c, chunks: FORMULAS["processor hours"](c, chunks) / 16 / 24,
    "catalog on the disk, GB": lambda c, chunks: c["documents"] * c["catalog_bytes"] / 1e9,
    "store on the disk, GB": lambda c, chunks: chunks * c["store_bytes"] / 1e9,
    "kept texts, GB": lambda c, chunks: (
        c["documents"] * ceil(chunks / c["documents"] * c["text_bytes"] / BLOCK) * BLOCK / 1e9
    ),
    "vectors in memory, GB": lambda c, chunks: chunks * c["dimensions"] * 4 * 1.5 / 1e9,
    "least hours by the catalog's lock": lambda c, chunks: chunks / c["lock_chunks_s"] / 3600,
}


def needs() -> dict[str, list[float]]:
    """What each row must say, by its name, one number for each column."""
    rows = {name: [number(cell) for cell in cells] for name, *cells in table("What is needed")}
    given = [rows[name] for name in ("documents", "chunks a document", "pages by OCR a document")]
    columns = [
        ({**COSTS, "documents": documents, "scanned": scanned}, documents * chunks)
        for documents, chunks, scanned in zip(*given, strict=True)
    ]
    return {name: [formula(costs, chunks) for costs, chunks in columns] for name, formula in FORMULAS.items()}


@pytest.mark.parametrize("name", FORMULAS)
def test_a_row_follows_from_the_unit_costs(name: str) -> None:
    rows = {row: [number(cell) for cell in cells] for row, *cells in table("What is needed")}
    assert rows.keys() == {"documents", "chunks a document", "pages by OCR a document", *FORMULAS}
    assert rows[name] == pytest.approx(needs()[name], rel=ROUNDING)


def test_the_unit_costs_are_those_of_the_pages_that_measured_them() -> None:
    rounds = re.findall(r"^\| \d \| \d+ \| (\d+) \| ([\d.]+) \|", (DOCS / "throughput.md").read_text("utf-8"), re.M)
    seconds = sorted(2 * float(took) / int(chunks) for chunks, took in rounds)
    assert COSTS["chunk_s"] == pytest.approx(seconds[len(seconds) // 2], rel=0.02)

    fidelity = (DOCS / "fidelity.md").read_text("utf-8").split("\n## OCR beside pytesseract alone\n", 1)[1]
    ocr = re.findall(r"^\| German OCR[^|]*\| 7 \| ([\d.]+) \| [\d.]+ \|", fidelity, re.M)
    assert COSTS["page_s"] == pytest.approx(sum(map(float, ocr)) / len(ocr), rel=0.02)
    assert len(ocr) == 4

    lock = re.search(r"so 120 a second are ([\d,]+) chunks a second", (DOCS / "distributed.md").read_text("utf-8"))
    assert lock
    assert COSTS["lock_chunks_s"] == number(lock[1])

    sizes = (DOCS / "benchmarks.md").read_text("utf-8").split("\n## Sizes\n", 1)[1].split("\n## ", 1)[0]
    row = re.compile(r"^\| (\w+) \| [\d,]+ \| ([\d,]+) \| ([\d,]+) \|", re.M)
    a_document, a_chunk = ({found[0]: number(found[place]) for found in row.findall(sizes)} for place in (1, 2))
    assert COSTS["catalog_bytes"] == pytest.approx(a_document["catalog"], rel=0.02)
    assert COSTS["store_bytes"] == pytest.approx(a_chunk["store"], rel=0.02)
    assert a_document["spool"] == BLOCK
