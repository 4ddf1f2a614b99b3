"""The periodic task `health`: whether every part of the system is well, noted where operators look."""

from __future__ import annotations

from typing import Any

from pipeline.errors import StackUnavailable
from pipeline.health.system import SystemHealth
from pipeline.services import Services

__all__ = ["check_health"]


def check_health(services: Services) -> dict[str, Any]:
    """Check every part, as `docrelay doctor` does.

    Returns:
        The state of each part.

    Raises:
        StackUnavailable: at least one part failed.
    """
    parts = SystemHealth(services).report().parts
    causes = [f"{part.name}: {part.cause}" for part in parts if part.state == "failed"]
    if causes:
        raise StackUnavailable("; ".join(causes), "See: docrelay doctor")
    return {"parts": {part.name: part.state for part in parts}}
