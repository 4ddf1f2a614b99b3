"""The endpoints of failures, the dead letters, as functions that make their requests: see `endpoints`."""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from dataclasses import asdict
from typing import Any, TypedDict, Unpack
from urllib.parse import quote

import httpx

from pipeline.client.request import Page, Request
from pipeline.dead_letters.query import FailureQuery
from pipeline.results import ArchivedFailureList, FailureHistory, FailureList, FailureRecord, MessageList, RetryReport

__all__ = [
    "Conditions",
    "all_failures",
    "archived_failures",
    "failure",
    "list_failures",
    "messages",
    "purge",
    "purge_failures",
    "purge_messages",
    "reprocess_messages",
    "retry",
    "retry_failures",
]

PAGE_SIZE = 500


class Conditions(TypedDict, total=False):
    """Conditions on failures, as `FailureQuery` has them."""

    code: str | None
    stage: str | None
    job_id: str | None
    collection: str | None
    source: str | None
    since: str | None
    before: str | None
    transient: bool | None
    quarantined: bool | None


def all_failures(**conditions: Unpack[Conditions]) -> Request[Page[FailureRecord]]:
    """Documents that failed and are not cured yet, newest first, that meet all conditions.

    `conditions` are code, stage, job_id, collection, source (a name or a glob), since, before, transient, quarantined.
    """
    return _page(FailureQuery(**conditions), None)


def list_failures(query: FailureQuery, after: str | None = None, limit: int = 100) -> Request[FailureList]:
    """One page of the failures that meet the conditions, with the counts of all of them."""
    params = {**asdict(query), "cursor": after, "limit": limit}
    return Request("GET", "/v1/failures", _list, params)


def archived_failures(after: str | None = None, limit: int = 100) -> Request[ArchivedFailureList]:
    """One page of the failures that became too old for the list of open ones, those archived last first."""
    params = {"cursor": after, "limit": limit}
    read: Callable[[httpx.Response], ArchivedFailureList] = lambda response: ArchivedFailureList.model_validate(  # noqa: E731
        response.json()
    )
    return Request("GET", "/v1/failures/archived", read, params)


def failure(document_id: str) -> Request[FailureHistory]:
    """The history of a document that failed: its attempts and their errors."""
    return Request("GET", f"/v1/failures/{quote(document_id, safe='')}", _history)


def retry(ids: Sequence[str] = (), code: str | None = None, job_id: str | None = None) -> Request[list[str]]:
    """Try failed documents again, these or all that match; the ids of the new jobs."""
    body = {"ids": list(ids), "code": code, "job_id": job_id}
    read: Callable[[httpx.Response], list[str]] = lambda response: list(response.json()["jobs"])  # noqa: E731
    return Request("POST", "/v1/failures/retry", read, json=body, repeatable=False)


def retry_failures(
    query: FailureQuery, names: Sequence[str] = (), *, force: bool = False, dry_run: bool = False
) -> Request[RetryReport]:
    """Try the failures again that meet the conditions, of these documents, sources or jobs or of all.

    With `force` documents in quarantine too; with `dry_run` they are counted only.
    """
    body = {**_given(query), "ids": list(names), "force": force, "dry_run": dry_run}
    return Request("POST", "/v1/failures/retry", _report, json=body, repeatable=False)


def purge(code: str | None = None, job_id: str | None = None) -> Request[int]:
    """Forget failures; how many that were."""
    return purge_failures(FailureQuery(code=code, job_id=job_id))


def purge_failures(query: FailureQuery) -> Request[int]:
    """Forget the failures that meet the conditions; how many that were."""
    return Request("DELETE", "/v1/failures", lambda response: int(response.json()["purged"]), asdict(query))


def messages(queue: str | None = None, limit: int = 100) -> Request[MessageList]:
    """The oldest messages that no task could answer; `queue`: only those that were in this one before."""
    params = {"queue": queue, "limit": limit}
    return Request("GET", "/v1/failures/messages", lambda response: MessageList.model_validate(response.json()), params)


def reprocess_messages(ids: Collection[str] = (), *, queue: str | None = None) -> Request[int]:
    """Send messages again to the queues where they were, all by default; how many that were."""
    body: dict[str, Any] = {"ids": list(ids), "queue": queue}
    path = "/v1/failures/messages/reprocess"
    return Request("POST", path, lambda response: int(response.json()["reprocessed"]), json=body, repeatable=False)


def purge_messages(ids: Collection[str] = (), *, queue: str | None = None) -> Request[int]:
    """Forget messages, all by default; how many that were."""
    params = {"id": list(ids) or None, "queue": queue}
    return Request("DELETE", "/v1/failures/messages", lambda response: int(response.json()["purged"]), params)


def _page(query: FailureQuery, cursor: str | None) -> Request[Page[FailureRecord]]:
    def read(response: httpx.Response) -> Page[FailureRecord]:
        listed = _list(response)
        return Page(listed.failures, _page(query, listed.next) if listed.next is not None else None)

    return Request("GET", "/v1/failures", read, {**asdict(query), "cursor": cursor, "limit": PAGE_SIZE})


def _list(response: httpx.Response) -> FailureList:
    return FailureList.model_validate(response.json())


def _report(response: httpx.Response) -> RetryReport:
    return RetryReport.model_validate(response.json())


def _history(response: httpx.Response) -> FailureHistory:
    return FailureHistory.model_validate(response.json())


def _given(query: FailureQuery) -> dict[str, Any]:
    return {name: value for name, value in asdict(query).items() if value is not None}
