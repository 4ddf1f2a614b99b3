"""Where `docrelay reindex` does its work: on this machine, or on a server."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Protocol

from pipeline import reindex, stack
from pipeline.cli.connect import connected_services, services_of_running_stack
from pipeline.ingest.walk import absolute
from pipeline.reindex import ReindexRequest
from pipeline.results import JobStatus, ReindexPlan, ReindexStatus
from pipeline.services import Services
from pipeline.settings import Settings
from pipeline.task_manager import TaskManager

__all__ = ["ReindexTarget", "connected_target", "offline_target", "running_target", "source_pattern"]

ACTIONS = {
    "status": reindex.status,
    "pause": reindex.pause,
    "resume": reindex.resume,
    "cancel": reindex.cancel,
    "rollback": reindex.rollback,
}


class ReindexTarget(Protocol):
    """This machine or a server, as far as re-indexing is concerned."""

    def plan(self, request: ReindexRequest) -> ReindexPlan:
        """What the request would do."""

    def start(self, request: ReindexRequest) -> ReindexStatus:
        """Start a re-index."""

    def send(self, action: str, collection: str, **options: Any) -> ReindexStatus:
        """Do one of `ACTIONS`; the status after it."""

    def job(self, job_id: str) -> JobStatus:
        """How far the documents of a re-index are."""


class LocalReindex:
    """Re-indexing on this machine."""

    def __init__(self, services: Services) -> None:
        self.services = services

    def plan(self, request: ReindexRequest) -> ReindexPlan:
        """What the request would do."""
        return reindex.plan(self.services, request)

    def start(self, request: ReindexRequest) -> ReindexStatus:
        """Start a re-index."""
        return reindex.start(self.services, request)

    def send(self, action: str, collection: str, **options: Any) -> ReindexStatus:
        """Do one of `ACTIONS`; the status after it."""
        return ACTIONS[action](self.services, collection, **options)

    def job(self, job_id: str) -> JobStatus:
        """How far the documents of a re-index are.

        Raises:
            StackUnavailable: the stack that works on them has ended.
        """
        if self.services.settings.redis_url is not None:
            stack.check(self.services.settings)
        return TaskManager(self.services).job(job_id)


def offline_target(settings: Settings) -> ReindexTarget:
    """The server that the settings name, else the catalog of this machine; starts no stack."""
    if settings.server is None:
        return LocalReindex(Services(settings))
    from pipeline.cli.remote import RemoteReindex, client_of

    return RemoteReindex(client_of(settings))


@contextmanager
def running_target(settings: Settings) -> Iterator[ReindexTarget]:
    """The server, else this machine with its stack if one runs; starts none."""
    if settings.server is not None:
        yield offline_target(settings)
        return
    with services_of_running_stack(settings) as services:
        yield LocalReindex(services)


@contextmanager
def connected_target(settings: Settings, *, quiet: bool) -> Iterator[ReindexTarget]:
    """The server, else this machine with its stack, which is started if none runs."""
    if settings.server is not None:
        yield offline_target(settings)
        return
    with connected_services(settings, quiet=quiet) as services:
        yield LocalReindex(services)


def source_pattern(settings: Settings, path: str) -> str:
    """The source of a file or folder on the target, by its path on this machine; a URI stays as it is."""
    if settings.server is None:
        return path if "://" in path else str(absolute(path))
    from pipeline.cli.remote import name_on_server

    return name_on_server(path)
