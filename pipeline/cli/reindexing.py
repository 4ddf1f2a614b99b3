"""`docrelay reindex`."""

from __future__ import annotations

import time

from pipeline import reindex, stack
from pipeline.cli.following import display, duration
from pipeline.cli.output import FAILED, INTERRUPTED, command, note, out, plain, print_json, several
from pipeline.reindex import Wish
from pipeline.reindex.control import ReindexStatus
from pipeline.reindex.estimate import Plan
from pipeline.services import Services
from pipeline.settings import Settings
from pipeline.task_manager import TaskManager

__all__ = ["resume", "rollback", "run", "say", "show_plan"]

WORKING = ("building", "gating", "switching", "rolling_back", "switching_back")
LOOK_S = 0.5

SAYINGS = {"status": reindex.status, "pause": reindex.pause, "cancel": reindex.cancel}


def show_plan(settings: Settings, wish: Wish, as_json: bool) -> None:
    """Say what would be done; no stack is started."""
    told = reindex.plan(Services(settings), wish)
    if as_json:
        print_json(told.model_dump())
    else:
        _tell_plan(told)


def run(settings: Settings, wish: Wish, wait: bool, as_json: bool) -> int:
    """Begin a re-index, and wait for the switch unless told not to.

    Returns:
        The exit code.
    """
    reindex.plan(Services(settings), wish)  # what makes no sense is told at once, without a stack
    with stack.connect(settings, say=None if as_json else note) as connected:
        services = Services(connected)
        return _follow(services, reindex.start(services, wish), wait, as_json)


def resume(settings: Settings, collection: str | None, how: tuple[bool, int | None], wait: bool, as_json: bool) -> int:
    """Go on with a re-index. `how`: whether documents may have failed, and how many a minute. Returns the exit code."""
    name = collection or settings.collection
    reindex.status(Services(settings), name)
    with stack.connect(settings, say=None if as_json else note) as connected:
        services = Services(connected)
        told = reindex.resume(services, name, allow_failed=how[0] or None, per_minute=how[1])
        return _follow(services, told, wait, as_json)


def rollback(settings: Settings, collection: str | None, anyhow: bool, wait: bool, as_json: bool) -> int:
    """Go back to the old index, `anyhow` even if documents failed there. Returns the exit code."""
    name = collection or settings.collection
    reindex.status(Services(settings), name)
    with stack.connect(settings, say=None if as_json else note) as connected:
        services = Services(connected)
        return _follow(services, reindex.rollback(services, name, allow_failed=anyhow), wait, as_json)


def say(settings: Settings, word: str, collection: str | None, as_json: bool) -> None:
    """Ask for the status, pause or cancel; the catalog alone is enough for it."""
    with stack.peek(settings) as connected:
        _print(SAYINGS[word](Services(connected or settings), collection or settings.collection), as_json)


def _follow(services: Services, told: ReindexStatus, wait: bool, as_json: bool) -> int:
    manager = TaskManager(services)
    try:
        with display(quiet=as_json) as show:
            while wait and told.state in WORKING and not told.paused:
                time.sleep(LOOK_S)
                stack.check(services.settings)
                show(manager.job(told.job_id))
                told = reindex.status(services, told.collection)
    except KeyboardInterrupt:
        note(f"It is not ended, only not followed any more. Go on with: {command('reindex resume')}")
        return INTERRUPTED
    _print(told, as_json)
    failed = told.failures or manager.job(told.job_id).failed
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
        out.print(f"  {name}: {value}")
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
        again, anyhow = command("reindex resume" + named), command("reindex resume --allow-failed" + named)
        out.print(f"Readers keep the old index. Try again: {again}; go on without these documents: {anyhow}")


def _tell_plan(told: Plan) -> None:
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
