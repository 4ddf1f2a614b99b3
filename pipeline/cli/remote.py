"""The commands on a server: what `--server` names does the work, files are sent there, and the output is the same."""

from __future__ import annotations

import signal
import socket
import time
from collections.abc import Callable, Generator, Iterator, Sequence
from contextlib import closing, contextmanager, suppress
from pathlib import Path
from typing import Any

from pipeline.cli.follow import display, follow
from pipeline.cli.outcome import exit_code, interrupted, summary, tell
from pipeline.cli.output import note, several
from pipeline.cli.server import manager_of
from pipeline.client import Client, Options
from pipeline.errors import BadRequest, BodyTooLarge, Invalid, PipelineError, Rejected
from pipeline.errors.problem import problem_of
from pipeline.ingest.request import Request
from pipeline.ingest.walk import Candidate, source_of, walk
from pipeline.reindex import ReindexRequest
from pipeline.results import Deleted, ReindexPlan, ReindexStatus
from pipeline.settings import Settings
from pipeline.types import canonical

__all__ = ["RemoteDesk", "RemoteManager", "delete", "ingest", "name_there"]

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


class RemoteDesk:
    """What `docrelay reindex` asks, asked of a server."""

    def __init__(self, client: Client) -> None:
        self.client = client
        self.job = client.job

    def plan(self, wish: ReindexRequest) -> ReindexPlan:
        """What the wish would do."""
        return self.client.plan_reindex(**_told(wish))

    def start(self, wish: ReindexRequest) -> ReindexStatus:
        """Begin."""
        return self.client.reindex(**_told(wish))

    def say(self, word: str, collection: str, **how: Any) -> ReindexStatus:
        """`status`, `pause`, `resume`, `cancel` or `rollback`."""
        if word == "status":
            return self.client.reindex_status(collection)
        return self.client.steer_reindex(word, collection, **how)


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
        job_id = ""
        try:
            with _patient() as stopped, closing(_send(manager, request, good, refused, stopped)) as sent:
                for job_id in sent:
                    show(manager.job(job_id))
            if stopped():
                raise KeyboardInterrupt
            if not job_id:
                raise BadRequest(f"The server takes none of the files: {refused[-1]['message']}", refused[-1]["hint"])
            status = follow(manager, job_id, show) if wait else manager.job(job_id)
        except KeyboardInterrupt:
            if not job_id:
                raise
            return interrupted(manager, job_id, len(good))
    report = _with_refused(summary(manager, status, time.monotonic() - began), refused)
    if as_json:
        from pipeline.cli.output import print_json

        print_json(report)
    else:
        tell(report, status)
    return max(exit_code(status), 1 if refused else 0)


def delete(settings: Settings, collection: str | None, sources: list[str]) -> Deleted:
    """Delete on the server what was sent from here under these names, or what has these sources or ids."""
    client = Client(str(settings.server), settings.api_key)
    meant = [name_there(source) for source in sources]
    return client.delete(*meant, collection=collection)


@contextmanager
def _patient() -> Iterator[Callable[[], bool]]:
    """Ctrl-C lets what is being sent be answered: until then nobody knows which job it belongs to.

    Yields whether it was pressed. Pressed once more, it does not wait.
    """
    pressed: list[int] = []

    def press(number: int, _frame: object) -> None:
        pressed.append(number)
        signal.signal(signal.SIGINT, before)
        note("Stopping as soon as the server has answered; Ctrl-C again does not wait for that.")

    before = signal.getsignal(signal.SIGINT)
    if before is not signal.SIG_IGN:  # as in the background of a shell, where Ctrl-C is meant for others
        signal.signal(signal.SIGINT, press)
    try:
        yield lambda: bool(pressed)
    finally:
        signal.signal(signal.SIGINT, before)


def _send(
    manager: RemoteManager,
    request: Request,
    found: Sequence[Candidate],
    refused: list[dict[str, Any]],
    stopped: Callable[[], bool],
) -> Generator[str]:
    """Send all files as one job, group by group; whatever ends it, the job waits for no more of them then.

    Yields the job's id after each group. What the server does not take is added to `refused`.
    """
    job_id: str | None = None
    is_open, start, most = False, 0, FILES_AT_ONCE
    try:
        while start < len(found) and not stopped():
            group = _group(found, start, most)
            is_last = start + len(group) == len(found)
            try:
                taken = manager.client.submit(
                    *(one.path for one in group), **_options(request, group, job_id, more=not is_last)
                )
            except (BodyTooLarge, Rejected, Invalid) as error:
                # It takes none of these, or not so many at once: how many, is its own setting.
                if len(group) > 1:
                    most = len(group) // 2
                    continue
                refused.append(_refused(group[0].source, error))
                most = FILES_AT_ONCE
            else:
                job_id, is_open = taken.job_id, not is_last
                refused += [one.model_dump() for one in taken.refused]
                yield job_id
            start += len(group)
    finally:
        if job_id is not None and is_open:
            with suppress(PipelineError):
                manager.client.submit(job=job_id)


def _group(found: Sequence[Candidate], start: int, most: int) -> Sequence[Candidate]:
    weight = 0
    for end in range(start, min(start + most, len(found))):
        weight += found[end].size
        if weight > BYTES_AT_ONCE and end > start:
            return found[start:end]
    return found[start : start + most]


def _options(request: Request, group: Sequence[Candidate], job_id: str | None, *, more: bool) -> Options:
    return Options(
        collection=request.collection,
        workflow=request.workflow,
        options=request.options,
        priority=request.priority,
        tags=request.tags,
        sources=[_there(one.source) for one in group],
        job=job_id,
        more=more,
    )


def _there(source: str) -> str:
    """The source that a file of this machine has on the server: the same whenever it is sent again."""
    return f"{SCHEME}{socket.gethostname()}{source}"


def name_there(name: str) -> str:
    """What a user's name for documents means on the server: a path of this machine, or a source or id as it is."""
    import os

    path = Path(os.path.abspath(name))  # noqa: PTH100 - as it was named when it was sent
    return _there(source_of(path)) if name.startswith((".", "/")) or os.path.lexists(path) else name


def _told(wish: ReindexRequest) -> dict[str, Any]:
    """What was said; the server has defaults of its own."""
    return wish.model_dump(mode="json", exclude_unset=True, exclude_none=True)


def _refused(source: str, problem: PipelineError) -> dict[str, Any]:
    return {"name": source, **problem_of(problem).to_json()}


def _with_refused(report: dict[str, Any], refused: list[dict[str, Any]]) -> dict[str, Any]:
    failed = [{"source": one.pop("name"), **one} for one in refused]
    number = len(failed)
    if number:
        note(f"Not sent or not taken: {several(number, 'file')}")
    return {
        **report,
        "documents": report["documents"] + number,
        "failed": report["failed"] + number,
        "failures": [*report["failures"], *failed],
    }
