"""`Client`: the API of a Docrelay from Python."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from typing import Any, Self, Unpack

import httpx

from pipeline.api.models import Accepted, Chunk, DocumentDetail, DocumentState
from pipeline.client import calls
from pipeline.client.answers import cancelled_by, status_of
from pipeline.client.wire import TRIES, Call, Event, File, Lines, Options, pause_s, problem, unreachable
from pipeline.errors import StackUnavailable
from pipeline.results import (
    Deleted,
    DocumentStatus,
    FailureRecord,
    JobStatus,
    ReindexPlan,
    ReindexStatus,
    SearchResult,
    SystemStatus,
    TaskStatus,
)

__all__ = ["Client"]

SILENCE_S = 45.0
"""An event stream that says nothing for so long is dead: it says that it lives every 15 seconds."""


class Client:
    """A Docrelay server.

    Every error of the server is raised as the exception that it is there, with `code`, `message` and `advice`. What
    may be sent twice is sent again when the connection breaks or the server says that it is busy; a submission may,
    as it carries an Idempotency-Key.

    Args:
        url: where the server is.
        key: an API key; a server on this machine may need none.
        timeout_s: longest wait for an answer.
    """

    def __init__(self, url: str = "http://127.0.0.1:8372", key: str | None = None, timeout_s: float = 60.0) -> None:
        self.url = url.rstrip("/")
        headers = {"Authorization": f"Bearer {key}"} if key else {}
        self._http = httpx.Client(base_url=self.url, headers=headers, timeout=timeout_s)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Close the connections."""
        self._http.close()

    def submit(self, *files: File, key: str | None = None, **options: Unpack[Options]) -> Accepted:
        """Send files as one job. It is durable when this returns.

        Args:
            files: paths, or names with bytes or open files.
            key: an Idempotency-Key of one's own; else each call has a new one.
            options: collection, workflow, priority, tags, sources, metadata, webhook and so on; see `Options`.
        """
        return Accepted.model_validate(self._json(calls.submit(files, options, key)))

    def submit_paths(
        self, *paths: str, pattern: str | None = None, key: str | None = None, **options: Unpack[Options]
    ) -> Accepted:
        """Have files and folders on the server taken in; `pattern` is a glob over their names."""
        return Accepted.model_validate(self._json(calls.take(paths, pattern, options, key)))

    def job(self, job_id: str) -> JobStatus:
        """A job's state and progress."""
        return JobStatus.model_validate(self._json(calls.get(f"/v1/jobs/{job_id}")))

    def documents(self, job_id: str, state: str | None = None, code: str | None = None) -> Iterator[DocumentState]:
        """The documents of a job, however many."""
        cursor = None
        while True:
            page = self._json(calls.documents(job_id, state, code, cursor))
            yield from (DocumentState.model_validate(one) for one in page["documents"])
            cursor = page["next"]
            if cursor is None:
                return

    def document(self, document_id: str) -> DocumentDetail:
        """A document with its receipt."""
        return DocumentDetail.model_validate(self._json(calls.get(f"/v1/documents/{document_id}")))

    def chunks(self, document_id: str) -> Iterator[Chunk]:
        """The chunks of a document in their order."""
        cursor = None
        while True:
            page = self._json(calls.chunks(document_id, cursor))
            yield from (Chunk.model_validate(one) for one in page["chunks"])
            cursor = page["next"]
            if cursor is None:
                return

    def content(self, document_id: str) -> bytes:
        """The original of a document."""
        return self._send(calls.get(f"/v1/documents/{document_id}/content")).content

    def events(self, job_id: str, after: int = 0) -> Iterator[Event]:
        """What happens in a job until it ends; a broken connection is taken up where it broke.

        Events of the kind `progress` hold the job's status as JSON.
        """
        last, broken = after, 0
        while True:
            try:
                for event in self._stream(job_id, last):
                    last, broken = event.id or last, 0
                    yield event
                return
            except (httpx.TransportError, StackUnavailable) as error:
                broken += 1
                if broken >= TRIES:
                    raise unreachable(self.url, error) from error
                time.sleep(pause_s(None, broken) or 0.0)

    def follow(self, job_id: str) -> Iterator[JobStatus]:
        """A job's status whenever it changes, the last time at its end."""
        for event in self.events(job_id):
            if event.kind == "progress":
                yield JobStatus.model_validate_json(event.data)
        # Whatever was the last to be told, the end is told.
        status = self.job(job_id)
        if status.ended:
            yield status

    def wait(self, job_id: str) -> JobStatus:
        """A job's status at its end."""
        status = self.job(job_id)
        while not status.ended:
            for status in self.follow(job_id):  # noqa: B007 - the last one counts
                pass
        return status

    def search(
        self,
        query: str,
        collection: str | None = None,
        limit: int = 10,
        mode: str = "hybrid",
        where: dict[str, Any] | None = None,
    ) -> SearchResult:
        """The best passages for a question; `where` has sources, media_types, tags, page, modified_after and so on."""
        return SearchResult.model_validate(self._json(calls.search(query, collection, limit, mode, where)))

    def status(self, identity: str) -> JobStatus | DocumentStatus | TaskStatus:
        """Whatever has this id, or is the only one whose id begins so."""
        return status_of(self._json(calls.status(identity)))

    def system(self) -> SystemStatus:
        """Everything at a glance."""
        return SystemStatus.model_validate(self._json(calls.get("/v1/status")))

    def cancel(self, identity: str) -> int:
        """Cancel a job, or what is being done to a document; how many documents that were."""
        return int(self._json(calls.cancel(*cancelled_by(self.status(identity))))["cancelled"])

    def failures(self, code: str | None = None, job_id: str | None = None) -> list[FailureRecord]:
        """Documents that failed and are not cured yet."""
        return [FailureRecord.model_validate(one) for one in self._json(calls.failures(code, job_id))["failures"]]

    def retry(self, identities: Sequence[str] = (), code: str | None = None, job_id: str | None = None) -> list[str]:
        """Try failed documents again: these, or all that match; the new jobs."""
        return list(self._json(calls.retry(identities, code, job_id))["jobs"])

    def purge(self, code: str | None = None, job_id: str | None = None) -> int:
        """Forget failures; how many."""
        return int(self._json(calls.purge(code, job_id))["purged"])

    def delete(self, *sources: str, collection: str | None = None) -> Deleted:
        """Delete documents by source or id."""
        return Deleted.model_validate(self._json(calls.delete(sources, collection)))

    def collections(self) -> list[dict[str, Any]]:
        """Every collection with its model and its size."""
        return list(self._json(calls.get("/v1/collections")))

    def reindex(self, collection: str | None = None, **wish: Any) -> ReindexStatus:
        """Begin a re-index: `model`, `chunk_tokens`, `re_extract`, scopes and so on, as the API takes them."""
        return ReindexStatus.model_validate(self._json(calls.reindex("start", collection, wish)))

    def plan_reindex(self, collection: str | None = None, **wish: Any) -> ReindexPlan:
        """What `reindex` with the same wish would do."""
        return ReindexPlan.model_validate(self._json(calls.reindex("plan", collection, wish)))

    def reindex_status(self, collection: str) -> ReindexStatus:
        """How the last re-index of a collection stands."""
        return ReindexStatus.model_validate(self._json(calls.reindex("status", collection, {})))

    def steer_reindex(self, word: str, collection: str, **how: Any) -> ReindexStatus:
        """Say `pause`, `resume` (with `allow_failed`, `per_minute`), `cancel` or `rollback` (with `allow_failed`)."""
        return ReindexStatus.model_validate(self._json(calls.reindex(word, collection, how)))

    def _json(self, call: Call) -> Any:
        return self._send(call).json()

    def _send(self, call: Call) -> httpx.Response:
        for trial in range(TRIES):
            response: httpx.Response | None = None
            try:
                with ExitStack() as scope:
                    response = self._http.request(call.method, call.path, **call.arguments(scope))
                if response.is_success:
                    return response
                error: Exception = problem(response)
            except (httpx.TransportError, httpx.InvalidURL) as broken:
                error = unreachable(self.url, broken)
            wait_s = pause_s(response, trial) if call.again else None
            if wait_s is None or trial == TRIES - 1:
                raise error
            time.sleep(wait_s)
        raise AssertionError("unreachable")

    def _stream(self, job_id: str, last: int) -> Iterator[Event]:
        headers = {"Last-Event-ID": str(last)} if last else {}
        timeout = httpx.Timeout(SILENCE_S, connect=10.0)
        path = f"/v1/jobs/{job_id}/events"
        with self._http.stream("GET", path, headers=headers, timeout=timeout) as response:
            if not response.is_success:
                response.read()
                raise problem(response)
            lines = Lines()
            for line in response.iter_lines():
                event = lines.feed(line)
                if event is not None:
                    yield event
