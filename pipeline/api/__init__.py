"""The submission API: FastAPI over the same intake, `TaskManager` and search that the command line uses."""

from __future__ import annotations

__all__ = ["LOOPBACK"]

LOOPBACK = ("127.0.0.1", "::1", "localhost")
