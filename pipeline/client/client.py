"""`Client`: the API of a Docrelay server from Python."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from typing import Concatenate, ParamSpec, Self, TypeVar

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

__all__ = ["Client"]

P = ParamSpec("P")
T = TypeVar("T")


def _method(endpoint: Callable[P, Request[T]]) -> Callable[Concatenate[Client, P], T]:
    """A method that sends the request of an endpoint and returns what is read from the response."""

    def method(client: Client, /, *args: P.args, **kwargs: P.kwargs) -> T:
        return client.send(endpoint(*args, **kwargs))

    return described(method, endpoint)


def _listing(endpoint: Callable[P, Request[Page[T]]]) -> Callable[Concatenate[Client, P], Iterator[T]]:
    """A method that iterates over a list of the API, page by page."""

    def method(client: Client, /, *args: P.args, **kwargs: P.kwargs) -> Iterator[T]:
        request: Request[Page[T]] | None = endpoint(*args, **kwargs)
        while request is not None:
            page = client.send(request)
            yield from page.items
            request = page.following

    return described(method, endpoint, "Iterator[{}]")


class Client:
    """A Docrelay server.

    An error of the server is raised as the exception that it is there, with `code`, `message` and `hint`. A request
    that may be sent twice is sent again when the connection breaks or the server is busy; a submission may, as it
    carries an Idempotency-Key.

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

    def failures(self, code: str | None = None, job_id: str | None = None) -> list[FailureRecord]:
        """Documents that failed and are not cured yet, newest first."""
        return list(self.all_failures(code=code, job_id=job_id))

    def cancel(self, any_id: str) -> int:
        """Cancel a job, the running attempt of a document, or the job of a task; the number of documents."""
        return self.send(endpoints.cancel(self.status(any_id)))

    def events(self, job_id: str, after: int = 0) -> Iterator[Event]:
        """The events of a job until it ends; a broken connection is resumed where it broke.

        Events of the kind `progress` hold the job's status as JSON.
        """
        last, attempts = after, Attempts(self.url)
        while True:
            try:
                for event in self._stream(job_id, last):
                    last, attempts = event.id or last, Attempts(self.url)
                    yield event
                return
            except (httpx.TransportError, StackUnavailable) as error:
                pause_s = attempts.after_error(error)
            time.sleep(pause_s)

    def follow(self, job_id: str) -> Iterator[JobStatus]:
        """A job's status whenever it changes, the last time at its end."""
        for event in self.events(job_id):
            if event.kind == "progress":
                yield JobStatus.model_validate_json(event.data)
        # The last progress may be older than the end of the job.
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

    def send(self, request: Request[T]) -> T:
        """Send a request, again if it may pass, and read its response."""
        attempts = Attempts(self.url, repeatable=request.repeatable)
        while True:
            try:
                with ExitStack() as files:
                    response = self._http.request(**request.arguments(files))
            except TRANSPORT_ERRORS as error:
                pause_s = attempts.after_error(error)
            else:
                if response.is_success:
                    return request.read(response)
                pause_s = attempts.after_response(response)
            time.sleep(pause_s)

    def _stream(self, job_id: str, last: int) -> Iterator[Event]:
        """The events of one connection; it ends when the server closes it."""
        timeout, parser = httpx.Timeout(SILENCE_S, connect=10.0), EventParser()
        path, headers = f"/v1/jobs/{job_id}/events", stream_headers(last)
        with self._http.stream("GET", path, headers=headers, timeout=timeout) as response:
            if not response.is_success:
                response.read()
                raise error_of(response)
            for line in response.iter_lines():
                if (event := parser.feed(line)) is not None:
                    yield event
