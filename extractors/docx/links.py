"""The links between the parts of a Word file (its relationships), and which of them lead to text."""

from __future__ import annotations

import posixpath
from dataclasses import dataclass
from typing import Any
from urllib.parse import unquote

__all__ = ["EMBEDDED", "FIGURES", "KEPT", "MAIN", "TEXTUAL", "Link"]

MAIN = "officeDocument"
FIGURES = frozenset(("chart", "chartEx", "diagramData"))
TEXTUAL = FIGURES | {"footnotes", "endnotes", "comments", "header", "footer", "aFChunk"}
KEPT = (TEXTUAL | {MAIN, "core-properties", "styles", "numbering", "settings"}) - {"aFChunk"}
"""Last words of the relationship types whose parts carry text or say how to read it."""
EMBEDDED = frozenset(("oleObject", "package"))
"""Relationship types of embedded files; the workbook of a chart is one, too, but the chart shows its numbers."""


@dataclass(frozen=True, slots=True)
class Link:
    """A relationship: its id, the last word of its type, the part it leads to, and the kind of the part it is of."""

    id: str
    kind: str
    target: str
    is_inside: bool
    source_kind: str

    @classmethod
    def of(cls, relation: Any, source: str, source_kind: str) -> Link:
        """Make a link from a `Relationship` of the part `source`; its target is a name in the package."""
        folder, target = posixpath.dirname(source), unquote(relation.get("Target", ""))
        return cls(
            id=relation.get("Id", ""),
            kind=str(relation.get("Type", "")).rpartition("/")[2],
            target=posixpath.normpath(posixpath.join("/" + folder, target)).lstrip("/"),
            is_inside=relation.get("TargetMode", "Internal") != "External",
            source_kind=source_kind,
        )
