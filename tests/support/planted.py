"""The table of the sample documents, and the pages on which its texts are found."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from pipeline.results import Hit

__all__ = ["DOCUMENTS", "FILES", "FINE", "SEARCHES", "pages_of"]

SAMPLES = Path(__file__).parents[2] / "samples"
DOCUMENTS = SAMPLES / "documents"
TABLE: dict[str, list[dict[str, Any]]] = tomllib.loads((SAMPLES / "planted.toml").read_text("utf-8"))
FILES, SEARCHES = TABLE["file"], TABLE["search"]
FINE = [row for row in FILES if row["expected"] == "completed"]


def pages_of(hits: Iterable[Hit], text: str) -> set[int | None]:
    """Pages on which a text begins in the hits, with any line breaks; empty if no hit contains it."""
    spread = re.compile(r"\s+".join(map(re.escape, text.split(" "))))
    return {_page_of(hit, match.start()) for hit in hits for match in spread.finditer(hit.text)}


def _page_of(hit: Hit, position: int) -> int | None:
    page = hit.page_start
    for offset, number in hit.page_breaks:
        page = number if offset <= position else page
    return page
