"""The sentence on a generated page that says how, when and on which machine its figures were measured."""

from __future__ import annotations

import os
import platform
from datetime import UTC, datetime
from pathlib import Path

__all__ = ["provenance"]

CPU_INFO = Path("/proc/cpuinfo")


def provenance(command: str) -> str:
    """Name the command, today's date in UTC, the number of cores and the processor of this machine."""
    date = datetime.now(UTC).date().isoformat()
    return f"Made by `{command}` on {date},\non {os.cpu_count()} cores of: {_processor()}."


def _processor() -> str:
    """The processor's name as the system gives it."""
    lines = CPU_INFO.read_text("utf-8").splitlines() if CPU_INFO.is_file() else []
    names = (line.partition(":")[2].strip() for line in lines if line.startswith("model name"))
    return next(names, platform.processor() or platform.machine())
