"""`docrelay up`: the same stack, held in the foreground until the user has enough of it."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from types import FrameType

from pipeline.errors import BadRequest
from pipeline.settings import Settings
from pipeline.stack.client import Say, check, connect, running
from pipeline.stack.process_plan import doors as planned_doors
from pipeline.stack.services import Doors
from pipeline.stack.spec import Launch, ProcessSpec
from pipeline.stack.state import StackState, is_same_process

__all__ = ["hold"]

POLL_S = 0.2
PATIENCE_S = 2.0


def hold(
    settings: Settings, say: Say, launch: Launch | None = None, doors: Sequence[ProcessSpec] | None = None
) -> None:
    """Keep the private stack and the doors alive until SIGINT or SIGTERM, then wait until it has ended.

    A stack that already runs is joined. It ends when no other command uses it any more; a second
    signal ends it at once. To be called from the main thread. `launch` and `doors` are in the place of those
    that follow from the settings.

    Raises:
        BadRequest: `redis_url` is set, so there is no private stack.
        StackUnavailable: it did not start, or it ended by itself.
    """
    if not settings.embedded:
        raise BadRequest("There is no private stack to hold: redis_url is set.", "Unset it, or run: docrelay worker")
    with ExitStack() as scope:
        with connect(settings, say, launch=launch) as attached:
            # Only now: before, a signal simply ends this command, and with it a stack that nobody else uses.
            signals = scope.enter_context(_counted_signals())
            opened = Doors(attached, planned_doors(settings) if doors is None else doors, say)
            try:
                last = _until_signal(settings, attached, signals, opened, say)
            finally:
                opened.close()
        if last is not None:
            _until_gone(settings, last, signals, say)
    say("The stack has ended")


class _Signals:
    """How many times the user asked to stop."""

    def __init__(self) -> None:
        self.count = 0

    def __call__(self, number: int, frame: FrameType | None) -> None:
        self.count += 1


@contextmanager
def _counted_signals() -> Iterator[_Signals]:
    signals = _Signals()
    numbers = (signal.SIGINT, signal.SIGTERM)
    former = {number: signal.signal(number, signals) for number in numbers}
    try:
        yield signals
    finally:
        for number, handler in former.items():
            signal.signal(number, handler)


def _until_signal(
    settings: Settings, attached: Settings, signals: _Signals, doors: Doors, say: Say
) -> StackState | None:
    said = ""
    state = running(settings)
    while not signals.count:
        check(attached)
        doors.tick()
        state = running(settings) or state
        line = _line(state) if state else said
        if line != said:
            say(line)
            said = line
        time.sleep(POLL_S)
    return state


def _line(state: StackState) -> str:
    waiting = [part.name for part in state.processes if part.state != "ready"]
    return f"Waiting for {', '.join(waiting)}" if waiting else "The stack is ready; Ctrl-C stops it"


def _until_gone(settings: Settings, last: StackState, signals: _Signals, say: Say) -> None:
    asked, since = 1, time.monotonic()
    told = False
    while (state := running(settings)) and state.id == last.id:
        if signals.count > asked:
            asked = signals.count
            _stop_at_once(state)
        if not told and state.usable and time.monotonic() - since > PATIENCE_S:
            say("Other commands still use the stack; it stops after them, or at once by another Ctrl-C")
            told = True
        time.sleep(POLL_S)


def _stop_at_once(state: StackState) -> None:
    if is_same_process(state.pid, state.created):
        with suppress(ProcessLookupError):
            os.kill(state.pid, signal.SIGQUIT)
