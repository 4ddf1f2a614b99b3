"""The Python client of the API: `from pipeline import Client, AsyncClient`."""

from __future__ import annotations

from pipeline.client.aio import AsyncClient
from pipeline.client.sync import Client
from pipeline.client.wire import Event, File, Options

__all__ = ["AsyncClient", "Client", "Event", "File", "Options"]
