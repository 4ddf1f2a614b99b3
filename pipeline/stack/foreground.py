"""Hold the private stack in the foreground, as `docrelay up` does."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from types import FrameType

from pipeline.backoff import backoff_s
from pipeline.errors import BadRequest, StackLost, StackUnavailable
from pipeline.settings import Settings
from pipeline.settings.room import full_disk
from pipeline.stack.client import Say, check, connect, launch_of, running, unusable
from pipeline.stack.folder import Folder
from pipeline.stack.frozen import Vigil
from pipeline.stack.launcher import Launcher
from pipeline.stack.process_plan import service_processes
from pipeline.stack.services import ServiceRunner
from pipeline.stack.spec import Launch, ProcessSpec
from pipeline.stack.state import StackState
from pipeline.stack.up_lock import UpLock, only_up

__all__ = ["hold"]

FULL = "disk full"
POLL_S = 0.2
PATIENCE_S = 2.0
FIRST_PAUSE_S = 0.5
LONGEST_PAUSE_S = 10.0
FORMER_S = 60.0
"""Longest wait for another `docrelay up` that is stopping, beside the grace of its stack."""

START_S = 120.0
"""Longest wait for a stack that is started again."""

STEADY_S = 60.0
"""A stack that was killed after so long is started again with the first pause."""


def hold(
    settings: Settings,
    say: Say,
    launch: Launch | None = None,
    services: Sequence[ProcessSpec] | None = None,
    *,
    flower: bool = False,
) -> None:
    """Keep the private stack and the services running until SIGINT or SIGTERM, then wait until the stack has ended.

    A stack that runs already is used. It ends when no other command uses it any more; a second signal ends it at once.
    Call this from the main thread.

    Args:
        settings: the settings; `data_dir` names the stack.
        say: takes lines for the user.
        launch: the stack, in place of the one that follows from the settings.
        services: the services, in place of those that follow from the settings.
        flower: whether Flower is one of those.

    A stack that was killed is started again, after pauses that grow while it is killed soon after each start.

    Raises:
        BadRequest: `redis_url` is set, so there is no private stack.
        AlreadyUp: another process holds the stack of this data folder.
        StackUnavailable: it did not start, or it ended by itself.
    """
    if not settings.embedded:
        raise BadRequest("There is no private stack to hold: redis_url is set.", "Unset it, or run: docrelay worker")
    with ExitStack() as scope:
        lock = scope.enter_context(_only_up(settings, say))
        with connect(settings, say, launch=launch) as attached:
            # Only now: before, a signal ends this command, and with it a stack that no other command uses.
            signals = scope.enter_context(_counted_signals())
            specs = service_processes(settings, flower=flower) if services is None else services
            held = launch or launch_of(settings)
            runner = ServiceRunner(attached, specs, say, held.stopped_s)
            stack = _HeldStack(settings, held, signals, say)
            try:
                last = stack.hold(attached, runner)
            finally:
                lock.note_stopping()
                runner.close()
        if last is not None:
            _until_ended(settings, last, signals, say)
    say("The stack has ended")


@contextmanager
def _only_up(settings: Settings, say: Say) -> Iterator[UpLock]:
    """Be the only one that holds the stack of the data folder.

    Raises:
        AlreadyUp: there is another one.
        StackUnavailable: the data folder cannot be written.
    """
    folder = Folder(settings.data_dir)
    with ExitStack() as scope:
        try:
            folder.create()
            lock = scope.enter_context(only_up(folder, say, FORMER_S + settings.shutdown_grace_s))
        except OSError as error:
            raise unusable(folder, error) from error
        yield lock


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


class _HeldStack:
    """The stack of one `docrelay up`: shown while it runs, and started again when it was killed."""

    def __init__(self, settings: Settings, launch: Launch, signals: _Signals, say: Say) -> None:
        self._settings = settings
        self._launch = launch
        self._signals = signals
        self._say = say
        self._last_line = ""
        self._losses = 0
        self._started = time.monotonic()
        self._vigil = Vigil(launch.stopped_s)
        self._frozen: dict[str, int] = {}

    def hold(self, attached: Settings, services: ServiceRunner) -> StackState | None:
        """Run the services and show the state of the stack until a signal; the last state.

        Raises:
            StackUnavailable: the stack ended by itself, or did not start again.
        """
        state = running(self._settings)
        while not self._signals.count:
            try:
                check(attached)
            except StackLost:
                attached = self._start_again() or attached
                services.use(attached)
                continue
            services.tick()
            state = running(self._settings) or state
            if state is not None:
                self._look(state)
            full = full_disk(self._settings)
            if full is not None:
                self._show(full.message, FULL)
            elif state is not None:
                self._show(_line(state, services))
            time.sleep(POLL_S)
        return state

    def _look(self, state: StackState) -> None:
        """Say which processes were frozen, and kill a supervisor that is: then the stack is lost, and started again."""
        frozen = {process.name: process.frozen for process in state.processes}
        for name, number in frozen.items():
            if number > self._frozen.get(name, 0):
                self._say(f"{name} was frozen and has been replaced")
        self._frozen = frozen
        if state.runs and self._vigil.look(state.pid):
            self._say("The supervisor of the stack was frozen")
            with suppress(ProcessLookupError):
                os.kill(state.pid, signal.SIGKILL)

    def _start_again(self) -> Settings | None:
        """Start a stack in the place of the one that was killed; None if a signal comes first.

        Raises:
            StackUnavailable: it did not start.
        """
        if time.monotonic() - self._started > STEADY_S:
            self._losses = 0
        self._losses += 1
        self._show("The supervisor of the stack was killed; the stack is started again, and its work goes on")
        launcher = Launcher(Folder(self._settings.data_dir), self._launch, self._say)
        began = time.monotonic()
        begin, deadline = began + backoff_s(self._losses, FIRST_PAUSE_S, LONGEST_PAUSE_S), began + START_S
        while not self._signals.count:
            now = time.monotonic()
            if now >= begin and (state := launcher.advance("redis")) is not None:
                self._started = now
                return self._settings.model_copy(update={"redis_url": state.redis_url})
            if now >= deadline:
                raise StackUnavailable("The stack was killed, and was not up again in time.")
            time.sleep(POLL_S)
        return None

    def _show(self, line: str, kind: str = "") -> None:
        """Say a line that differs from the last one; of one `kind`, whose lines differ in a figure, only the first."""
        if (kind or line) != self._last_line:
            self._say(line)
            self._last_line = kind or line


def _line(state: StackState, services: ServiceRunner) -> str:
    """What is ready, or waited for; a service that fails again and again is not waited for."""
    trouble = services.trouble
    waiting = [process.name for process in state.processes if process.state != "ready"]
    waiting += [name for name in services.waiting if name not in trouble]
    if waiting:
        return f"Waiting for {', '.join(waiting)}"
    if not trouble:
        return "The stack is ready; Ctrl-C stops it"
    reasons = "; ".join(f"{name} could not start and is tried again ({last})" for name, last in trouble.items())
    return f"The stack is ready, but {reasons}. Ctrl-C stops the stack"


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
    if state.runs:
        with suppress(ProcessLookupError):
            os.kill(state.pid, signal.SIGQUIT)
