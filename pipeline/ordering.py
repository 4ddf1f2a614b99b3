"""Jobs over paths, ordered by somebody who does not wait: promised in the catalog, taken in afterwards."""

from __future__ import annotations

import threading
from collections.abc import Iterator, Sequence
from dataclasses import replace
from fnmatch import fnmatchcase
from itertools import islice
from pathlib import Path
from typing import Any

import redis
import sqlalchemy as sa
import structlog
from sqlalchemy.engine import Connection

from pipeline.catalog import answers, jobs, orders
from pipeline.catalog.engine import writing
from pipeline.catalog.outbox import attach
from pipeline.catalog.writer import GroupWriter
from pipeline.errors import BadRequest, PathNotAllowed, Unreadable
from pipeline.intake import take_in
from pipeline.liveness import door_of, is_alive
from pipeline.request import Request
from pipeline.services import Services
from pipeline.submission import record_job
from pipeline.tags import canonical
from pipeline.uploads import Extra
from pipeline.walk import Candidate, source_of, walk

__all__ = ["Taker", "confined", "place"]

log = structlog.get_logger()

LOOK_S = 5.0
LOOKED_AT = 10_000
"""Files that are looked at for one that matches, before the order is accepted."""


def confined(paths: Sequence[str], roots: Sequence[str]) -> list[Path]:
    """The paths, every one below one of the roots, whatever links lead to it.

    Raises:
        PathNotAllowed: one is not, or it is not absolute, or there are no roots.
        BadRequest: one does not exist.
    """
    allowed = [Path(root).expanduser().resolve() for root in roots]
    found = []
    for text in paths:
        if not text.startswith("/") or "\x00" in text:
            raise PathNotAllowed(f"{text!r} is not an absolute path.")
        path = Path(text)
        try:
            real = path.resolve()
        except (OSError, RuntimeError):
            raise PathNotAllowed from None
        # Who may not go there does not learn what is there.
        if not any(real.is_relative_to(root) for root in allowed):
            raise PathNotAllowed
        if not real.exists():
            raise BadRequest(f"There is no file or folder {source_of(path)}.", "Check the path.")
        found.append(path)
    return found


def place(services: Services, writer: GroupWriter, request: Request, pattern: str | None, extra: Extra) -> str:
    """Promise to take in what the paths name; a `Taker` does it.

    Args:
        services: the engine's services.
        writer: commits the promise.
        request: checked before; its paths are `confined`.
        pattern: a glob over a file's name or its path below what was named; None takes every file.
        extra: the Idempotency-Key, the webhook, the API key.

    Returns:
        The job's id.

    Raises:
        BadRequest: there is no such file.
        OtherRequest: the Idempotency-Key stands for another request.
    """
    if not list(islice(_found(services, request.paths, pattern, LOOKED_AT), 1)):
        raise BadRequest("There are no files in what was named.", "Name a file, or a folder with files in it.")
    told = {"paths": [str(path) for path in request.paths], "glob": pattern, "tags": canonical(request.tags)}

    def change(connection: Connection) -> str:
        before = extra.once and answers.known(connection, extra.once.scope, extra.once.request)
        if before:
            return str(before["job_id"])
        job_id = record_job(connection, services, request, ())
        orders.place(connection, job_id, told)
        attach(connection, job_id, extra.hook, extra.key_id)
        if extra.once is not None:
            answers.keep(connection, extra.once.scope, extra.once.request, {"job_id": job_id})
        return job_id

    return writer.do(change)


class Taker:
    """Carries out orders in a thread, one after another; what a killed process has left undone, too."""

    def __init__(self, services: Services) -> None:
        self._services = services
        self._news = threading.Event()
        self._ended = False
        self._thread = threading.Thread(target=self._work, name="orders", daemon=True)
        self._thread.start()

    def wake(self) -> None:
        """There is a new order."""
        self._news.set()

    def close(self) -> None:
        """Begin no further order. The one under way is left to the next start, if it takes long."""
        self._ended = True
        self._news.set()
        self._thread.join(2.0)

    def _work(self) -> None:
        while not self._ended:
            try:
                with self._services.catalog.connect() as connection:
                    found = orders.pending(connection)
                for job_id, request in found:
                    if not self._ended and not is_alive(self._services.redis, door_of(job_id)):
                        _carry_out(self._services, job_id, request)
            except (redis.RedisError, sa.exc.DBAPIError, OSError) as error:
                log.warning("orders.failed", error=str(error))
            self._news.wait(LOOK_S)
            self._news.clear()


def _carry_out(services: Services, job_id: str, request: dict[str, Any]) -> None:
    paths = [Path(path) for path in request["paths"]]
    try:
        confined(request["paths"], services.settings.api_roots)
        found = list(_found(services, paths, request["glob"]))
    except (BadRequest, PathNotAllowed) as gone:
        found = [Candidate(path, source_of(path), 0, Unreadable(gone.message)) for path in paths]
    with writing(services.catalog) as connection:
        jobs.expect(connection, job_id, sum(one.size + jobs.OVERHEAD_BYTES for one in found))
    tags = canonical(request["tags"])
    take_in(services, job_id, [replace(one, tags=tags) for one in found])
    with writing(services.catalog) as connection:
        orders.done(connection, job_id)


def _found(
    services: Services, paths: Sequence[Path], pattern: str | None, most: int | None = None
) -> Iterator[Candidate]:
    settings = services.settings
    for candidate in islice(walk(paths, settings.max_file_mb << 20, settings.data_dir), most):
        if pattern is None or _matches(candidate, paths, pattern):
            yield candidate


def _matches(candidate: Candidate, paths: Sequence[Path], pattern: str) -> bool:
    if fnmatchcase(candidate.path.name, pattern):
        return True
    below = (path for path in paths if candidate.path.is_relative_to(path))
    return any(fnmatchcase(str(candidate.path.relative_to(path)), pattern) for path in below)
