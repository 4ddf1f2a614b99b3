"""What a command works with: services on the stack of this machine, or the manager of a server."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from pipeline import stack
from pipeline.cli.output import note

if TYPE_CHECKING:
    from pipeline.cli.remote import RemoteManager
    from pipeline.services import Services
    from pipeline.settings import Settings
    from pipeline.task_manager import TaskManager

__all__ = ["connected_services", "manager_of", "services_of_running_stack"]


def manager_of(settings: Settings) -> TaskManager | RemoteManager:
    """The manager of the server that the settings name, else one on the catalog of this machine; starts no stack."""
    if settings.server is not None:
        # Imported only with a server: it needs the HTTP client and the models of the API's answers.
        from pipeline.cli.remote import manager_on_server

        return manager_on_server(settings)
    from pipeline.services import Services
    from pipeline.task_manager import TaskManager

    return TaskManager(Services(settings))


@contextmanager
def services_of_running_stack(settings: Settings) -> Iterator[Services]:
    """Services on the stack if one runs, else on the catalog alone; starts no stack."""
    from pipeline.services import Services

    with stack.peek(settings) as attached:
        yield Services(attached or settings)


@contextmanager
def connected_services(settings: Settings, *, quiet: bool) -> Iterator[Services]:
    """Services on the stack, which is started if none runs; unless `quiet`, stderr shows what is waited for."""
    from pipeline.services import Services

    with stack.connect(settings, say=None if quiet else note) as connected:
        yield Services(connected)
