"""A search whose embedding endpoint refuses or is dead: its error crosses Redis and keeps its code everywhere."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest
from api_rig import Api, api_on
from canvas_rig import DIM, Endpoint, serving

from embeddings.errors import EndpointBusy, EndpointError


@pytest.fixture(scope="module")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Api, ExitStack]]:
    """A stack with one document, and its endpoint, which ends when the exit stack is closed."""
    with ExitStack() as serving_endpoint:
        url = serving_endpoint.enter_context(serving(Endpoint()))
        settings: dict[str, Any] = {"embedding_url": url, "embedding_model": "remote", "embedding_dim": DIM}
        with api_on(tmp_path_factory.mktemp("dead") / "data", **settings) as api:
            api.submit(("harbour.txt", b"Ships wait in the harbour."))
            yield api, serving_endpoint


def searched(api: Api, query: str) -> tuple[int, dict[str, Any]]:
    response = api.http.post("/v1/search", json={"query": query})
    assert response.headers["content-type"].startswith("application/")
    return response.status_code, response.json()


def test_query_refused_by_the_endpoint_is_reported(stack: tuple[Api, ExitStack]) -> None:
    api, _ = stack

    status, problem = searched(api, "refuse")
    ended = api.cli.quick("search", "refuse", "--json")

    assert (status, problem["code"], problem["hint"]) == (503, "endpoint_error", EndpointError.hint)
    assert problem["title"] == EndpointError.__doc__
    assert "I do not like this text." in problem["detail"]
    assert (ended.code, ended.json["error"]["code"]) == (2, "endpoint_error")


def test_dead_endpoint_is_an_unavailable_service(stack: tuple[Api, ExitStack], tmp_path: Path) -> None:
    api, endpoint = stack
    assert searched(api, "harbour")[0] == 200
    endpoint.close()

    status, problem = searched(api, "harbour")
    ended = api.cli.quick("search", "harbour", "--json")
    people = api.cli.quick("search", "harbour")

    assert (status, problem["code"], problem["hint"]) == (503, "endpoint_busy", EndpointBusy.hint)
    assert "cannot be reached" in problem["detail"]
    assert (ended.code, ended.json["error"]["code"]) == (3, "endpoint_busy")
    assert ended.json["error"] == {"code": "endpoint_busy", "message": problem["detail"], "hint": EndpointBusy.hint}
    assert people.code == 3
    assert people.err.startswith(f"error endpoint_busy: {problem['detail']}")
    assert EndpointBusy.hint in " ".join(people.err.split())


def test_dead_endpoint_of_a_server_has_the_same_code_and_exit_code(stack: tuple[Api, ExitStack]) -> None:
    api, endpoint = stack
    endpoint.close()

    ended = api.cli.quick("search", "harbour", "--json", "--server", api.url)

    assert (ended.code, ended.json["error"]["code"]) == (3, "endpoint_busy")
