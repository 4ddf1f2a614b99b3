"""What one look at a folder has found, beside what is known of it."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

from pipeline.watch.compare import Key, Known, Mark
from pipeline.watch.guard import below
from pipeline.watch.scan import Found, Scan, Scope

__all__ = ["View", "in_scope", "is_calm", "renumbering"]


@dataclass
class View:
    """What one look has found: files that are there, rows of the catalog that it is about, and the open ones."""

    seen: dict[Key, Found] = field(default_factory=dict)
    known: dict[Key, Known] = field(default_factory=dict)
    closed: dict[str, str] = field(default_factory=dict)
    opened: dict[Key, Mark | None] = field(default_factory=dict)


def renumbering(view: View) -> dict[str, str]:
    """Numbers of disks as they are known, and as they are now."""
    return {row.mark.device: view.seen[key].mark.device for key, row in view.known.items() if key in view.seen}


def is_calm(mark: Mark, row: Known | None) -> bool:
    """Whether a file is as it was taken in."""
    return row is not None and not row.gone and row.document_id is not None and row.mark.same(mark)


def in_scope(source: str, scope: Scope | None, found: Scan) -> bool:
    """Whether a look at this scope tells anything of a file."""
    if found.closed and below(found.closed, source):
        return False
    if scope is None:
        return True
    path = Path(source)
    return any((deep and folder in path.parents) or folder == path.parent for folder, deep in scope.items())
