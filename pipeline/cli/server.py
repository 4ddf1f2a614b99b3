"""The server that takes the place of this machine, where the settings name one."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pipeline.settings import Settings

if TYPE_CHECKING:
    from pipeline.cli.remote import RemoteManager

__all__ = ["manager_of"]


def manager_of(settings: Settings) -> RemoteManager:
    """The manager of the server that the settings name."""
    # Only with a server: HTTP, and the models of what the API answers.
    from pipeline.cli.remote import RemoteManager
    from pipeline.client import Client

    return RemoteManager(Client(str(settings.server), settings.api_key))
