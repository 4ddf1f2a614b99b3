"""The supervisor: one process per data folder that starts the processes of the stack, restarts and ends them.

It runs as `python -m pipeline.stack.supervisor` with a `Launch` as JSON on standard input. It ends by itself when no
command holds the lease of the data folder, on SIGTERM or SIGINT (workers may finish their work within `grace_s`; a
second signal, or SIGQUIT, cuts that short), and when the data folder is removed.
"""

from __future__ import annotations

import os
import signal
import sys
import time
from contextlib import suppress
from pathlib import Path
from types import FrameType

from pipeline.disk import disk_state
from pipeline.errors import StackUnavailable
from pipeline.gates_for_tests import SUPERVISOR, pass_gate
from pipeline.stack import state as states
from pipeline.stack.child import Child
from pipeline.stack.folder import Folder, rotate
from pipeline.stack.frozen import Vigil
from pipeline.stack.idle import IdleCheck
from pipeline.stack.lease import FileLock
from pipeline.stack.leftovers import kill_frozen_warden, kill_leftovers
from pipeline.stack.redis_server import RedisServer, find_server
from pipeline.stack.reporting import StateReporter, log
from pipeline.stack.spec import Launch, ProcessSpec
from pipeline.stack.state import Level
from pipeline.stack.warden import Warden

__all__ = ["Supervisor", "main"]

TICK_S = 0.1
LOCK_TIMEOUT_S = 2.0
WARDEN_TIMEOUT_S = 15.0
LOOK_S = 1.0
REDIS_GRACE_S = 3.0
REDIS_START_S = 1.0
ROTATE_INTERVAL_S = 60.0
REDIS_VARIABLE = "DOCRELAY_REDIS_URL"


class Supervisor:
    """The stack of one data folder, from the start of its first process to the end of its last one."""

    def __init__(self, launch: Launch, folder: Folder) -> None:
        self.launch = launch
        self.folder = folder
        self.warden = Warden(folder, stopped_s=launch.stopped_s)
        self.stop_signals = 0
        self.redis = RedisServer(find_server(bundled=launch.bundled_redis), folder.redis)
        self.redis_child = self._child_for_redis()
        self.workers = [self._child(spec) for spec in launch.processes]
        self._reporter = StateReporter(folder, launch.settings)
        self._idle_check = IdleCheck(folder, launch)
        self._rotated = self._looked = time.monotonic()

    @property
    def children(self) -> list[Child]:
        """All processes, Redis first."""
        return [self.redis_child, *self.workers]

    @property
    def level(self) -> Level:
        """How far the stack is."""
        if not self.redis_child.ready:
            return "starting"
        return "ready" if all(child.ready for child in self.workers) else "redis"

    def serve(self, stack_lock: FileLock) -> None:
        """Run until a signal, until no command uses the stack, or until the data folder is removed.

        Raises:
            StackUnavailable: a process ended again and again before it was ready.
        """
        while not self.stop_signals and stack_lock.intact() and not self._idle_check.is_idle():
            self.tick()
            time.sleep(TICK_S)

    def tick(self) -> None:
        """Check every process once: restart those that have ended, and see which are ready."""
        self.warden.ensure(child.sid for child in self.children if child.sid is not None)
        self._replace_frozen()
        for child in self.children:
            if child.has_exited:
                self._handle_exit(child)
            if child.is_due and (child is self.redis_child or self.redis_child.ready):
                self._start_or_fail(child)
        self._update_ready()
        self.publish(self.level)
        self._rotate_logs()

    def publish(self, level: Level, failure: StackUnavailable | None = None) -> None:
        """Write the state of the stack if it has changed."""
        processes = tuple(child.state() for child in self.children)
        self._reporter.report(level, self.redis, processes, failure, self.warden)

    def stop(self) -> None:
        """End every process: workers may finish within `grace_s`, Redis ends last."""
        for child in self.workers:
            child.terminate()
        self._wait(self.workers, self.launch.grace_s)
        for child in self.workers:
            child.kill()
        self.redis_child.terminate()
        self._wait([self.redis_child], REDIS_GRACE_S)
        self.redis_child.kill()
        self.redis.close()
        self.warden.close()

    def on_signal(self, number: int, frame: FrameType | None) -> None:
        """Handler: the first signal stops the stack in order, a second one or SIGQUIT stops it at once."""
        self.stop_signals += 2 if number == signal.SIGQUIT else 1

    def _child_for_redis(self) -> Child:
        return self._child(self.redis.spec)

    def _child(self, spec: ProcessSpec) -> Child:
        vigil = Vigil(self.launch.stopped_s, self.launch.silent_s)
        return Child(spec, self.folder, self.warden, self.launch.restart_delay_s, vigil)

    def _replace_frozen(self) -> None:
        """Kill the processes that are frozen, about once a second; they are started again as those that ended."""
        if time.monotonic() - self._looked < min(LOOK_S, self.launch.stopped_s / 4):
            return
        names = [child.spec.name for child in self.workers]
        pulses = self.redis.pulses(names) if self.redis_child.ready else None
        self._looked = time.monotonic()
        for child in self.children:
            pulse = (pulses or {}).get(child.spec.name)
            if child.vigil.look(child.sid, pulse, can_hear=pulses is not None):
                log("frozen", name=child.spec.name, pid=child.sid)
                child.replace_frozen()

    def _start_or_fail(self, child: Child) -> None:
        try:
            self._start(child)
        except OSError as error:
            raise StackUnavailable(
                f"The process {child.spec.name} cannot be run: {error}", f"Look at {child.log}"
            ) from error

    def _start(self, child: Child) -> None:
        if child is self.redis_child:
            if child.restarts and not self.redis.answered:
                self.redis.choose_port()
            child.start(dict(os.environ), self.redis.configuration)
            self._await_redis()
        else:
            child.start({**os.environ, REDIS_VARIABLE: self.redis.url})
        log("started", name=child.spec.name, pid=child.sid)

    def _await_redis(self) -> None:
        """Wait a moment for Redis to answer."""
        # It takes about 20 ms; waiting here saves commands the rest of a tick.
        deadline = time.monotonic() + REDIS_START_S
        while time.monotonic() < deadline and not self.redis_child.has_exited:
            if self.redis.answers():
                self.redis_child.ready = True
                return
            time.sleep(TICK_S / 10)

    def _handle_exit(self, child: Child) -> None:
        """Prepare the restart of a process that has ended.

        Raises:
            StackUnavailable: it ended too often before it was ready.
        """
        log("died", name=child.spec.name, pid=child.sid)
        child.handle_exit()
        disk = disk_state(self.folder.data_dir, self.launch.min_free_bytes, "min_free_mb")
        if disk is not None and disk.full:
            child.failed_starts = 0  # it may start as soon as there is room
        if child.failed_starts >= self.launch.max_failed_starts:
            lines = child.last_output().splitlines()
            raise StackUnavailable(
                f"The process {child.spec.name} ends again and again before it is ready"
                + (f"; the last it said: {lines[-1]}" if lines else "."),
                f"Look at {child.log}",
            )

    def _update_ready(self) -> None:
        """Note the processes that have become ready: Redis answers, and workers have written their pid to it."""
        if self.redis_child.sid is not None and not self.redis_child.ready:
            self.redis_child.ready = self.redis.answers()
        waiting = [child for child in self.workers if child.sid is not None and not child.ready]
        if waiting and self.redis_child.ready:
            pids = self.redis.ready_pids([child.spec.name for child in waiting])
            for child in waiting:
                child.ready = child.owns(pids.get(child.spec.name, 0))

    def _rotate_logs(self) -> None:
        if time.monotonic() - self._rotated > ROTATE_INTERVAL_S:
            self._rotated = time.monotonic()
            with suppress(OSError):  # the folder is being removed, which ends the stack in order
                for path in self.folder.logs.glob("*.out"):
                    rotate(path)

    def _wait(self, children: list[Child], seconds: float) -> None:
        """Wait until these processes have ended, for so many seconds; a second signal ends the wait."""
        deadline = time.monotonic() + seconds
        while self.stop_signals < 2 and time.monotonic() < deadline:
            if all(child.sid is None or child.has_exited for child in children):
                return
            time.sleep(TICK_S / 2)


def main() -> int:
    """Run the stack that standard input describes.

    Returns:
        The exit status; 0 also if another supervisor runs the stack of this data folder already.
    """
    launch = Launch.from_json(sys.stdin.read())
    folder = Folder(Path(launch.data_dir))
    with FileLock(folder.stack_lock) as stack_lock, FileLock(folder.warden_lock) as warden_lock:
        if not _acquire(stack_lock, folder):
            return 0
        kill_frozen_warden(folder)
        if not warden_lock.acquire(timeout_s=WARDEN_TIMEOUT_S):
            failure = StackUnavailable("The processes of an earlier stack do not end.", "Kill them.")
            StateReporter(folder).report("failed", failure=failure)
            return 1
        kill_leftovers(folder)
        warden_lock.release()
        pass_gate(SUPERVISOR, str(os.getpid()))
        return run(launch, folder, stack_lock)


def _acquire(stack_lock: FileLock, folder: Folder) -> bool:
    """Take the lock of the stack; False if another supervisor has it."""
    # Commands test the lock by taking it for an instant, so one failed try does not mean that a stack runs.
    deadline = time.monotonic() + LOCK_TIMEOUT_S
    while not stack_lock.acquire():
        if states.current(folder) or time.monotonic() > deadline:
            return False
        time.sleep(TICK_S / 5)
    return True


def run(launch: Launch, folder: Folder, stack_lock: FileLock) -> int:
    """Run the stack and, whatever happens, stop it.

    Returns:
        The exit status.
    """
    try:
        supervisor = Supervisor(launch, folder)
    except StackUnavailable as error:
        StateReporter(folder).report("failed", failure=error)
        return 1
    _handle_signals(supervisor)
    failure: StackUnavailable | None = None
    try:
        supervisor.publish("starting")
        supervisor.serve(stack_lock)
    except StackUnavailable as error:
        failure = error
    except Exception as error:  # entry point of the process: commands that wait for the stack learn of any failure
        failure = StackUnavailable(f"The supervisor failed: {error!r}", f"Look at {folder.log('supervisor')}")
    try:
        supervisor.publish("failed" if failure else "stopping", failure)
    finally:
        supervisor.stop()
    supervisor.publish("failed" if failure else "stopped", failure)
    log("stopped", failure=failure.message if failure else "")
    return 1 if failure else 0


def _handle_signals(supervisor: Supervisor) -> None:
    # Signals that the parent of the command ignored or blocked are inherited, and would hide the exit of children.
    signal.pthread_sigmask(signal.SIG_SETMASK, ())
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    signal.signal(signal.SIGHUP, signal.SIG_IGN)
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGQUIT):
        signal.signal(number, supervisor.on_signal)


if __name__ == "__main__":
    sys.exit(main())
