"""The work of `docrelay texts import`: records are taken in on this machine, or sent to a server."""

from __future__ import annotations

import shutil
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, BinaryIO

from pipeline.cli.connect import through_losses
from pipeline.cli.follow import DiskNotes, Display, JobManager, display, follow, on_intake
from pipeline.cli.outcome import exit_code, explain_interruption, print_report, summary, with_refused
from pipeline.cli.output import FAILED, note
from pipeline.cli.remote import manager_on_server
from pipeline.engine.room import with_room
from pipeline.errors import BadRequest
from pipeline.ingest.request import Request
from pipeline.ingest.texts import ingest_texts, open_texts_job
from pipeline.results import JobStatus, TextsReport
from pipeline.services import Services
from pipeline.settings import Settings
from pipeline.task_manager import TaskManager

__all__ = ["import_here", "import_on_server"]

STDIN = "-"


def import_here(settings: Settings, request: Request, name: str, wait: bool, as_json: bool) -> int:
    """Take the records of a file in on this machine, wait for the end of the job if `wait`, and report.

    Returns:
        The exit code.
    """
    began, manager = time.monotonic(), TaskManager(Services(settings))
    with _records(settings, name) as file:
        intake = _Intake(request, file, wait=wait, quiet=as_json)
        try:
            status = through_losses(settings, intake.run, quiet=as_json)
        except KeyboardInterrupt:
            if not intake.job_id:
                raise
            return explain_interruption(manager, intake.job_id)
    return _report(manager, status, intake.report, began, as_json)


def import_on_server(settings: Settings, request: Request, name: str, wait: bool, as_json: bool) -> int:
    """Send the records of a file to the server, wait for the end of the job if `wait`, and report.

    Returns:
        The exit code.
    """
    began, manager = time.monotonic(), manager_on_server(settings)
    with _records(settings, name) as file:
        report = manager.client.put_texts(
            _Lines(file), collection=request.collection, workflow=request.workflow, priority=request.priority
        )
    with display(quiet=as_json) as show:
        try:
            status = follow(manager, report.job_id, show) if wait else manager.job(report.job_id)
        except KeyboardInterrupt:
            return explain_interruption(manager, report.job_id)
    return _report(manager, status, report, began, as_json)


class _Intake:
    """The job of one command, taken in and followed; `run` goes on where an earlier call has ended."""

    def __init__(self, request: Request, file: BinaryIO, *, wait: bool, quiet: bool) -> None:
        self.job_id = ""
        self.report: TextsReport | None = None
        self._request = request
        self._file = file
        self._wait = wait
        self._quiet = quiet

    def run(self, services: Services) -> JobStatus:
        """Take the records in unless that is done, and wait for the end of the job; its last status."""
        manager = TaskManager(services)
        with display(quiet=self._quiet) as show:
            if self.report is None:
                self.report = self._take_in(services, manager, show)
            notes = DiskNotes(services.settings)
            return follow(manager, self.job_id, show, notes) if self._wait else manager.job(self.job_id)

    def _take_in(self, services: Services, manager: TaskManager, show: Display) -> TextsReport:
        if not self.job_id:
            self.job_id, _ = with_room(services, lambda: open_texts_job(services, self._request, self._file), note)
        return ingest_texts(services, self.job_id, self._file, on_intake(manager, self.job_id, show), note)


class _Lines:
    """The lines of a file as they are, from its beginning whenever this is iterated over."""

    def __init__(self, file: BinaryIO) -> None:
        self._file = file

    def __iter__(self) -> Iterator[bytes]:
        self._file.seek(0)
        return iter(self._file)


@contextmanager
def _records(settings: Settings, name: str) -> Iterator[BinaryIO]:
    """Open a file of records for reading; stdin is copied to the disk first, as it can be read only once.

    Raises:
        BadRequest: the file cannot be opened.
    """
    if name == STDIN:
        with tempfile.TemporaryFile(dir=Services(settings).drafts) as copy:
            shutil.copyfileobj(sys.stdin.buffer, copy)
            copy.seek(0)
            yield copy
        return
    try:
        file = Path(name).open("rb")  # noqa: SIM115 - closed below: an error of the work is none of opening
    except OSError as error:
        raise BadRequest(f"The file {name} cannot be opened: {error.strerror}.", "Check the path.") from None
    with file:
        yield file


def _report(manager: JobManager, status: JobStatus, report: TextsReport | None, began: float, as_json: bool) -> int:
    """Print what became of the records; the exit code."""
    refused: list[dict[str, Any]] = [
        {"name": f"line {line.line}", **line.model_dump(include={"code", "message", "hint"})}
        for line in (report.errors if report is not None else ())
    ]
    printed = with_refused(summary(manager, status, time.monotonic() - began), refused, "line")
    print_report(printed, status, as_json=as_json)
    return max(exit_code(status), FAILED if refused else 0)
