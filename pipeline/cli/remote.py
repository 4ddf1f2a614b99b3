"""The commands on a server: what `--server` names does the work, files are sent there, and the output is the same."""

from __future__ import annotations

import socket
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from pipeline.cli.following import Display, display, follow
from pipeline.cli.outcome import exit_code, interrupted, summary, tell
from pipeline.cli.output import note
from pipeline.cli.server import manager_of
from pipeline.client.sync import Client
from pipeline.client.wire import Options
from pipeline.errors import BadRequest, PipelineError
from pipeline.request import Request
from pipeline.results import Deleted
from pipeline.settings import Settings
from pipeline.tags import canonical
from pipeline.walk import Candidate, source_of, walk

__all__ = ["RemoteManager", "delete", "ingest"]

FILES_AT_ONCE = 50
BYTES_AT_ONCE = 64 << 20
"""What one request brings at most, where files are small; a larger one goes alone."""

SCHEME = "upload://"


class RemoteManager:
    """What the commands ask of a `TaskManager`, asked of a server."""

    def __init__(self, client: Client) -> None:
        self.client = client
        self.status = client.status
        self.system = client.system
        self.job = client.job
        self.wait = client.wait
        self.subscribe = client.follow
        self.cancel = client.cancel
        self.retry = client.retry

    def failures(self, *, code: str | None = None, job_id: str | None = None) -> list[Any]:
        """Documents that failed and are not cured yet."""
        return self.client.failures(code, job_id)

    def purge(self, *, code: str | None = None, job_id: str | None = None) -> int:
        """Forget failures."""
        return self.client.purge(code, job_id)

    def failed_in(self, job_id: str) -> list[dict[str, Any]]:
        """What failed in a job."""
        names = ("source", "code", "message", "hint")
        return [
            {name: getattr(one, name) or "" for name in names} for one in self.client.documents(job_id, state="failed")
        ]


def ingest(settings: Settings, request: Request, wait: bool, as_json: bool) -> int:
    """Send files to the server, wait unless told not to, and report.

    Returns:
        The exit code.
    """
    began, manager = time.monotonic(), manager_of(settings)
    canonical(request.tags)  # before anything is sent
    found = list(walk(request.paths, settings.max_file_mb << 20, settings.data_dir))
    if not found:
        raise BadRequest("There are no files in what was named.", "Name a file, or a folder with files in it.")
    refused = [_refused(one.source, one.problem) for one in found if one.problem is not None]
    good = [one for one in found if one.problem is None]
    if not good:
        raise next(one.problem for one in found if one.problem is not None)
    with display(quiet=as_json) as show:
        job_id, more = _send(manager, request, good, show)
        try:
            status = follow(manager, job_id, show) if wait else manager.job(job_id)
        except KeyboardInterrupt:
            return interrupted(manager, job_id, len(good))
    report = _with_refused(summary(manager, status, time.monotonic() - began), refused + more)
    if as_json:
        from pipeline.cli.output import print_json

        print_json(report)
    else:
        tell(report, status)
    return max(exit_code(status), 1 if refused or more else 0)


def delete(settings: Settings, collection: str | None, sources: list[str]) -> Deleted:
    """Delete on the server what was sent from here under these names, or what has these sources or ids."""
    client = Client(str(settings.server), settings.api_key)
    meant = [_name_there(source) for source in sources]
    return client.delete(*meant, collection=collection)


def _send(
    manager: RemoteManager, request: Request, found: Sequence[Candidate], show: Display
) -> tuple[str, list[dict[str, Any]]]:
    """Send all files as one job; what the server did not take comes back beside its id."""
    job_id, refused = None, list[dict[str, Any]]()
    groups = list(_groups(found))
    for number, group in enumerate(groups, 1):
        options = Options(
            collection=request.collection,
            workflow=request.workflow,
            priority=request.priority,
            tags=request.tags,
            sources=[_there(one.source) for one in group],
            job=job_id,
            more=number < len(groups),
        )
        taken = manager.client.submit(*(one.path for one in group), **options)
        job_id = taken.job_id
        refused += [one.model_dump() for one in taken.refused]
        show(manager.job(job_id))
    return str(job_id), refused


def _groups(found: Sequence[Candidate]) -> Iterator[list[Candidate]]:
    group, weight = list[Candidate](), 0
    for one in found:
        if group and (len(group) == FILES_AT_ONCE or weight + one.size > BYTES_AT_ONCE):
            yield group
            group, weight = [], 0
        group.append(one)
        weight += one.size
    yield group


def _there(source: str) -> str:
    """The source that a file of this machine has on the server: the same whenever it is sent again."""
    return f"{SCHEME}{socket.gethostname()}{source}"


def _name_there(name: str) -> str:
    """What a user's name for documents means on the server: a path of this machine, or a source or id as it is."""
    import os

    path = Path(os.path.abspath(name))  # noqa: PTH100 - as it was named when it was sent
    return _there(source_of(path)) if name.startswith((".", "/")) or os.path.lexists(path) else name


def _refused(source: str, problem: PipelineError) -> dict[str, Any]:
    return {"name": source, "code": problem.code, "message": problem.message, "hint": problem.advice}


def _with_refused(report: dict[str, Any], refused: list[dict[str, Any]]) -> dict[str, Any]:
    failed = [{"source": one.pop("name"), **one} for one in refused]
    number = len(failed)
    if number:
        note(f"{number} files were not sent or not taken")
    return {
        **report,
        "documents": report["documents"] + number,
        "failed": report["failed"] + number,
        "failures": [*report["failures"], *failed],
    }
