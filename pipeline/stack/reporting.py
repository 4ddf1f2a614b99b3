"""What a supervisor reports: the state of the stack for commands, and its own log."""

from __future__ import annotations

import json
import os
import uuid
from contextlib import suppress
from datetime import UTC, datetime

import psutil

from pipeline.errors import StackUnavailable
from pipeline.stack.folder import Folder
from pipeline.stack.redis_server import RedisServer
from pipeline.stack.session import identity
from pipeline.stack.state import Level, ProcessState, StackState, write
from pipeline.stack.warden import Warden

__all__ = ["StateReporter", "log"]


class StateReporter:
    """Writes the state of a stack to `stack.json` whenever it has changed."""

    def __init__(self, folder: Folder, settings: dict[str, str] | None = None) -> None:
        self._path = folder.state_file
        self._settings = settings or {}
        self._id = uuid.uuid4().hex
        self._created = psutil.Process().create_time()
        self._identity = identity(os.getpid())
        self._started_at = datetime.now(UTC).isoformat(timespec="seconds")
        self._last: StackState | None = None
        self._trouble = ""

    def report(
        self,
        level: Level,
        redis: RedisServer | None = None,
        processes: tuple[ProcessState, ...] = (),
        failure: StackUnavailable | None = None,
        warden: Warden | None = None,
    ) -> None:
        """Write the state; a data folder that is removed or full does not end the stack.

        Args:
            level: how far the stack is.
            redis: its Redis; None before there is one.
            processes: state of each process.
            failure: why the stack has failed, at level `failed`.
            warden: its warden; None before there is one.
        """
        port, url = (redis.port, redis.url) if redis else (0, "")
        new = StackState(
            id=self._id,
            pid=os.getpid(),
            created=self._created,
            started_at=self._started_at,
            level=level,
            port=port,
            redis_url=url,
            processes=processes,
            error=failure.message if failure else "",
            hint=failure.hint if failure else "",
            settings=self._settings,
            warden=(warden.pid if warden else None) or 0,
            warden_created=warden.created if warden else 0.0,
            identity=self._identity,
            warden_identity=warden.identity if warden else "",
        )
        if new == self._last:
            return
        try:
            write(self._path, new)
            self._last, self._trouble = new, ""
        except OSError as error:
            if str(error) != self._trouble:  # it is tried again at every tick
                log("state not written", error=str(error))
            self._trouble = str(error)


def log(event: str, **fields: object) -> None:
    """Write one line of JSON to the supervisor's log, which is its standard output.

    A line that a full disk does not take is dropped: the supervisor must not end because of it. It is written past the
    buffer of `sys.stdout`, which would keep such a line and raise the error again at the exit.
    """
    line = json.dumps({"at": datetime.now(UTC).isoformat(), "event": event, **fields})
    with suppress(OSError):
        os.write(1, f"{line}\n".encode())
