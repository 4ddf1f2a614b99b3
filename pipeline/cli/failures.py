"""`docrelay failures`."""

from __future__ import annotations

from contextlib import ExitStack
from dataclasses import dataclass
from typing import TYPE_CHECKING

from rich.text import Text

from pipeline import stack
from pipeline.cli.follow import display, follow
from pipeline.cli.outcome import exit_code, interrupted, summary, tell
from pipeline.cli.output import command, note, out, plain, print_json, several
from pipeline.cli.server import manager_of
from pipeline.results import FailureRecord, JobStatus
from pipeline.services import Services
from pipeline.settings import Settings
from pipeline.task_manager import TaskManager

if TYPE_CHECKING:
    from pipeline.cli.remote import RemoteManager

__all__ = ["Choice", "purge", "retry", "show"]


@dataclass(frozen=True, slots=True)
class Choice:
    """Which failures are meant; nothing given means all."""

    identities: list[str]
    code: str | None
    job: str | None


def show(settings: Settings, code: str | None, job: str | None, as_json: bool) -> None:
    """List failures."""
    found = _manager(settings).failures(code=code, job_id=job)
    if as_json:
        print_json({"failures": [failure.model_dump() for failure in found]})
        return
    for failure in found:
        _line(failure)
    again = f"{several(len(found), 'failure')}. Try again with: {command('failures retry')}"
    out.print(again if found else "There are none.")


def retry(settings: Settings, choice: Choice, wait: bool, as_json: bool) -> int:
    """Try again and report like `ingest`.

    Returns:
        The exit code.
    """
    ended: list[JobStatus] = []
    manager = _manager(settings)
    if _any_meant(settings, choice):
        with ExitStack() as scope:
            if settings.server is None:
                connected = scope.enter_context(stack.connect(settings, say=None if as_json else note))
                manager = TaskManager(Services(connected))
            for job_id in manager.retry(choice.identities, code=choice.code, job_id=choice.job):
                try:
                    with display(quiet=as_json) as watch:
                        ended.append(follow(manager, job_id, watch) if wait else manager.job(job_id))
                except KeyboardInterrupt:
                    return interrupted(manager, job_id)
    reports = [summary(manager, status, status.seconds) for status in ended]
    if as_json:
        print_json({"jobs": reports})
    elif not ended:
        out.print("There is nothing to try again.")
    else:
        for report, status in zip(reports, ended, strict=True):
            tell(report, status)
    return max((exit_code(status) for status in ended), default=0)


def purge(settings: Settings, code: str | None, job: str | None, as_json: bool) -> None:
    """Forget failures."""
    number = _manager(settings).purge(code=code, job_id=job)
    if as_json:
        print_json({"purged": number})
    else:
        out.print(f"Forgotten: {several(number, 'failure')}.")


def _manager(settings: Settings) -> TaskManager | RemoteManager:
    return TaskManager(Services(settings)) if settings.server is None else manager_of(settings)


def _any_meant(settings: Settings, choice: Choice) -> bool:
    """Whether there is anything to try again; asked before a stack is started."""
    if settings.server is not None:
        return True
    # Only here: what merely lists needs no flow, and no Celery with it.
    from pipeline.ingest.retry import choose

    return bool(choose(Services(settings), choice.identities, code=choice.code, job_id=choice.job))


def _line(failure: FailureRecord) -> None:
    kind = "transient" if failure.transient else "permanent"
    out.print(
        Text.assemble(
            (failure.code, "bold"), f"  {plain(failure.source)}  ({failure.collection}, {failure.stage}, {kind})"
        )
    )
    out.print(Text(f"    {plain(failure.message)} {failure.hint}"))
