"""`AsyncClient`: the same as `Client`, to be awaited."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Coroutine, Iterable
from contextlib import ExitStack
from typing import Any, Concatenate, ParamSpec, Self, TypeVar

import httpx

from pipeline.client import (
    endpoints,
    failure_endpoints,
    monitoring_endpoints,
    notification_endpoints,
    page_endpoints,
    report_endpoints,
    schedule_endpoints,
    text_endpoints,
)
from pipeline.client.attempts import TRANSPORT_ERRORS, Attempts, error_of
from pipeline.client.events import Event, EventParser
from pipeline.client.methods import SILENCE_S, described, stream_headers
from pipeline.client.request import Page, Request
from pipeline.errors import StackUnavailable
from pipeline.results import FailureRecord, JobStatus

__all__ = ["AsyncClient"]

P = ParamSpec("P")
T = TypeVar("T")


def _method(endpoint: Callable[P, Request[T]]) -> Callable[Concatenate[AsyncClient, P], Coroutine[Any, Any, T]]:
    """A method that sends the request of an endpoint and returns what is read from the response."""

    async def method(client: AsyncClient, /, *args: P.args, **kwargs: P.kwargs) -> T:
        return await client.send(endpoint(*args, **kwargs))

    return described(method, endpoint)


def _listing(endpoint: Callable[P, Request[Page[T]]]) -> Callable[Concatenate[AsyncClient, P], AsyncIterator[T]]:
    """A method that iterates over a list of the API, page by page."""

    async def method(client: AsyncClient, /, *args: P.args, **kwargs: P.kwargs) -> AsyncIterator[T]:
        request: Request[Page[T]] | None = endpoint(*args, **kwargs)
        while request is not None:
            page = await client.send(request)
            for item in page.items:
                yield item
            request = page.following

    return described(method, endpoint, "AsyncIterator[{}]")


class AsyncClient:
    """A Docrelay server, for asyncio; see `Client` for its arguments and its errors."""

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

    submit = _method(endpoints.submit)
    submit_paths = _method(endpoints.submit_paths)
    job = _method(endpoints.job)
    documents = _listing(endpoints.documents)
    all_documents = _listing(endpoints.all_documents)
    all_jobs = _listing(endpoints.all_jobs)
    list_documents = _method(endpoints.list_documents)
    list_jobs = _method(endpoints.list_jobs)
    document = _method(endpoints.document)
    chunks = _listing(endpoints.chunks)
    content = _method(endpoints.content)
    page_detail = _method(page_endpoints.page_detail)
    page_image = _method(page_endpoints.page_image)
    page_position = _method(page_endpoints.page_position)
    search = _method(endpoints.search)
    status = _method(endpoints.status)
    system = _method(endpoints.system)
    health = _method(endpoints.health)
    all_failures = _listing(failure_endpoints.all_failures)
    archived_failures = _method(failure_endpoints.archived_failures)
    failure = _method(failure_endpoints.failure)
    list_failures = _method(failure_endpoints.list_failures)
    retry = _method(failure_endpoints.retry)
    retry_failures = _method(failure_endpoints.retry_failures)
    purge = _method(failure_endpoints.purge)
    purge_failures = _method(failure_endpoints.purge_failures)
    messages = _method(failure_endpoints.messages)
    reprocess_messages = _method(failure_endpoints.reprocess_messages)
    purge_messages = _method(failure_endpoints.purge_messages)
    all_tasks = _listing(monitoring_endpoints.all_tasks)
    list_tasks = _method(monitoring_endpoints.list_tasks)
    task_detail = _method(monitoring_endpoints.task_detail)
    revoke_task = _method(monitoring_endpoints.revoke_task)
    list_queues = _method(monitoring_endpoints.list_queues)
    list_workers = _method(monitoring_endpoints.list_workers)
    summary = _method(monitoring_endpoints.summary)
    delete = _method(endpoints.delete)
    put_text = _method(text_endpoints.put_text)
    put_texts = _method(text_endpoints.put_texts)
    text = _method(text_endpoints.text)
    delete_texts = _method(text_endpoints.delete_texts)
    collections = _method(endpoints.collections)
    reindex = _method(endpoints.reindex)
    plan_reindex = _method(endpoints.plan_reindex)
    reindex_status = _method(endpoints.reindex_status)
    steer_reindex = _method(endpoints.steer_reindex)
    schedule = _method(schedule_endpoints.schedule)
    run_schedule = _method(schedule_endpoints.run_schedule)
    daily_metrics = _method(schedule_endpoints.daily_metrics)
    notifications = _method(notification_endpoints.notifications)
    send_test_notifications = _method(notification_endpoints.send_test_notifications)
    report = _method(report_endpoints.report)
    report_file = _method(report_endpoints.report_file)

    async def failures(self, code: str | None = None, job_id: str | None = None) -> list[FailureRecord]:
        """See `Client.failures`."""
        return [failure async for failure in self.all_failures(code=code, job_id=job_id)]

    async def cancel(self, any_id: str) -> int:
        """See `Client.cancel`."""
        return await self.send(endpoints.cancel(await self.status(any_id)))

    async def events(self, job_id: str, after: int = 0) -> AsyncIterator[Event]:
        """See `Client.events`."""
        last, attempts = after, Attempts(self.url)
        while True:
            try:
                async for event in self._stream(job_id, last):
                    last, attempts = event.id or last, Attempts(self.url)
                    yield event
                return
            except (httpx.TransportError, StackUnavailable) as error:
                pause_s = attempts.after_error(error)
            await asyncio.sleep(pause_s)

    async def follow(self, job_id: str) -> AsyncIterator[JobStatus]:
        """See `Client.follow`."""
        async for event in self.events(job_id):
            if event.kind == "progress":
                yield JobStatus.model_validate_json(event.data)
        status = await self.job(job_id)
        if status.ended:
            yield status

    async def wait(self, job_id: str) -> JobStatus:
        """See `Client.wait`."""
        status = await self.job(job_id)
        while not status.ended:
            async for newer in self.follow(job_id):
                status = newer
        return status

    async def send(self, request: Request[T]) -> T:
        """See `Client.send`."""
        attempts = Attempts(self.url, repeatable=request.repeatable)
        while True:
            try:
                with ExitStack() as files:
                    response = await self._http.request(**_sent_async(request.arguments(files)))
            except TRANSPORT_ERRORS as error:
                pause_s = attempts.after_error(error)
            else:
                if response.is_success:
                    return request.read(response)
                pause_s = attempts.after_response(response)
            await asyncio.sleep(pause_s)

    async def _stream(self, job_id: str, last: int) -> AsyncIterator[Event]:
        """See `Client._stream`."""
        timeout, parser = httpx.Timeout(SILENCE_S, connect=10.0), EventParser()
        path, headers = f"/v1/jobs/{job_id}/events", stream_headers(last)
        async with self._http.stream("GET", path, headers=headers, timeout=timeout) as response:
            if not response.is_success:
                await response.aread()
                raise error_of(response)
            async for line in response.aiter_lines():
                if (event := parser.feed(line)) is not None:
                    yield event


def _sent_async(arguments: dict[str, Any]) -> dict[str, Any]:
    """Arguments of a request whose body, if it is read piece by piece, is read in an asynchronous loop."""
    blocks = arguments.get("content")
    return arguments if blocks is None else arguments | {"content": _asynchronous(blocks)}


async def _asynchronous(blocks: Iterable[bytes]) -> AsyncIterator[bytes]:
    for block in blocks:
        yield block
