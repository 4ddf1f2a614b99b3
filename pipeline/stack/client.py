"""Use a stack from a command: find or start it, hold it while it is used, check that it still runs."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from urllib.parse import urlsplit

import redis
from redis.backoff import NoBackoff
from redis.retry import Retry

from pipeline.disk import MB
from pipeline.errors import StackLost, StackUnavailable
from pipeline.settings import Settings
from pipeline.stack.folder import Folder
from pipeline.stack.launcher import STOPPING, Launcher, Readiness, Say
from pipeline.stack.lease import FileLock, is_locked
from pipeline.stack.process_plan import processes
from pipeline.stack.services import service_states
from pipeline.stack.spec import Launch
from pipeline.stack.state import ProcessState, StackState, current, read

__all__ = ["Say", "check", "connect", "is_private", "launch_of", "peek", "running", "states", "unusable"]

POLL_S = 0.03
PEEK_TIMEOUT_S = 2.0
PING_TIMEOUT_S = 5.0
HAND_BACK_S = 2.0
"""Time that a worker has, after its grace, to hand back what it has not finished."""

LEASE_CHECK_S = 1.0
"""A supervisor that checks whether a command still uses the stack holds the lease for less than this."""

ENDED = "The private stack ended while this command used it."

CONNECTION_ERRORS = (redis.RedisError, OSError, StackUnavailable)


@contextmanager
def connect(
    settings: Settings,
    say: Say | None = None,
    timeout_s: float = 60.0,
    until: Readiness = "redis",
    launch: Launch | None = None,
) -> Iterator[Settings]:
    """Settings with `redis_url` filled in, for a block during which the stack runs.

    A `redis_url` of the user is only pinged. Otherwise the private stack of the data folder is used, and started if it
    does not run; it stops by itself some time after the last block of all commands has ended.

    Args:
        settings: the settings; `data_dir` names the stack.
        say: takes lines about what is waited for.
        timeout_s: longest wait until the stack is there, beside the grace of one that is stopping.
        until: `redis` to go on when work may be submitted, `ready` when every worker is up.
        launch: the stack to start, in place of the one that follows from the settings.

    Raises:
        StackUnavailable: Redis does not answer, the stack did not start, or it ended during the block.
    """
    if settings.redis_url is not None:
        _ping(settings.redis_url)
        yield settings
        return
    folder, say = Folder(settings.data_dir), say or _say_nothing
    deadline = time.monotonic() + timeout_s + settings.shutdown_grace_s  # a stack that stops there takes its grace
    with _shared_lease(folder, deadline, say):
        state = Launcher(folder, launch or launch_of(settings), say).wait(until, deadline)
        attached = settings.model_copy(update={"redis_url": state.redis_url})
        try:
            yield attached
        except CONNECTION_ERRORS as error:
            _raise_stack_failure(attached, error)
            raise


def launch_of(settings: Settings) -> Launch:
    """The stack that follows from the settings."""
    return Launch(
        str(settings.data_dir),
        tuple(processes(settings)),
        grace_s=settings.shutdown_grace_s + HAND_BACK_S,
        min_free_bytes=max(settings.min_free_mb, 1) * MB,
    )


@contextmanager
def peek(settings: Settings) -> Iterator[Settings | None]:
    """Like `connect`, but a stack is never started: None if none can be reached."""
    if settings.redis_url is not None:
        yield settings if _answers(settings.redis_url) else None
        return
    folder = Folder(settings.data_dir)
    lease = FileLock(folder.lease_lock)
    with lease:
        # A supervisor that checks whether a command uses the stack holds the lock for an instant.
        if folder.lease_lock.exists() and lease.acquire(shared=True, timeout_s=PEEK_TIMEOUT_S):
            state = _usable_state(folder)
            yield settings.model_copy(update={"redis_url": state.redis_url}) if state else None
        else:
            yield None


def running(settings: Settings) -> StackState | None:
    """The private stack of the data folder as it is now; None if none runs. Nothing is started."""
    return None if settings.redis_url is not None else current(Folder(settings.data_dir))


def states(settings: Settings) -> list[ProcessState]:
    """The processes of the private stack that runs in the data folder, and of the services of `docrelay up` there."""
    folder = Folder(settings.data_dir)
    stack = current(folder) if settings.redis_url is None or is_private(settings) else None
    return [*stack.processes, *service_states(folder)] if stack else []


def is_private(attached: Settings) -> bool:
    """Whether `redis_url` of these settings is that of the private stack of their data folder."""
    known = read(Folder(attached.data_dir).state_file)
    return known is not None and known.redis_url == attached.redis_url


def check(attached: Settings) -> None:
    """Check that the stack of a `connect` block still runs.

    Raises:
        StackLost: its supervisor was killed, or another stack runs in its place: the caller may connect again.
        StackUnavailable: it has ended, and why.
    """
    folder, url = Folder(attached.data_dir), str(attached.redis_url)
    known = read(folder.state_file)
    if known is None or known.redis_url != url:
        if known is None or not _is_of_private_stack(url):
            _ping(url)
        elif not _answers(url):
            raise StackLost(ENDED, _hint(folder))
        return
    if known.failure is not None:
        raise known.failure
    if known.level in ("stopping", "stopped"):
        raise StackUnavailable(ENDED, _hint(folder))
    if not current(folder):
        raise StackLost(ENDED, _hint(folder))


@contextmanager
def _shared_lease(folder: Folder, deadline: float, say: Say) -> Iterator[None]:
    """Hold a share of the lease, so that the supervisor does not end the stack.

    Raises:
        StackUnavailable: the data folder cannot be written, or a stack stops there and does not end in time.
    """
    with FileLock(folder.lease_lock) as lease:
        try:
            folder.create()
            is_held = _acquire_share(lease, deadline, say)
        except OSError as error:
            raise unusable(folder, error) from error
        if not is_held:
            raise StackUnavailable(f"The stack in {folder.data_dir} is stopping and does not end.", "Try again later.")
        yield


def unusable(folder: Folder, error: OSError) -> StackUnavailable:
    """The error for a data folder that cannot be written."""
    return StackUnavailable(
        f"The data folder {folder.data_dir} cannot be used: {error.strerror}.", "Give another one with --data-dir."
    )


def _acquire_share(lease: FileLock, deadline: float, say: Say) -> bool:
    """Take a share of the lease; False if a stack that stops keeps it until the deadline."""
    # A supervisor that only checks the lease releases it at once; one that stops keeps it until it has ended.
    if lease.acquire(shared=True, timeout_s=LEASE_CHECK_S):
        return True
    say(STOPPING)
    return lease.acquire(shared=True, timeout_s=max(0.0, deadline - time.monotonic()))


def _usable_state(folder: Folder) -> StackState | None:
    """The state of a running stack, for which a start is waited a moment; None if none can be used."""
    deadline = time.monotonic() + PEEK_TIMEOUT_S
    while is_locked(folder.stack_lock) and time.monotonic() < deadline:
        state = current(folder)
        if state and state.usable:
            return state
        time.sleep(POLL_S)
    return None


def _raise_stack_failure(attached: Settings, error: Exception) -> None:
    """Raise why the stack has ended, in place of an error that follows from it."""
    try:
        check(attached)
    except StackUnavailable as reason:
        raise reason from error


def _hint(folder: Folder) -> str:
    return f"Run the command again; the logs are in {folder.logs}"


def _is_of_private_stack(url: str) -> bool:
    """Whether the URL has the form of a private Redis: on the loopback address, with a password and no user."""
    return url.startswith("redis://:") and "@127.0.0.1:" in url


def _answers(url: str) -> bool:
    try:
        _ping(url)
    except StackUnavailable:
        return False
    return True


def _ping(url: str) -> None:
    """Ask Redis once.

    Raises:
        StackUnavailable: it does not answer.
    """
    try:
        with redis.Redis.from_url(
            url, retry=Retry(NoBackoff(), 0), socket_timeout=PING_TIMEOUT_S, socket_connect_timeout=PING_TIMEOUT_S
        ) as client:
            client.ping()
    except (redis.RedisError, ValueError, OSError) as error:
        host = urlsplit(url).hostname or "redis_url"
        raise StackUnavailable(
            f"Redis at {host} does not answer: {error}", "Check DOCRELAY_REDIS_URL, and that the server runs."
        ) from error


def _say_nothing(line: str) -> None:
    return
