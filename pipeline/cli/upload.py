"""`docrelay ingest` on a server: send files there as one job, group by group."""

from __future__ import annotations

import signal
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from itertools import repeat
from operator import attrgetter
from typing import Any

from pipeline.cli.follow import display, follow
from pipeline.cli.outcome import exit_code, explain_interruption, print_report, summary, with_refused
from pipeline.cli.output import FAILED, note
from pipeline.cli.remote import manager_on_server, uploaded_source
from pipeline.client import Client, Options
from pipeline.errors import BadRequest, BodyTooLarge, Invalid, PipelineError, Rejected
from pipeline.errors.problem import problem_of
from pipeline.ingest.packing import pack
from pipeline.ingest.request import Request
from pipeline.ingest.walk import Candidate, find_files
from pipeline.settings import Settings
from pipeline.types import canonical

__all__ = ["ingest_on_server"]

FILES_PER_REQUEST = 50
BYTES_PER_REQUEST = 64 << 20
"""Bytes of a request with several files at most; a larger file is sent alone."""


class Upload:
    """Sends the files of one `docrelay ingest` to a server.

    job_id      the job on the server; empty until the server has accepted a group
    refused     the files that the server refused
    """

    def __init__(self, client: Client, request: Request, files: Sequence[Candidate]) -> None:
        self.job_id = ""
        self.refused: list[dict[str, Any]] = []
        self._client = client
        self._request = request
        self._files = files
        self._awaits_more = False
        self._files_per_request = FILES_PER_REQUEST

    def send(self, on_group: Callable[[str], None], stopped: Callable[[], bool]) -> None:
        """Send all files; however it ends, the job on the server then waits for no more files.

        Args:
            on_group: called with the job's id after each group that the server has accepted.
            stopped: whether to send no more groups.
        """
        start = 0
        try:
            while start < len(self._files) and not stopped():
                group = self._group(start)
                end = start + len(group)
                if self._send_group(group, on_group, is_last=end == len(self._files)):
                    start = end
        finally:
            if self._awaits_more:
                with suppress(PipelineError):
                    self._client.submit(job=self.job_id)

    def _send_group(self, group: Sequence[Candidate], on_group: Callable[[str], None], *, is_last: bool) -> bool:
        """Send a group; False if it must be sent again as smaller groups."""
        options = self._options(group, more=not is_last)
        try:
            accepted = self._client.submit(*(file.path for file in group), **options)
        except (BodyTooLarge, Rejected, Invalid) as error:
            # The server refuses these files, or so many at once: the limit is a setting of the server.
            if len(group) > 1:
                self._files_per_request = len(group) // 2
                return False
            self.refused.append(_refusal(group[0].source, error))
            self._files_per_request = FILES_PER_REQUEST
        else:
            self.job_id, self._awaits_more = accepted.job_id, not is_last
            self.refused += [refusal.model_dump() for refusal in accepted.refused]
            on_group(self.job_id)
        return True

    def _group(self, start: int) -> Sequence[Candidate]:
        """The next files to send; their number changes after a refusal, so the rest is packed again each time."""
        rest = (self._files[index] for index in range(start, len(self._files)))
        return next(pack(rest, attrgetter("size"), repeat(self._files_per_request), BYTES_PER_REQUEST))

    def _options(self, group: Sequence[Candidate], *, more: bool) -> Options:
        request = self._request
        return Options(
            collection=request.collection,
            workflow=request.workflow,
            options=request.options,
            priority=request.priority,
            ocr=request.ocr,
            tags=request.tags,
            sources=[uploaded_source(file.source) for file in group],
            job=self.job_id or None,
            more=more,
        )


def ingest_on_server(settings: Settings, request: Request, wait: bool, as_json: bool) -> int:
    """Send files to the server, wait for the end of the job if `wait`, and report.

    Returns:
        The exit code.
    """
    began, manager = time.monotonic(), manager_on_server(settings)
    canonical(request.tags)  # wrong tags are refused before anything is sent
    files, unreadable = _files(settings, request)
    upload = Upload(manager.client, request, files)
    with display(quiet=as_json) as show:
        try:
            with _after_answer() as stopped:
                upload.send(lambda job_id: show(manager.job(job_id)), stopped)
            if stopped():
                raise KeyboardInterrupt
            refused = unreadable + upload.refused
            if not upload.job_id:
                raise BadRequest(f"The server takes none of the files: {refused[-1]['message']}", refused[-1]["hint"])
            status = follow(manager, upload.job_id, show) if wait else manager.job(upload.job_id)
        except KeyboardInterrupt:
            if not upload.job_id:
                raise
            return explain_interruption(manager, upload.job_id, len(files))
    report = with_refused(summary(manager, status, time.monotonic() - began), refused)
    print_report(report, status, as_json=as_json)
    return max(exit_code(status), FAILED if refused else 0)


def _files(settings: Settings, request: Request) -> tuple[list[Candidate], list[dict[str, Any]]]:
    """The files that can be sent, and a refusal for each that cannot.

    Raises:
        BadRequest: there are no files.
        PipelineError: none can be sent; the problem of the first one.
    """
    candidates = find_files(settings, request.paths)
    files = [candidate for candidate in candidates if candidate.problem is None]
    problems = [(candidate.source, candidate.problem) for candidate in candidates if candidate.problem is not None]
    if not files:
        raise problems[0][1]
    return files, [_refusal(source, problem) for source, problem in problems]


@contextmanager
def _after_answer() -> Iterator[Callable[[], bool]]:
    """Delay Ctrl-C until the server has answered: only its answer says which job the files belong to.

    Yields whether Ctrl-C was pressed. Pressed a second time it takes effect at once.
    """
    pressed = False

    def on_interrupt(_number: int, _frame: object) -> None:
        nonlocal pressed
        pressed = True
        signal.signal(signal.SIGINT, former)
        note("Stopping as soon as the server has answered; Ctrl-C again does not wait for that.")

    former = signal.getsignal(signal.SIGINT)
    # It is ignored in a background job of a shell, where Ctrl-C is meant for another process.
    if former is not signal.SIG_IGN:
        signal.signal(signal.SIGINT, on_interrupt)
    try:
        yield lambda: pressed
    finally:
        signal.signal(signal.SIGINT, former)


def _refusal(source: str, problem: PipelineError) -> dict[str, Any]:
    return {"name": source, **problem_of(problem).to_json()}
