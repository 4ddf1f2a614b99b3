"""`docrelay reindex`."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Protocol

from pipeline import reindex, stack
from pipeline.cli.follow import display, duration
from pipeline.cli.output import FAILED, INTERRUPTED, command, note, out, plain, print_json, several
from pipeline.errors import BadRequest
from pipeline.reindex import ReindexRequest
from pipeline.results import JobStatus, ReindexPlan, ReindexStatus
from pipeline.services import Services
from pipeline.settings import Settings
from pipeline.task_manager import TaskManager

__all__ = ["named", "resume", "rollback", "run", "say", "show_plan"]

WORKING = ("building", "gating", "switching", "rolling_back", "switching_back")
LOOK_S = 0.5

SAYINGS = {
    "status": reindex.status,
    "pause": reindex.pause,
    "resume": reindex.resume,
    "cancel": reindex.cancel,
    "rollback": reindex.rollback,
}


class Desk(Protocol):
    """Where a re-index is asked for: this machine, or a server."""

    def plan(self, wish: ReindexRequest) -> ReindexPlan:
        """What the wish would do."""

    def start(self, wish: ReindexRequest) -> ReindexStatus:
        """Begin."""

    def say(self, word: str, collection: str, **how: Any) -> ReindexStatus:
        """One of `SAYINGS`."""

    def job(self, job_id: str) -> JobStatus:
        """How far its documents are."""


class Here:
    """This machine; where it is followed, its stack must live."""

    def __init__(self, services: Services) -> None:
        self.services = services

    def plan(self, wish: ReindexRequest) -> ReindexPlan:
        """What the wish would do."""
        return reindex.plan(self.services, wish)

    def start(self, wish: ReindexRequest) -> ReindexStatus:
        """Begin."""
        return reindex.start(self.services, wish)

    def say(self, word: str, collection: str, **how: Any) -> ReindexStatus:
        """One of `SAYINGS`."""
        return SAYINGS[word](self.services, collection, **how)

    def job(self, job_id: str) -> JobStatus:
        """How far its documents are. Raises StackUnavailable: nobody goes on with them."""
        if self.services.settings.redis_url is not None:
            stack.check(self.services.settings)
        return TaskManager(self.services).job(job_id)


def show_plan(settings: Settings, wish: ReindexRequest, as_json: bool) -> None:
    """Say what would be done; no stack is started."""
    told = _unmoved(settings).plan(wish)
    if as_json:
        print_json(told.model_dump())
    else:
        _tell_plan(told)


def run(settings: Settings, wish: ReindexRequest, wait: bool, as_json: bool) -> int:
    """Begin a re-index, and wait for the switch unless told not to.

    Returns:
        The exit code.
    """
    _unmoved(settings).plan(wish)  # what makes no sense is told at once, without a stack
    with _desk(settings, as_json) as desk:
        return _follow(desk, desk.start(wish), wait, as_json)


def resume(settings: Settings, collection: str | None, how: tuple[bool, int | None], wait: bool, as_json: bool) -> int:
    """Go on with a re-index. `how`: whether documents may have failed, and how many a minute. Returns the exit code."""
    name = _collection(settings, collection)
    _unmoved(settings).say("status", name)
    with _desk(settings, as_json) as desk:
        told = desk.say("resume", name, allow_failed=how[0] or None, per_minute=how[1])
        return _follow(desk, told, wait, as_json)


def rollback(settings: Settings, collection: str | None, anyhow: bool, wait: bool, as_json: bool) -> int:
    """Go back to the old index, `anyhow` even if documents failed there. Returns the exit code."""
    name = _collection(settings, collection)
    _unmoved(settings).say("status", name)
    with _desk(settings, as_json) as desk:
        return _follow(desk, desk.say("rollback", name, allow_failed=anyhow), wait, as_json)


def say(settings: Settings, word: str, collection: str | None, as_json: bool) -> None:
    """Ask for the status, pause or cancel; the catalog alone is enough for it."""
    name = _collection(settings, collection)
    if settings.server is not None:
        _print(_unmoved(settings).say(word, name), as_json)
        return
    with stack.peek(settings) as connected:
        _print(Here(Services(connected or settings)).say(word, name), as_json)


def named(settings: Settings, path: str) -> str:
    """The source or folder that is meant where the re-index is, by a path of this machine or a URI."""
    if settings.server is None:
        return path if "://" in path else str(Path(path).absolute())
    from pipeline.cli.remote import name_there

    return name_there(path)


def _collection(settings: Settings, given: str | None) -> str:
    if settings.server is not None and given is None:
        raise BadRequest("Which collection is meant?", "The server has a default of its own; say --collection.")
    return given or settings.collection


def _unmoved(settings: Settings) -> Desk:
    """The desk as it is, without a stack being started for it."""
    if settings.server is None:
        return Here(Services(settings))
    from pipeline.cli.remote import RemoteDesk
    from pipeline.client import Client

    return RemoteDesk(Client(settings.server, settings.api_key))


@contextmanager
def _desk(settings: Settings, as_json: bool) -> Iterator[Desk]:
    if settings.server is not None:
        yield _unmoved(settings)
        return
    with stack.connect(settings, say=None if as_json else note) as connected:
        yield Here(Services(connected))


def _follow(desk: Desk, told: ReindexStatus, wait: bool, as_json: bool) -> int:
    said = None
    try:
        with display(quiet=as_json) as show:
            while wait and told.state in WORKING and not told.paused:
                time.sleep(LOOK_S)
                show(desk.job(told.job_id))
                told = desk.say("status", told.collection)
                if told.message and told.message != said and told.state in WORKING and not as_json:
                    note(told.message)  # all may be done, and still something is waited for
                said = told.message
    except KeyboardInterrupt:
        going_on = command(f"reindex resume --collection {told.collection}")
        note(f"It is not ended, only not followed any more. Go on with: {going_on}")
        return INTERRUPTED
    failed = told.failures or desk.job(told.job_id).failed
    _print(told, as_json)
    return FAILED if told.state in ("refused", "cancelled") or failed else 0


def _print(told: ReindexStatus, as_json: bool) -> None:
    if as_json:
        print_json(told.model_dump())
        return
    paused = ", paused" if told.paused else ""
    out.print(f"Re-index of {told.collection}: {told.state}{paused}; {several(told.documents, 'document')}")
    if told.from_index != told.to_index:
        out.print(f"  from {told.from_index} ({told.from_model or 'dropped'}) to {told.to_index} ({told.to_model})")
    if any(told.lacks.values()):
        out.print("  " + ", ".join(f"{number} {kind}" for kind, number in told.lacks.items()))
    for name, value in (told.report or {}).items():
        out.print(f"  {name}: {value if name != 'refused' else ', '.join(value)}")
    for failure in told.failures:
        out.print(f"  {failure['code']}  {plain(failure['source'])}: {plain(failure['message'])}")
    if told.message:
        out.print(f"  {plain(told.message)}")
    _advise(told)


def _advise(told: ReindexStatus) -> None:
    named = f" --collection {told.collection}"
    if told.state == "soaking":
        out.print(f"The old index is kept until {told.soak_until}. Back to it: {command('reindex rollback' + named)}")
    elif told.state == "refused":
        words = {"Try again": "resume", "Go on without these documents": "resume --allow-failed", "Give up": "cancel"}
        if "failed" not in (told.report or {}).get("refused", []):
            del words["Go on without these documents"]
        out.print("Readers keep the old index.")
        for meant, word in words.items():
            out.print(f"  {meant}: {command(f'reindex {word}{named}')}")


def _tell_plan(told: ReindexPlan) -> None:
    place = "in its own index" if told.in_place else f"beside it: {told.from_model} → {told.to_model}"
    out.print(
        f"Collection {told.collection}, {place}, {told.dimensions} dimensions, chunks of {told.chunk_tokens} tokens"
    )
    out.print(f"  {several(told.documents, 'document')}, about {several(told.chunks, 'chunk')}")
    out.print(f"  {told.texts_kept} with their text kept, {told.unreadable} with neither text nor file")
    out.print(f"  stages: {', '.join(told.stages)}")
    took = f"about {duration(told.seconds)}" if told.seconds is not None else "unknown: nothing was measured yet"
    out.print(f"  time: {took}; disk: about {told.disk_bytes / 2**20:.0f} MB")
    out.print("Nothing was changed.")
