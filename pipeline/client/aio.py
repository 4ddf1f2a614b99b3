"""`AsyncClient`: the same as `Client`, to be awaited."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import ExitStack
from typing import Any, Self, Unpack

import httpx

from pipeline.api.models import Accepted, Chunk, DocumentDetail, DocumentState
from pipeline.client import calls
from pipeline.client.answers import cancelled_by, status_of
from pipeline.client.sync import SILENCE_S
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

__all__ = ["AsyncClient"]


class AsyncClient:
    """A Docrelay server, for asyncio; see `Client` for what the methods mean."""

    def __init__(self, url: str = "http://127.0.0.1:8372", key: str | None = None, timeout_s: float = 60.0) -> None:
        self.url = url.rstrip("/")
        headers = {"Authorization": f"Bearer {key}"} if key else {}
        self._http = httpx.AsyncClient(base_url=self.url, headers=headers, timeout=timeout_s)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()

    async def close(self) -> None:
        """Close the connections."""
        await self._http.aclose()

    async def submit(self, *files: File, key: str | None = None, **options: Unpack[Options]) -> Accepted:
        """Send files as one job. It is durable when this returns."""
        return Accepted.model_validate(await self._json(calls.submit(files, options, key)))

    async def submit_paths(
        self, *paths: str, pattern: str | None = None, key: str | None = None, **options: Unpack[Options]
    ) -> Accepted:
        """Have files and folders on the server taken in."""
        return Accepted.model_validate(await self._json(calls.take(paths, pattern, options, key)))

    async def job(self, job_id: str) -> JobStatus:
        """A job's state and progress."""
        return JobStatus.model_validate(await self._json(calls.get(f"/v1/jobs/{job_id}")))

    async def documents(
        self, job_id: str, state: str | None = None, code: str | None = None
    ) -> AsyncIterator[DocumentState]:
        """The documents of a job, however many."""
        cursor = None
        while True:
            page = await self._json(calls.documents(job_id, state, code, cursor))
            for one in page["documents"]:
                yield DocumentState.model_validate(one)
            cursor = page["next"]
            if cursor is None:
                return

    async def document(self, document_id: str) -> DocumentDetail:
        """A document with its receipt."""
        return DocumentDetail.model_validate(await self._json(calls.get(f"/v1/documents/{document_id}")))

    async def chunks(self, document_id: str) -> AsyncIterator[Chunk]:
        """The chunks of a document in their order."""
        cursor = None
        while True:
            page = await self._json(calls.chunks(document_id, cursor))
            for one in page["chunks"]:
                yield Chunk.model_validate(one)
            cursor = page["next"]
            if cursor is None:
                return

    async def content(self, document_id: str) -> bytes:
        """The original of a document."""
        return (await self._send(calls.get(f"/v1/documents/{document_id}/content"))).content

    async def events(self, job_id: str, after: int = 0) -> AsyncIterator[Event]:
        """What happens in a job until it ends; a broken connection is taken up where it broke."""
        last, broken = after, 0
        while True:
            try:
                async for event in self._stream(job_id, last):
                    last, broken = event.id or last, 0
                    yield event
                return
            except (httpx.TransportError, StackUnavailable) as error:
                broken += 1
                if broken >= TRIES:
                    raise unreachable(self.url, error) from error
                await asyncio.sleep(pause_s(None, broken) or 0.0)

    async def follow(self, job_id: str) -> AsyncIterator[JobStatus]:
        """A job's status whenever it changes, the last time at its end."""
        async for event in self.events(job_id):
            if event.kind == "progress":
                yield JobStatus.model_validate_json(event.data)
        status = await self.job(job_id)
        if status.ended:
            yield status

    async def wait(self, job_id: str) -> JobStatus:
        """A job's status at its end."""
        status = await self.job(job_id)
        while not status.ended:
            async for told in self.follow(job_id):
                status = told
        return status

    async def search(
        self,
        query: str,
        collection: str | None = None,
        limit: int = 10,
        mode: str = "hybrid",
        where: dict[str, Any] | None = None,
    ) -> SearchResult:
        """The best passages for a question."""
        return SearchResult.model_validate(await self._json(calls.search(query, collection, limit, mode, where)))

    async def status(self, identity: str) -> JobStatus | DocumentStatus | TaskStatus:
        """Whatever has this id, or is the only one whose id begins so."""
        return status_of(await self._json(calls.status(identity)))

    async def system(self) -> SystemStatus:
        """Everything at a glance."""
        return SystemStatus.model_validate(await self._json(calls.get("/v1/status")))

    async def cancel(self, identity: str) -> int:
        """Cancel a job, or what is being done to a document; how many documents that were."""
        return int((await self._json(calls.cancel(*cancelled_by(await self.status(identity)))))["cancelled"])

    async def failures(self, code: str | None = None, job_id: str | None = None) -> list[FailureRecord]:
        """Documents that failed and are not cured yet."""
        found = await self._json(calls.failures(code, job_id))
        return [FailureRecord.model_validate(one) for one in found["failures"]]

    async def retry(
        self, identities: Sequence[str] = (), code: str | None = None, job_id: str | None = None
    ) -> list[str]:
        """Try failed documents again; the new jobs."""
        return list((await self._json(calls.retry(identities, code, job_id)))["jobs"])

    async def purge(self, code: str | None = None, job_id: str | None = None) -> int:
        """Forget failures; how many."""
        return int((await self._json(calls.purge(code, job_id)))["purged"])

    async def delete(self, *sources: str, collection: str | None = None) -> Deleted:
        """Delete documents by source or id."""
        return Deleted.model_validate(await self._json(calls.delete(sources, collection)))

    async def collections(self) -> list[dict[str, Any]]:
        """Every collection with its model and its size."""
        return list(await self._json(calls.get("/v1/collections")))

    async def reindex(self, collection: str | None = None, **wish: Any) -> ReindexStatus:
        """Begin a re-index: `model`, `chunk_tokens`, `re_extract`, scopes and so on, as the API takes them."""
        return ReindexStatus.model_validate(await self._json(calls.reindex("start", collection, wish)))

    async def plan_reindex(self, collection: str | None = None, **wish: Any) -> ReindexPlan:
        """What `reindex` with the same wish would do."""
        return ReindexPlan.model_validate(await self._json(calls.reindex("plan", collection, wish)))

    async def reindex_status(self, collection: str) -> ReindexStatus:
        """How the last re-index of a collection stands."""
        return ReindexStatus.model_validate(await self._json(calls.reindex("status", collection, {})))

    async def steer_reindex(self, word: str, collection: str, **how: Any) -> ReindexStatus:
        """Say `pause`, `resume` (with `allow_failed`, `per_minute`), `cancel` or `rollback` (with `allow_failed`)."""
        return ReindexStatus.model_validate(await self._json(calls.reindex(word, collection, how)))

    async def _json(self, call: Call) -> Any:
        return (await self._send(call)).json()

    async def _send(self, call: Call) -> httpx.Response:
        for trial in range(TRIES):
            response: httpx.Response | None = None
            try:
                with ExitStack() as scope:
                    response = await self._http.request(call.method, call.path, **call.arguments(scope))
                if response.is_success:
                    return response
                error: Exception = problem(response)
            except (httpx.TransportError, httpx.InvalidURL) as broken:
                error = unreachable(self.url, broken)
            wait_s = pause_s(response, trial) if call.again else None
            if wait_s is None or trial == TRIES - 1:
                raise error
            await asyncio.sleep(wait_s)
        raise AssertionError("unreachable")

    async def _stream(self, job_id: str, last: int) -> AsyncIterator[Event]:
        headers = {"Last-Event-ID": str(last)} if last else {}
        timeout = httpx.Timeout(SILENCE_S, connect=10.0)
        async with self._http.stream("GET", f"/v1/jobs/{job_id}/events", headers=headers, timeout=timeout) as response:
            if not response.is_success:
                await response.aread()
                raise problem(response)
            lines = Lines()
            async for line in response.aiter_lines():
                event = lines.feed(line)
                if event is not None:
                    yield event
