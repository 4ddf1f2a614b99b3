"""What a command works with: services on the stack of this machine, or the manager of a server."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, TypeVar

from pipeline import stack
from pipeline.backoff import backoff_s
from pipeline.cli.output import note
from pipeline.errors import StackLost

if TYPE_CHECKING:
    from pipeline.cli.remote import RemoteManager
    from pipeline.services import Services
    from pipeline.settings import Settings
    from pipeline.task_manager import TaskManager

__all__ = [
    "connected_services",
    "manager_of",
    "manager_of_running_stack",
    "services_of_running_stack",
    "through_losses",
]

T = TypeVar("T")

MOST_LOSSES = 10
"""A command gives up when the stack was killed so often while it used it."""

FIRST_PAUSE_S = 0.5
LONGEST_PAUSE_S = 10.0


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
def manager_of_running_stack(settings: Settings) -> Iterator[TaskManager | RemoteManager]:
    """As `manager_of`, and connected to the stack of this machine if one runs."""
    if settings.server is not None:
        yield manager_of(settings)
        return
    from pipeline.task_manager import TaskManager

    with services_of_running_stack(settings) as services:
        yield TaskManager(services)


@contextmanager
def connected_services(settings: Settings, *, quiet: bool) -> Iterator[Services]:
    """Services on the stack, which is started if none runs; unless `quiet`, stderr shows what is waited for."""
    from pipeline.services import Services

    with stack.connect(settings, say=None if quiet else note) as connected:
        yield Services(connected)


def through_losses(settings: Settings, work: Callable[[Services], T], *, quiet: bool) -> T:
    """Do something on the stack; if the stack is killed meanwhile, do it again on the one that is started in its place.

    Args:
        settings: the settings; `data_dir` names the stack.
        work: what to do; it must be repeatable.
        quiet: whether stderr stays without lines about what is waited for.

    Raises:
        StackLost: the stack was killed `MOST_LOSSES` times.
    """
    losses = 0
    while True:
        try:
            with connected_services(settings, quiet=quiet) as services:
                return work(services)
        except StackLost:
            losses += 1
            if losses == MOST_LOSSES:
                raise
            if not quiet:
                note("The stack was killed; this command goes on with the one that is started in its place")
            time.sleep(backoff_s(losses, FIRST_PAUSE_S, LONGEST_PAUSE_S))
