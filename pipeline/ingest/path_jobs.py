"""Path jobs: a request names paths, and does not wait. An order in the catalog keeps them; they are ingested later."""

from __future__ import annotations

import os
import threading
from collections.abc import Iterator, Sequence
from dataclasses import replace
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any

import redis
import structlog

from pipeline.backoff import backoff_s
from pipeline.catalog import CATALOG_ERRORS, Connection
from pipeline.catalog.database.connection import writing
from pipeline.catalog.database.group_commit import GroupWriter
from pipeline.catalog.documents import records
from pipeline.catalog.work import jobs, orders
from pipeline.catalog.work.failures import Failure
from pipeline.catalog.work.orders import Order
from pipeline.catalog.work.outbox import attach
from pipeline.errors import BadRequest, InProgress, PathNotAllowed, PipelineError, Unreadable
from pipeline.errors.problem import problem_of
from pipeline.ingest.intake import ingest_files, sole_intake
from pipeline.ingest.request import Request
from pipeline.ingest.roots import resolve_below, resolve_roots
from pipeline.ingest.submit import new_job, record_job
from pipeline.ingest.submit_options import SubmitOptions, find_answer, store_answer
from pipeline.ingest.walk import Candidate, source_of, walk_files
from pipeline.services import Services
from pipeline.types import canonical

__all__ = ["FILES_CHECKED", "PathJobRunner", "allowed_paths", "matching_files", "require_match", "submit_paths_job"]

log = structlog.get_logger()

POLL_S = 5.0
"""Seconds between two reads of the orders, if none is announced."""

FILES_CHECKED = 10_000
"""Files that are compared with the pattern before the order is accepted."""

UNAVAILABLE: tuple[type[Exception], ...] = (redis.RedisError, *CATALOG_ERRORS)
"""Redis or the catalog cannot be reached: this is no fault of an order, and all orders wait."""

MAX_TRIES = 5
FIRST_PAUSE_S = 5.0
"""An order that fails is tried again after this time, then after twice as long, and so on."""


def allowed_paths(paths: Sequence[str], roots: Sequence[str]) -> list[Path]:
    """Check that each path lies below one of the roots, with all links followed.

    A file is checked again when it is opened (`Candidate.within`): a link may be made at any time.

    Returns:
        The paths, as they are named.

    Raises:
        PathNotAllowed: a path is outside, not absolute, or has `..` in it; or there are no roots.
        BadRequest: a path does not exist.
    """
    allowed = resolve_roots(roots)
    checked = []
    for text in paths:
        path = Path(text)
        # After a link, `..` leads to different folders by name and by link.
        if not text.startswith("/") or "\x00" in text or ".." in path.parts:
            raise PathNotAllowed(f"{text!r} is not an absolute path without `..`.")
        try:
            real = resolve_below(path, allowed)
        except OSError:
            raise PathNotAllowed from None
        # The sender must not learn which paths exist outside the roots.
        if real is None:
            raise PathNotAllowed
        if not os.path.exists(real):  # noqa: PTH110 - Path.exists raises for a name that is too long
            raise BadRequest(f"There is no file or folder {source_of(path)}.", "Check the path.")
        checked.append(path)
    return checked


def submit_paths_job(
    services: Services, writer: GroupWriter, request: Request, pattern: str | None, options: SubmitOptions
) -> str:
    """Record a job over paths, and the order to ingest them; a `PathJobRunner` carries it out.

    Args:
        services: the engine's services.
        writer: commits the job and its order.
        request: a checked request; its paths are those of `allowed_paths`.
        pattern: a glob over a file's name or its path below what was named; None for every file.
        options: the Idempotency-Key, the webhook, the API key.

    Returns:
        The job's id.

    Raises:
        BadRequest: there is no such file.
        OtherRequest: the Idempotency-Key stands for another request.
    """
    require_match(services, request.paths, pattern)
    order = {"paths": [str(path) for path in request.paths], "glob": pattern, "tags": canonical(request.tags)}

    request = replace(request, confined=True)
    job = new_job(services, request)

    def change(connection: Connection) -> str:
        earlier = find_answer(connection, options.idempotent)
        if earlier is not None:
            return str(earlier["job_id"])
        job_id = record_job(connection, services, request, (), job=job).id
        orders.add(connection, job_id, order)
        attach(connection, job_id, options.hook, options.key_id)
        store_answer(connection, options.idempotent, {"job_id": job_id})
        return job_id

    return writer.run(change)


class PathJobRunner:
    """Carries out orders in a thread, one after another; also those that a killed process has left."""

    def __init__(self, services: Services) -> None:
        self._services = services
        self._news = threading.Event()
        self._ended = False
        self._thread = threading.Thread(target=self._work, name="orders", daemon=True)
        self._thread.start()

    def wake(self) -> None:
        """Read the orders now: there is a new one."""
        self._news.set()

    def close(self) -> None:
        """Begin no further order. One that does not end soon is carried out again after the next start."""
        self._ended = True
        self._news.set()
        self._thread.join(2.0)

    def _work(self) -> None:
        while not self._ended:
            try:
                self._round()
            except UNAVAILABLE as error:
                log.warning("orders.waiting", error=str(error))
            except Exception:  # the thread goes on after any error, with the next round
                log.exception("orders.failed")
            self._news.wait(POLL_S)
            self._news.clear()

    def _round(self) -> None:
        with self._services.catalog.connect() as connection:
            due = orders.list_due(connection)
        for order in due:
            if self._ended:
                return
            try:
                with sole_intake(self._services, order.job_id):
                    _carry_out(self._services, order.job_id, order.request)
            except InProgress:
                continue  # another API of the stack carries it out
            except UNAVAILABLE:
                raise
            except Exception as error:  # any error of an order: the orders after it are carried out
                log.warning("order.failed", job=order.job_id, tries=order.tries + 1, exc_info=error)
                _put_off(self._services, order, error)


def _put_off(services: Services, order: Order, error: Exception) -> None:
    """Try an order again later; after `MAX_TRIES` record its paths as failed, with the error, and end its job."""
    last = order.tries + 1 >= MAX_TRIES
    with writing(services.catalog) as connection:
        if not last:
            orders.postpone(connection, order.job_id, backoff_s(order.tries + 1, FIRST_PAUSE_S, orders.LONGEST_PAUSE_S))
            return
        cause = _cause(error)
        for path in order.request["paths"]:
            records.reject(connection, order.job_id, source_of(Path(path)), 0, cause)
        orders.mark_done(connection, order.job_id)
        jobs.finish_intake(connection, order.job_id)
    services.announce(order.job_id)


def _cause(error: Exception) -> Failure:
    if isinstance(error, OSError):
        error = Unreadable(f"It cannot be read: {error.strerror or type(error).__name__}.")
    reason = error if isinstance(error, PipelineError) else PipelineError("It could not be taken in.")
    return Failure("intake", problem_of(reason))


def _carry_out(services: Services, job_id: str, request: dict[str, Any]) -> None:
    """Carry out an order, unless another process has done so since it was listed."""
    with services.catalog.connect() as connection:
        if not orders.is_open(connection, job_id):
            return
    paths = [Path(path) for path in request["paths"]]
    try:
        allowed_paths(request["paths"], services.settings.api_roots)
        candidates = list(matching_files(services, paths, request["glob"]))
    except (BadRequest, PathNotAllowed) as error:
        candidates = [Candidate(path, source_of(path), 0, Unreadable(error.message)) for path in paths]
    # A job in which there turns out to be no file ends with zero documents.
    with writing(services.catalog) as connection:
        jobs.set_expected_bytes(
            connection, job_id, sum(candidate.size + jobs.OVERHEAD_BYTES for candidate in candidates)
        )
    tags = canonical(request["tags"])
    ingest_files(services, job_id, [replace(candidate, tags=tags) for candidate in candidates])


def require_match(services: Services, paths: Sequence[Path], pattern: str | None) -> None:
    """Check that a file matches the pattern. After `FILES_CHECKED` files without a match the check passes, too.

    Raises:
        BadRequest: there is no such file.
    """
    for number, candidate in enumerate(walk_files(services.settings, paths)):
        if number >= FILES_CHECKED or _matches(candidate, paths, pattern):
            return
    raise BadRequest("There are no such files in what was named.", "Name a file, or a folder with files in it.")


def matching_files(services: Services, paths: Sequence[Path], pattern: str | None) -> Iterator[Candidate]:
    """Files at and below the paths that match the pattern. Each may be read only while it lies below `api_roots`."""
    within = resolve_roots(services.settings.api_roots)
    for candidate in walk_files(services.settings, paths):
        if _matches(candidate, paths, pattern):
            yield replace(candidate, within=within)


def _matches(candidate: Candidate, paths: Sequence[Path], pattern: str | None) -> bool:
    if pattern is None or fnmatchcase(candidate.path.name, pattern):
        return True
    below = (path for path in paths if candidate.path.is_relative_to(path))
    # A file that the request names itself is compared by its name.
    relative_paths = (
        str(candidate.path.relative_to(path if path != candidate.path else path.parent)) for path in below
    )
    return any(fnmatchcase(path, pattern) or _matches_whole(path, pattern) for path in relative_paths)


def _matches_whole(path: str, pattern: str) -> bool:
    """Whether a path matches a pattern in which `**/` stands for any number of folders, or none.

    With a slash before and after each name, what `**` stands for may be nothing.
    """
    names = pattern.split("/")
    like = ["*" if name == "**" else f"/{name}/" for name in names[:-1]]
    return fnmatchcase("/" + path.replace("/", "//"), f"{''.join(like)}/{names[-1]}")
