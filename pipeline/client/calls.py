"""Every request that the API knows, as plain data: written once, sent by either client."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any
from urllib.parse import quote

from pipeline.client.wire import Call, File, Options, fields, new_key
from pipeline.errors import BadRequest

__all__ = [
    "cancel",
    "chunks",
    "delete",
    "documents",
    "failures",
    "get",
    "purge",
    "reindex",
    "retry",
    "search",
    "status",
    "submit",
    "take",
]


def submit(files: Sequence[File], options: Options, key: str | None) -> Call:
    """Send files."""
    return Call("POST", "/v1/documents", files=files, options=options, key=key or new_key())


def take(paths: Sequence[str], pattern: str | None, options: Options, key: str | None) -> Call:
    """Have paths on the server taken in."""
    body: dict[str, Any] = {"paths": list(paths), **fields(options)}
    body |= {name: kind(body[name]) for name, kind in (("tags", list), ("options", dict)) if name in body}
    if pattern is not None:
        body["glob"] = pattern
    return Call("POST", "/v1/jobs", json=body, key=key or new_key())


def get(path: str) -> Call:
    """Ask for one thing."""
    return Call("GET", path)


def status(identity: str) -> Call:
    """Ask for whatever has this id."""
    return Call("GET", f"/v1/status/{quote(identity, safe='')}")


def documents(job_id: str, state: str | None, code: str | None, cursor: str | None) -> Call:
    """One page of a job's documents."""
    params = {"state": state, "code": code, "cursor": cursor, "limit": 500}
    return Call("GET", f"/v1/jobs/{job_id}/documents", params)


def chunks(document_id: str, cursor: str | None) -> Call:
    """One page of a document's chunks."""
    return Call("GET", f"/v1/documents/{document_id}/chunks", {"cursor": cursor, "limit": 500})


def search(query: str, collection: str | None, limit: int, mode: str, where: dict[str, Any] | None) -> Call:
    """Ask a question."""
    body = {"query": query, "limit": limit, "mode": mode, "filter": where or {}}
    return Call("POST", "/v1/search", json=body if collection is None else {**body, "collection": collection})


def cancel(kind: str, identity: str) -> Call:
    """Cancel a job or a document; `kind` is jobs or documents."""
    return Call("POST", f"/v1/{kind}/{identity}/cancel")


def failures(code: str | None, job_id: str | None) -> Call:
    """Ask for open failures."""
    return Call("GET", "/v1/failures", {"code": code, "job_id": job_id})


def retry(ids: Sequence[str], code: str | None, job_id: str | None) -> Call:
    """Have failures tried again."""
    return Call("POST", "/v1/failures/retry", json={"ids": list(ids), "code": code, "job_id": job_id}, again=False)


def purge(code: str | None, job_id: str | None) -> Call:
    """Have failures forgotten."""
    return Call("DELETE", "/v1/failures", {"code": code, "job_id": job_id})


def reindex(word: str, collection: str | None, how: dict[str, Any]) -> Call:
    """Begin a re-index, ask what it would do, or say something to the one of a collection; `how` is the body."""
    if word in ("start", "plan"):
        body = how if collection is None else {**how, "collection": collection}
        return Call("POST", "/v1/reindex" + ("/plan" if word == "plan" else ""), json=body, again=word == "plan")
    if word not in ("status", "pause", "resume", "cancel", "rollback"):
        raise BadRequest(f"Nothing of a re-index is called {word!r}.", "Say pause, resume, cancel or rollback.")
    path = f"/v1/reindex/{quote(collection or '', safe='')}"
    if word == "status":
        return Call("GET", path)
    return Call("POST", f"{path}/{word}", json=how if word in ("resume", "rollback") else None, again=False)


def delete(sources: Sequence[str], collection: str | None) -> Call:
    """Have documents deleted."""
    return Call("DELETE", "/v1/documents", {"source": list(sources), "collection": collection}, again=False)
