"""The published description of the API: what it says of every request and answer, tried with generated ones."""

from __future__ import annotations

import copy
import os
from collections import defaultdict
from pathlib import Path
from typing import Any

import pytest
import requests
import schemathesis
import sqlalchemy as sa
from api_rig import Api
from flow_tools import eventually
from hypothesis import HealthCheck, Phase, given, settings
from schemathesis import GenerationMode
from schemathesis.specs.openapi.checks import ignored_auth

from pipeline.catalog.database.schema import tasks

EXAMPLES = int(os.environ.get("DOCRELAY_TEST_EXAMPLES", "8"))
"""Requests that every address is tried with; half as many that must be refused."""

GONE = [f"upload://gone-{number}.txt" for number in range(3)]
TEXTS = [f"text-{number}" for number in range(3)]
DELETED = [f"deleted-{number}" for number in range(3)]


@pytest.fixture(scope="module")
def api(keyed_api: Api) -> Api:
    return keyed_api


@pytest.fixture(scope="module")
def root(api: Api) -> Path:
    """A folder that the API may read."""
    folder = api.cli.folder.with_name("readable")
    (folder / "tides.txt").write_text("High water is at noon.")
    (folder / "below").mkdir()
    (folder / "below" / "log.md").write_text("# Log\n\nThe pilot came aboard.")
    return folder


@pytest.fixture(scope="module")
def described(api: Api) -> dict[str, Any]:
    """The description as it is published."""
    description: dict[str, Any] = api.anonymous.get("/openapi.json").raise_for_status().json()
    return description


@pytest.fixture(scope="module")
def ids(api: Api) -> dict[str, list[str]]:
    """Ids of what is there, by what can be asked of it."""
    job = api.submit(("good.txt", b"The mole is half a mile long."), ("empty.txt", b""))
    by_state = {document.state: document.document_id for document in api.client.documents(job)}
    api.submit(*[(name.removeprefix("upload://"), name.encode()) for name in GONE], collection="gone")
    texts = api.client.put_texts([{"id": name, "text": f"Of {name}."} for name in TEXTS + DELETED])
    api.client.wait(texts.job_id)
    again = api.submit(*[(f"again-{number}.txt", f"Number {number}.".encode()) for number in range(3)])
    for name in ("new", "slow", "slower", "soaked"):
        api.submit(("one.txt", b"One buoy."), ("two.txt", b"Two buoys."), collection=name)
    for name in ("slow", "slower"):
        api.client.reindex(name, model="hashing-128", per_minute=1)
    api.client.reindex("soaked", model="hashing-128")
    assert eventually(lambda: api.client.reindex_status("soaked").state == "soaking")
    return {
        "job": [job],
        "open": [api.client.submit(("open.txt", b"Open."), more=True).job_id],
        "document": [by_state["completed"]],
        "version": [str(api.client.document(by_state["completed"]).version_id)],
        "failed": [by_state["failed"]],
        "deleted": [document.document_id for document in api.client.documents(again)],
        "task": [api.cli.rows(sa.select(tasks.c.id))[0].id],
        "next document": [_next(api, "/v1/documents")],
        "next job": [_next(api, "/v1/jobs")],
        "next of job": [_next(api, f"/v1/jobs/{job}/documents")],
        "next task": [_next(api, "/v1/tasks")],
        "next failure": [f"1.time.1764376041.5.{by_state['failed']}"],
        "next chunk": [f"1.chunk.1.{api.client.document(by_state['completed']).version_id}"],
    }


def _next(api: Api, path: str) -> str:
    """The cursor of the second page of a list."""
    cursor: str = api.http.get(path, params={"limit": 1}).raise_for_status().json()["next"]
    return cursor


def narrowed(described: dict[str, Any], ids: dict[str, list[str]], root: Path) -> dict[str, Any]:
    """The description with what is there in the place of what could be: real ids, paths and collections.

    What it says of answers stays as it is.
    """
    description = copy.deepcopy(described)
    _narrow_paths(description["paths"], ids)
    schemas = description["components"]["schemas"]
    job, search, where, reindex_request = (
        schemas[name]["properties"] for name in ("JobRequest", "SearchRequest", "SearchFilter", "ReindexRequest")
    )
    hook = schemas["WebhookRequest"]["properties"]
    hook["url"] = one_of("http://127.0.0.1:9/hook")
    tags = {"type": "array", "items": {"type": "string", "pattern": "^[a-z]{1,20}$"}, "maxItems": 3}
    job |= {
        "paths": {"type": "array", "items": one_of(f"{root}", f"{root}/tides.txt"), "minItems": 1, "maxItems": 2},
        "glob": one_of("*.txt", "**/*.txt", None),
        "collection": one_of("documents", "other", None),
        "workflow": one_of("ingest", "redacted", None),
        "options": one_of({}, None),
        "tags": tags,
    }
    search |= {
        "collection": one_of("documents", "gone", None),
        "collections": {"type": "array", "items": one_of("documents", "gone"), "maxItems": 2},
        "rerank": one_of(False, None),  # no reranker is set up
    }
    where |= {"media_types": {"type": "array", "items": one_of("text/plain", ".md")}, "tags": tags}
    schemas["RetryRequest"]["properties"] |= {
        "ids": {"type": "array", "items": one_of(*ids["failed"]), "maxItems": 1},
        "code": one_of("empty", None),
        "job_id": one_of(*ids["job"], None),
        "stage": one_of("extract", None),
        "collection": one_of("documents", None),
        "source": one_of("*", None),
        "since": one_of("2h", None),
        "before": one_of(None),
        "transient": one_of(False, None),
        "quarantined": one_of(False, None),
    }
    reindex_request |= {
        "collection": {"enum": ["new"]},
        "model": one_of("hashing-128", None),
        "dim": one_of(None),
        "path": one_of(str(root), "upload://one.txt", None),
        "media_type": one_of("text/plain", "txt", None),
        "extractor": one_of(None),
        "code": one_of("empty", None),
    }
    schemas["NotificationTestRequest"]["properties"] |= {"rule": one_of(None)}  # no rule is set up
    schemas["TextRecord"]["properties"] |= {
        "id": one_of(*TEXTS),
        "text": one_of("One text.", "Another one."),
        "collection": one_of("documents", "other", None),
        "tags": tags,
    }
    # Lines are no schema: only JSON is made up.
    for path in ("/v1/texts", "/v1/texts/delete"):
        del description["paths"][path]["post"]["requestBody"]["content"]["application/x-ndjson"]
    ids_body = description["paths"]["/v1/texts/delete"]["post"]["requestBody"]["content"]["application/json"]
    ids_body["schema"] = {"type": "array", "items": one_of(*DELETED), "minItems": 1, "maxItems": 1}
    form = description["paths"]["/v1/documents"]["post"]["requestBody"]["content"]["multipart/form-data"]["schema"]
    form["required"] = ["file"]
    form["properties"]["file"] |= {"minItems": 1, "maxItems": 3}
    # They stand before their file, and no description knows an order of parts.
    del form["properties"]["source"], form["properties"]["metadata"]
    form["properties"] |= {
        "collection": one_of("documents", "other"),
        "workflow": one_of("ingest", "redacted"),
        "options": one_of("{}"),
        "tags": {"type": "string", "pattern": "^[a-z]{1,20}(,[a-z]{1,20}){0,2}$"},
        "webhook": one_of('{"url": "http://127.0.0.1:9/hook", "secret": "a-long-random-secret"}'),
        "job": one_of(*ids["open"]),
    }
    return description


def _narrow_paths(paths: dict[str, Any], ids: dict[str, list[str]]) -> None:
    """Real ids in the addresses, and in what is asked of them."""
    for path, methods in paths.items():
        for method, operation in methods.items():
            for parameter in operation.get("parameters", ()):
                real = REAL.get((method, path, parameter["name"])) or REAL.get(("", "", parameter["name"]))
                if real is not None:
                    # What is deleted is always named: the others are needed.
                    needed = parameter.get("required", False) or method == "delete"
                    parameter |= {"schema": real(ids), "required": needed}


def one_of(*values: Any) -> dict[str, Any]:
    """A schema of these values."""
    return {"enum": list(values)}


def _sources(_: dict[str, list[str]]) -> dict[str, Any]:
    return {"type": "array", "items": one_of(*GONE), "minItems": 1, "maxItems": 1}


def _texts(_: dict[str, list[str]]) -> dict[str, Any]:
    return {"type": "array", "items": one_of(*TEXTS), "minItems": 1, "maxItems": 1}


REAL: dict[tuple[str, str, str], Any] = {
    ("", "", "job_id"): lambda ids: one_of(*ids["job"]),
    ("", "", "document_id"): lambda ids: one_of(*ids["document"]),
    ("post", "/v1/documents/{document_id}/retry", "document_id"): lambda ids: one_of(*ids["failed"]),
    ("delete", "/v1/documents/{document_id}", "document_id"): lambda ids: one_of(*ids["deleted"]),
    ("delete", "/v1/documents", "source"): _sources,
    ("delete", "/v1/documents", "collection"): lambda _: one_of("gone"),
    ("get", "/v1/documents", "collection"): lambda _: one_of("documents", "gone"),
    ("get", "/v1/documents", "cursor"): lambda ids: one_of(*ids["next document"]),
    # Which characters beyond ASCII are letters is more than a schema can say.
    ("get", "/v1/documents", "tag"): lambda _: one_of("invoice", "größe"),
    # A cursor belongs to the order of its list.
    ("get", "/v1/documents", "sort"): lambda _: one_of("id", "-id"),
    ("get", "/v1/jobs", "cursor"): lambda ids: one_of(*ids["next job"]),
    ("get", "/v1/jobs/{job_id}/documents", "cursor"): lambda ids: one_of(*ids["next of job"]),
    ("get", "/v1/documents/{document_id}/chunks", "cursor"): lambda ids: one_of(*ids["next chunk"]),
    ("", "", "page"): lambda _: one_of(1),
    ("", "", "char_start"): lambda _: one_of(0, 4),
    ("", "", "char_end"): lambda _: one_of(8, 80),
    ("", "", "version"): lambda ids: one_of(*ids["version"]),
    ("get", "/v1/texts", "id"): lambda _: one_of(*TEXTS),
    ("delete", "/v1/texts", "id"): _texts,
    ("", "", "workflow"): lambda _: one_of("ingest"),
    ("get", "/v1/texts", "collection"): lambda _: one_of("documents", "gone"),
    ("delete", "/v1/texts", "collection"): lambda _: one_of("documents"),
    ("post", "/v1/texts/delete", "collection"): lambda _: one_of("documents"),
    ("delete", "/v1/failures", "code"): lambda _: one_of("nothing"),
    ("get", "/v1/failures", "cursor"): lambda ids: one_of(*ids["next failure"]),
    ("", "", "task_id"): lambda ids: one_of(*ids["task"]),
    ("get", "/v1/tasks", "cursor"): lambda ids: one_of(*ids["next task"]),
    ("get", "/v1/failures/archived", "cursor"): lambda _: one_of("1.archived.7.2b1d6f6c-1f0e-5d53-9d0f-0a4f7f6f1c11"),
    ("post", "/v1/schedule/{name}/run", "name"): lambda _: one_of("clean_up", "expiry", "health"),
    ("get", "/v1/metrics/daily", "since"): lambda _: one_of("2026-11-20"),
    ("", "", "since"): lambda _: one_of("2h", "2026-11-20"),
    ("", "", "until"): lambda _: one_of("1h", "30m"),
    ("", "", "before"): lambda _: one_of("30d", "2026-11-20T13:00:00+01:00"),
    ("", "", "identity"): lambda ids: one_of(*ids["job"], *ids["document"], *ids["task"]),
    ("", "", "Last-Event-ID"): lambda _: one_of("0"),
    ("get", "/v1/reindex/{collection}", "collection"): lambda _: one_of("soaked"),
    ("post", "/v1/reindex/{collection}/pause", "collection"): lambda _: one_of("slow"),
    ("post", "/v1/reindex/{collection}/resume", "collection"): lambda _: one_of("slow"),
    ("post", "/v1/reindex/{collection}/cancel", "collection"): lambda _: one_of("slower"),
    ("post", "/v1/reindex/{collection}/rollback", "collection"): lambda _: one_of("soaked"),
}
"""Schemas of parameters by method, address and name; without the first two of every other one of that name."""


def tried(api: Api, description: dict[str, Any], mode: GenerationMode, number: int) -> dict[str, set[int]]:
    """Try every address with so many requests of one kind; the statuses of its answers by its method and path.

    That an address refuses requests without a valid key is checked at its first success: it costs three requests more.
    """
    schema = schemathesis.openapi.from_dict(copy.deepcopy(description))
    schema.config.update(base_url=api.url)
    failures: list[str] = []
    seen: dict[str, set[int]] = defaultdict(set)
    session = requests.Session()
    session.headers.clear()  # as schemathesis does with its own: the headers of a request are those of its case

    @settings(
        max_examples=number,
        deadline=None,
        database=None,
        derandomize=True,
        phases=[Phase.explicit, Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    def check(case: Any) -> None:
        statuses = seen[f"{case.method} {case.path}"]
        # A generated key that is accepted would be an error of the same check.
        proven = "X-API-Key" not in (case.headers or ()) and any(200 <= status < 300 for status in statuses)
        answer = case.call_and_validate(
            session=session,
            headers={"Authorization": f"Bearer {api.key}"},
            timeout=120,
            excluded_checks=[ignored_auth] if proven else [],
        )
        statuses.add(answer.status_code)

    with session:
        for result in schema.get_all_operations():
            operation = result.ok()
            if mode.is_negative and not (operation.definition.raw.keys() & {"parameters", "requestBody"}):
                continue  # nothing of it can be wrong
            try:
                given(case=operation.as_strategy(mode))(check)()
            except (Exception, BaseExceptionGroup) as error:
                failures.append(f"{operation.method} {operation.path}: {error!r} {getattr(error, 'exceptions', ())}")
    assert failures == [], "\n".join(failures)
    return seen


def test_every_address_accepts_described_requests(
    api: Api, described: dict[str, Any], ids: dict[str, list[str]], root: Path
) -> None:
    seen = tried(api, narrowed(described, ids, root), GenerationMode.POSITIVE, EXAMPLES)
    addresses = {f"{method.upper()} {path}" for path, methods in described["paths"].items() for method in methods}
    assert {address for address in addresses if not any(200 <= status < 300 for status in seen[address])} == set()


def test_every_address_refuses_undescribed_requests(api: Api, described: dict[str, Any]) -> None:
    seen = tried(api, without_keys(described), GenerationMode.NEGATIVE, max(EXAMPLES // 2, 1))
    assert {address for address, statuses in seen.items() if not statuses & {400, 422}} == set()


def without_keys(described: dict[str, Any]) -> dict[str, Any]:
    """The description without what it says of keys: each request has a good one, and no mutated header replaces it."""
    description = copy.deepcopy(described)
    description["components"].pop("securitySchemes")
    for methods in description["paths"].values():
        for operation in methods.values():
            operation.pop("security", None)
    return description
