"""The Python client of the API: `from pipeline import Client, AsyncClient`.

`endpoints` has every request that the API knows and how its response is read. `client` and `async_client` send them.
"""

from __future__ import annotations

from pipeline.client.async_client import AsyncClient
from pipeline.client.client import Client
from pipeline.client.events import Event
from pipeline.client.request import File, Options

__all__ = ["AsyncClient", "Client", "Event", "File", "Options"]
