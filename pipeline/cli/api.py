"""`docrelay api`."""

from __future__ import annotations

from pipeline import stack
from pipeline.cli.output import note
from pipeline.settings import Settings

__all__ = ["run"]


def run(settings: Settings) -> None:
    """Serve the API until it is told to stop; in embedded mode on the stack that runs, or on one that it starts."""
    from pipeline.api.server import run_api

    with stack.connect(settings, say=note) as connected:
        run_api(connected, "api", embedded=settings.embedded, tell=note)
