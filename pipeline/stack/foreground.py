"""Hold the private stack in the foreground, as `docrelay up` does."""

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
from pipeline.stack.process_plan import service_processes
from pipeline.stack.services import ServiceRunner
from pipeline.stack.spec import Launch, ProcessSpec
from pipeline.stack.state import StackState, is_same_process

__all__ = ["hold"]

POLL_S = 0.2
PATIENCE_S = 2.0


def hold(
    settings: Settings, say: Say, launch: Launch | None = None, services: Sequence[ProcessSpec] | None = None
) -> None:
    """Keep the private stack and the services running until SIGINT or SIGTERM, then wait until the stack has ended.

    A stack that runs already is used. It ends when no other command uses it any more; a second signal ends it at once.
    Call this from the main thread.

    Args:
        settings: the settings; `data_dir` names the stack.
        say: takes lines for the user.
        launch: the stack, in place of the one that follows from the settings.
        services: the services, in place of those that follow from the settings.

    Raises:
        BadRequest: `redis_url` is set, so there is no private stack.
        StackUnavailable: it did not start, or it ended by itself.
    """
    if not settings.embedded:
        raise BadRequest("There is no private stack to hold: redis_url is set.", "Unset it, or run: docrelay worker")
    with ExitStack() as scope:
        with connect(settings, say, launch=launch) as attached:
            # Only now: before, a signal ends this command, and with it a stack that no other command uses.
            signals = scope.enter_context(_counted_signals())
            specs = service_processes(settings) if services is None else services
            runner = ServiceRunner(attached, specs, say)
            try:
                last = _until_signal(settings, attached, signals, runner, say)
            finally:
                runner.close()
        if last is not None:
            _until_ended(settings, last, signals, say)
    say("The stack has ended")


class _Signals:
    """Counts the signals to stop."""

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
    settings: Settings, attached: Settings, signals: _Signals, services: ServiceRunner, say: Say
) -> StackState | None:
    """Run the services and show the state of the stack until a signal; the last state."""
    last_line = ""
    state = running(settings)
    while not signals.count:
        check(attached)
        services.tick()
        state = running(settings) or state
        line = _line(state) if state else last_line
        if line != last_line:
            say(line)
            last_line = line
        time.sleep(POLL_S)
    return state


def _line(state: StackState) -> str:
    waiting = [process.name for process in state.processes if process.state != "ready"]
    return f"Waiting for {', '.join(waiting)}" if waiting else "The stack is ready; Ctrl-C stops it"


def _until_ended(settings: Settings, last: StackState, signals: _Signals, say: Say) -> None:
    """Wait until the stack has ended; another signal ends it at once."""
    handled, since = 1, time.monotonic()
    explained = False
    while (state := running(settings)) and state.id == last.id:
        if signals.count > handled:
            handled = signals.count
            _stop_at_once(state)
        if not explained and state.usable and time.monotonic() - since > PATIENCE_S:
            say("Other commands still use the stack; it stops after them, or at once by another Ctrl-C")
            explained = True
        time.sleep(POLL_S)


def _stop_at_once(state: StackState) -> None:
    if is_same_process(state.pid, state.created):
        with suppress(ProcessLookupError):
            os.kill(state.pid, signal.SIGQUIT)
