"""Health: what each part of the system is found to be, since when, why, and what to do about it.

Each kind of check has a file: it reads, and judges what it has read in a function of plain data. `side_by_side` runs
checks for a bounded time, `system` makes the report of a running system, as the API gives it, and `doctor` that of a
machine where a stack may or may not run, with its installation.
"""

from __future__ import annotations

from pipeline.health.doctor import examine
from pipeline.health.system import SystemHealth

__all__ = ["SystemHealth", "examine"]
