"""Responses with a file that is released when it has been sent."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

from fastapi.responses import FileResponse

__all__ = ["Download"]


class Download(FileResponse):
    """A response with a file; `release` is called when sending has ended or failed."""

    def __init__(self, path: Path, release: Callable[[], None], **more: Any) -> None:
        super().__init__(path, **more)
        self._release = release

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        """Send the file and release it."""
        try:
            await super().__call__(scope, receive, send)
        finally:
            self._release()
