"""`docrelay api`: serve the API."""

from __future__ import annotations

from typing import Annotated

import typer

from pipeline import stack
from pipeline.cli.options import DataDir, local_settings_of
from pipeline.cli.output import note

__all__ = ["api"]


def api(
    context: typer.Context,
    host: Annotated[str | None, typer.Option("--host", help="Address to listen on.", show_default=False)] = None,
    port: Annotated[
        int | None, typer.Option("--port", min=0, max=65535, help="Port; 0 for any free one.", show_default=False)
    ] = None,
    data_dir: DataDir = None,
) -> None:
    """Serve the API; `docrelay up` does so too."""
    from pipeline.api.server import run_api

    settings = local_settings_of(context, data_dir, api_host=host, api_port=port)
    with stack.connect(settings, say=note) as connected:
        run_api(connected, "api", embedded=settings.embedded, say=note)
