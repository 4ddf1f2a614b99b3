"""A command's side of the stack: find it or start it, hold it, see it."""

from __future__ import annotations

import os
import subprocess
import sys
import sysconfig
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Literal
from urllib.parse import urlsplit

import redis
from redis.backoff import NoBackoff
from redis.retry import Retry

from pipeline.errors import StackUnavailable
from pipeline.settings import CONFIG_VARIABLE, ENV_PREFIX, TEST_PREFIX, Settings
from pipeline.stack.folder import Folder, bound, tail
from pipeline.stack.lease import FileLock, is_locked
from pipeline.stack.process_plan import processes
from pipeline.stack.spec import Launch
from pipeline.stack.state import StackState, current, is_same_process, read

__all__ = ["Say", "check", "connect", "inherited", "peek", "running"]

Say = Callable[[str], None]
POLL_S = 0.03
PEEK_S = 2.0
PING_S = 5.0
QUIET_S = 1.0
OF_A_COMMAND = {ENV_PREFIX + name for name in ("COLLECTION", "WORKFLOW", "PRIORITY", "LOG_LEVEL", "LOG_TO", "DATA_DIR")}
"""Settings that a command uses by itself: the workers never look at them."""

STOPPING = "Waiting for a stack that is just stopping"
MOST_SPAWNS = 5
NO_RETRY = Retry(NoBackoff(), 0)
LOST = (redis.RedisError, OSError, StackUnavailable)


@contextmanager
def connect(
    settings: Settings,
    say: Say | None = None,
    timeout_s: float = 60.0,
    until: Literal["redis", "ready"] = "redis",
    launch: Launch | None = None,
) -> Iterator[Settings]:
    """Settings with `redis_url` filled in, for a block during which the stack lives.

    With `redis_url` set by the user it is only tried. Otherwise the private stack of the data folder is
    found or started; it stops by itself some time after the last block of all commands ends.

    Args:
        settings: the settings; `data_dir` names the stack.
        say: takes lines about what is waited for.
        timeout_s: longest wait until the stack is there.
        until: `redis` to go on when work may be submitted, `ready` when every worker is up.
        launch: another stack than the one that follows from the settings.

    Raises:
        StackUnavailable: Redis does not answer, the stack did not start, or it was lost inside the block.
    """
    if settings.redis_url is not None:
        _ping(settings.redis_url)
        yield settings
        return
    folder, deadline, tell = Folder(settings.data_dir), time.monotonic() + timeout_s, say or _silent
    with _lease(folder, deadline, tell):
        wanted = launch or Launch(str(settings.data_dir), tuple(processes(settings)))
        state = _Arrival(folder, wanted, tell).wait(until, deadline)
        attached = settings.model_copy(update={"redis_url": state.redis_url})
        try:
            yield attached
        except LOST as error:
            _explain(attached, error)
            raise


@contextmanager
def peek(settings: Settings) -> Iterator[Settings | None]:
    """Like `connect`, but nothing is ever started: None when no stack can be reached."""
    if settings.redis_url is not None:
        yield settings if _answers(settings.redis_url) else None
        return
    folder = Folder(settings.data_dir)
    lease = FileLock(folder.lease)
    with lease:
        # A supervisor that looks whether anybody is left holds the lock for an instant.
        if folder.lease.exists() and lease.acquire(shared=True, timeout_s=PEEK_S):
            state = _usable(folder)
            yield settings.model_copy(update={"redis_url": state.redis_url}) if state else None
        else:
            yield None


def running(settings: Settings) -> StackState | None:
    """The private stack of the data folder as it is now, None when none lives; nothing is started."""
    return None if settings.redis_url is not None else current(Folder(settings.data_dir))


def is_private(attached: Settings) -> bool:
    """Whether these settings lead to the private stack of their data folder."""
    known = read(Folder(attached.data_dir).state)
    return known is not None and known.redis_url == attached.redis_url


def check(attached: Settings) -> None:
    """Make sure that the stack of a `connect` block still lives.

    Raises:
        StackUnavailable: it has ended, and why.
    """
    folder = Folder(attached.data_dir)
    known = read(folder.state)
    if known is None or known.redis_url != attached.redis_url:
        _ping(str(attached.redis_url))
        return
    if known.level == "failed":
        raise StackUnavailable(known.error, known.hint)
    if known.level in ("stopping", "stopped") or not current(folder):
        raise StackUnavailable(
            "The private stack ended while this command used it.",
            f"Run the command again; the logs are in {folder.logs}",
        )


class _Arrival:
    """Waits for a stack, starting one whenever none lives."""

    def __init__(self, folder: Folder, launch: Launch, say: Say) -> None:
        self._folder = folder
        self._launch = launch
        self._say = say
        self._said = ""
        self._spawned: subprocess.Popen[bytes] | None = None
        self._spawns = 0
        former = read(folder.state)
        self._former = former.id if former and not is_same_process(former.pid, former.created) else ""

    def wait(self, until: str, deadline: float) -> StackState:
        while time.monotonic() < deadline:
            state = current(self._folder)
            if state and state.usable and until in ("redis", state.level):
                self._compare(state)
                return state
            self._raise_failure()
            self._tell(state)
            if not is_locked(self._folder.stack) and not self._is_starting():
                self._spawn()
            time.sleep(POLL_S)
        raise StackUnavailable("The stack was not up in time.", f"The logs are in {self._folder.logs}")

    def _compare(self, state: StackState) -> None:
        """Say so when the running workers are set to something else than this command."""
        wanted = self._launch.settings
        other = {name for name in wanted.keys() | state.settings.keys() if wanted.get(name) != state.settings.get(name)}
        names = sorted(name.removeprefix(ENV_PREFIX).lower() for name in other if name not in OF_A_COMMAND)
        if names:
            self._say(
                f"The running stack was started with other settings, which count until it ends: {', '.join(names)}"
            )

    def _raise_failure(self) -> None:
        state = read(self._folder.state)
        if state and state.level == "failed" and state.id != self._former:
            raise StackUnavailable(state.error, state.hint)

    def _is_starting(self) -> bool:
        return self._spawned is not None and self._spawned.returncode is None

    def _spawn(self) -> None:
        self._raise_failure()
        status = self._spawned.returncode if self._spawned else 0
        # Below zero: somebody killed it, which is no reason not to try again.
        if status > 0 or self._spawns == MOST_SPAWNS:
            log = self._folder.log("supervisor")
            words = tail(log, 1) or f"its supervisor ended with status {status}"
            raise StackUnavailable(f"The stack could not be started: {words}", f"Look at {log}")
        self._spawns += 1
        self._spawned = _spawn(self._folder, self._launch)

    def _tell(self, state: StackState | None) -> None:
        if state is None:
            line = f"Starting the stack in {self._folder.data_dir}"
        elif state.level == "stopping":
            line = STOPPING
        else:
            waiting = [part.name for part in state.processes if part.state != "ready"]
            line = f"Waiting for {', '.join(waiting)}"
        if line != self._said:
            self._say(line)
            self._said = line


@contextmanager
def _lease(folder: Folder, deadline: float, say: Say) -> Iterator[None]:
    with FileLock(folder.lease) as lease:
        try:
            folder.create()
            held = _share(lease, deadline, say)
        except OSError as error:
            raise StackUnavailable(
                f"The data folder {folder.data_dir} cannot be used: {error.strerror}.",
                "Give another one with --data-dir.",
            ) from error
        if not held:
            raise StackUnavailable(f"The stack in {folder.data_dir} is stopping and does not end.", "Try again later.")
        yield


def _share(lease: FileLock, deadline: float, say: Say) -> bool:
    # A supervisor that only looks whether anybody is left lets go at once; one that stops does not.
    if lease.acquire(shared=True, timeout_s=QUIET_S):
        return True
    say(STOPPING)
    return lease.acquire(shared=True, timeout_s=max(0.0, deadline - time.monotonic()))


def _spawn(folder: Folder, launch: Launch) -> subprocess.Popen[bytes]:
    log = folder.log("supervisor")
    bound(log)
    with os.fdopen(os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600), "wb") as output:
        process = subprocess.Popen(
            [sys.executable, "-m", "pipeline.stack.supervisor"],
            stdin=subprocess.PIPE,
            stdout=output,
            stderr=output,
            env=inherited(),
            start_new_session=True,
        )
    if process.stdin is not None:
        with suppress(BrokenPipeError), process.stdin:  # it died at once; its exit status says so
            process.stdin.write(launch.to_json().encode())
    # It outlives this command; while both live, somebody must ask for its exit status.
    threading.Thread(target=process.wait, name="reaper", daemon=True).start()
    return process


def inherited() -> dict[str, str]:
    """Ours, for a process whose settings come from its `ProcessSpec` alone.

    PYTHONSAFEPATH keeps a `redis.py` among the user's own files in the working folder from being imported.
    """
    kept = {
        name: value
        for name, value in os.environ.items()
        if not name.startswith(ENV_PREFIX) or name.startswith(TEST_PREFIX)
    }
    if CONFIG_VARIABLE in os.environ:
        kept[CONFIG_VARIABLE] = str(Path(os.environ[CONFIG_VARIABLE]).absolute())
    home = str(Path(__file__).absolute().parents[2])
    if home not in (sysconfig.get_path("purelib"), sysconfig.get_path("platlib")):
        kept["PYTHONPATH"] = os.pathsep.join(filter(None, [home, os.environ.get("PYTHONPATH", "")]))
    return {**kept, "PYTHONSAFEPATH": "1"}


def _usable(folder: Folder) -> StackState | None:
    deadline = time.monotonic() + PEEK_S
    while is_locked(folder.stack) and time.monotonic() < deadline:
        state = current(folder)
        if state and state.usable:
            return state
        time.sleep(POLL_S)
    return None


def _explain(attached: Settings, error: Exception) -> None:
    try:
        check(attached)
    except StackUnavailable as reason:
        raise reason from error


def _answers(url: str) -> bool:
    try:
        _ping(url)
    except StackUnavailable:
        return False
    return True


def _ping(url: str) -> None:
    try:
        with redis.Redis.from_url(url, retry=NO_RETRY, socket_timeout=PING_S, socket_connect_timeout=PING_S) as client:
            client.ping()
    except (redis.RedisError, ValueError, OSError) as error:
        host = urlsplit(url).hostname or "redis_url"
        raise StackUnavailable(
            f"Redis at {host} does not answer: {error}", "Check DOCRELAY_REDIS_URL, and that the server runs."
        ) from error


def _silent(line: str) -> None:
    return
