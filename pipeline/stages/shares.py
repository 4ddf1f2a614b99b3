"""The share of a large document: how many tasks of one stage it has in a queue at once."""

from __future__ import annotations

import os

from pipeline.settings import Settings

__all__ = ["share"]

LEAST = 4
FOR_EACH = 2
"""Tasks for each process that does the stage: one that it works on, and the next one."""


def share(settings: Settings, processes: int) -> int:
    """Return how many tasks a document may have in a queue at once.

    Args:
        settings: `document_share` decides if it is set.
        processes: those of the stage on a machine; 0 means one for each core.
    """
    return settings.document_share or max(LEAST, FOR_EACH * (processes or os.cpu_count() or 1))
