"""Commands on a server: the server that `--server` names does the work, and the output is the same."""

from __future__ import annotations

import os
import socket
from pathlib import Path
from typing import Any

from pipeline.client import Client
from pipeline.ingest.walk import absolute, source_of
from pipeline.names import UPLOAD
from pipeline.page_images import PageRequest
from pipeline.reindex import ReindexRequest
from pipeline.reports import FormatName, ReportQuery
from pipeline.results import Deleted, PageDetail, ReindexPlan, ReindexStatus, Report, TaskDetail
from pipeline.settings import Settings

__all__ = [
    "RemoteManager",
    "RemoteReindex",
    "client_of",
    "delete_on_server",
    "manager_on_server",
    "name_on_server",
    "page_on_server",
    "uploaded_source",
]


class RemoteManager:
    """The methods of `TaskManager` that commands use, carried out on a server."""

    def __init__(self, client: Client) -> None:
        self.client = client
        self.status = client.status
        self.system = client.system
        self.job = client.job
        self.wait = client.wait
        self.subscribe = client.follow
        self.cancel = client.cancel
        self.retry_failures = client.retry_failures
        self.archived_failures = client.archived_failures
        self.failure = client.failure
        self.list_failures = client.list_failures
        self.purge_failures = client.purge_failures
        self.messages = client.messages
        self.reprocess_messages = client.reprocess_messages
        self.purge_messages = client.purge_messages
        self.list_tasks = client.list_tasks
        self.list_queues = client.list_queues
        self.list_workers = client.list_workers
        self.summary = client.summary
        self.list_documents = client.list_documents
        self.list_jobs = client.list_jobs

    def task_detail(self, id_or_prefix: str) -> TaskDetail:
        """A task with its documents, its result and its tries."""
        return self.client.task_detail(self.client.status(id_or_prefix).id)

    def revoke_task(self, id_or_prefix: str) -> int:
        """Cancel the documents that a task works on; how many that were."""
        return self.client.revoke_task(self.client.status(id_or_prefix).id)

    def report(self, query: ReportQuery) -> Report:
        """The report of a job or of a span of time."""
        return self.client.report(query.job_id, query.since, query.until)

    def write_report(self, query: ReportQuery, name: FormatName, path: Path) -> None:
        """Write a report to a file in one of the formats."""
        path.write_bytes(self.client.report_file(name, query.job_id, query.since, query.until))

    def failed_in(self, job_id: str) -> list[dict[str, Any]]:
        """Documents of a job that failed, with `source`, `code`, `message` and `hint`."""
        names = ("source", "code", "message", "hint")
        documents = self.client.documents(job_id, state="failed")
        return [{name: getattr(document, name) or "" for name in names} for document in documents]


class RemoteReindex:
    """The work of `docrelay reindex`, carried out on a server."""

    def __init__(self, client: Client) -> None:
        self.client = client
        self.job = client.job

    def plan(self, request: ReindexRequest) -> ReindexPlan:
        """Estimate what the request would do; nothing is changed."""
        return self.client.plan_reindex(**_given(request))

    def start(self, request: ReindexRequest) -> ReindexStatus:
        """Start a re-index."""
        return self.client.reindex(**_given(request))

    def send(self, action: str, collection: str, **options: Any) -> ReindexStatus:
        """Do `status`, `pause`, `resume`, `cancel` or `rollback`; the status after it."""
        if action == "status":
            return self.client.reindex_status(collection)
        return self.client.steer_reindex(action, collection, **options)


def client_of(settings: Settings) -> Client:
    """HTTP client of the server that the settings name, with their API key."""
    return Client(str(settings.server), settings.api_key)


def manager_on_server(settings: Settings) -> RemoteManager:
    """The manager of the server that the settings name."""
    return RemoteManager(client_of(settings))


def delete_on_server(settings: Settings, collection: str | None, sources: list[str]) -> Deleted:
    """Delete documents on the server.

    Args:
        settings: name the server.
        collection: the collection; None for the server's default.
        sources: paths of this machine that were sent from here, or sources or ids on the server.
    """
    return client_of(settings).delete(*map(name_on_server, sources), collection=collection)


def page_on_server(settings: Settings, request: PageRequest, *, draws: bool) -> tuple[PageDetail, bytes | None]:
    """A page of a document on the server, and with `draws` its image."""
    client, named = client_of(settings), (request.document_id, request.page)
    start, end = request.char_start, request.char_end
    image = client.page_image(*named, request.width, request.format, char_start=start, char_end=end) if draws else None
    return client.page_detail(*named, char_start=start, char_end=end), image


def uploaded_source(source: str) -> str:
    """The source that a file of this machine has on the server: the same whenever it is sent again."""
    return f"{UPLOAD}{socket.gethostname()}{source}"


def name_on_server(name: str) -> str:
    """The source on the server of a path of this machine; a source or an id stays as it is."""
    path = absolute(name)
    is_path = name.startswith((".", "/")) or os.path.lexists(path)
    return uploaded_source(source_of(path)) if is_path else name


def _given(request: ReindexRequest) -> dict[str, Any]:
    """The fields that the user set. For the others the server uses its own defaults."""
    return request.model_dump(mode="json", exclude_unset=True, exclude_none=True)
