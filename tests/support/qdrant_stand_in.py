"""A stand-in for a Qdrant server in tests. It is not Qdrant.

It puts the part of Qdrant's REST interface that Docrelay calls in front of qdrant-client's own local engine, so that
several processes can share one store over HTTP where no server can be had. The engine is exact and slow, ignores
payload indexes and keeps everything in memory (or in a folder, with --path); its filters, fusion and document
frequencies are the client's imitation of the server's. What holds here still has to be seen on a real server
(DOCRELAY_TEST_QDRANT_URL).

    python tests/support/qdrant_stand_in.py --port 6333

With --port 0 it takes a free port. The first line on stdout is its URL, printed once it listens.
"""

from __future__ import annotations

import argparse
import json
import re
import sys
import threading
import time
import warnings
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

from pydantic import BaseModel, TypeAdapter
from qdrant_client import QdrantClient, models

Body = dict[str, Any]
Route = Callable[["StandIn", str, Body], Any]
ROUTES: list[tuple[str, re.Pattern[str], Route]] = []


def route(method: str, path: str) -> Callable[[Route], Route]:
    pattern = re.compile(path.replace("{name}", "(?P<name>[^/]+)"))

    def add(handler: Route) -> Route:
        ROUTES.append((method, pattern, handler))
        return handler

    return add


class StandIn:
    """The local engine, one request at a time, and the payload indexes that it would forget."""

    def __init__(self, path: str | None, api_key: str | None) -> None:
        where: dict[str, Any] = {"path": path, "force_disable_check_same_thread": True} if path else {}
        self.client = QdrantClient(**where) if path else QdrantClient(":memory:")
        self.indexes: dict[str, dict[str, Any]] = {}
        self.api_key = api_key
        self.lock = threading.Lock()

    def answer(self, method: str, path: str, body: Body) -> tuple[int, Any]:
        for wanted, pattern, handler in ROUTES:
            match = pattern.fullmatch(path)
            if match and wanted == method:
                name = unquote(match.groupdict().get("name") or "")
                with self.lock:
                    return self.call(handler, name, body)
        return 404, failure(f"the stand-in has no {method} {path}")

    def call(self, handler: Route, name: str, body: Body) -> tuple[int, Any]:
        try:
            result = handler(self, name, body)
        except ValueError as error:
            text = str(error)
            if text.startswith("Collection") and "not found" in text:
                return 404, failure(f"Not found: Collection `{name}` doesn't exist!")
            return (409 if "already exists" in text else 400), failure(text)
        return 200, {"result": plain(result), "status": "ok", "time": 0.0}


def failure(text: str) -> Body:
    return {"status": {"error": text}, "time": 0.0}


def plain(value: Any) -> Any:
    if isinstance(value, BaseModel):
        return value.model_dump(mode="json", exclude_unset=True)
    if isinstance(value, list):
        return [plain(item) for item in value]
    return {key: plain(item) for key, item in value.items()} if isinstance(value, dict) else value


def selector(body: Body) -> models.Filter | list[Any]:
    return models.Filter.model_validate(body["filter"]) if body.get("filter") else body["points"]


def done() -> Body:
    return {"operation_id": 0, "status": "completed"}


@route("GET", "/collections")
def list_collections(stand_in: StandIn, name: str, body: Body) -> Any:
    return stand_in.client.get_collections()


@route("GET", "/aliases")
def list_aliases(stand_in: StandIn, name: str, body: Body) -> Any:
    return stand_in.client.get_aliases()


@route("POST", "/collections/aliases")
def change_aliases(stand_in: StandIn, name: str, body: Body) -> Any:
    asked = models.ChangeAliasesOperation.model_validate(body)
    return stand_in.client.update_collection_aliases(asked.actions)


@route("GET", "/collections/{name}/exists")
def exists(stand_in: StandIn, name: str, body: Body) -> Any:
    return {"exists": stand_in.client.collection_exists(name)}


@route("GET", "/collections/{name}")
def get_collection(stand_in: StandIn, name: str, body: Body) -> Any:
    indexes = {field: {"data_type": kind, "points": 0} for field, kind in stand_in.indexes.get(name, {}).items()}
    return {**stand_in.client.get_collection(name).model_dump(mode="json"), "payload_schema": indexes}


@route("PUT", "/collections/{name}")
def create_collection(stand_in: StandIn, name: str, body: Body) -> Any:
    asked = models.CreateCollection.model_validate(body)
    return stand_in.client.create_collection(
        name, vectors_config=asked.vectors, sparse_vectors_config=asked.sparse_vectors, metadata=asked.metadata
    )


@route("DELETE", "/collections/{name}")
def delete_collection(stand_in: StandIn, name: str, body: Body) -> Any:
    stand_in.indexes.pop(name, None)
    return stand_in.client.delete_collection(name)


@route("PUT", "/collections/{name}/index")
def create_index(stand_in: StandIn, name: str, body: Body) -> Any:
    if not stand_in.client.collection_exists(name):
        raise ValueError(f"Collection {name} not found")
    stand_in.indexes.setdefault(name, {})[body["field_name"]] = body["field_schema"]
    return done()


@route("PUT", "/collections/{name}/points")
def upsert(stand_in: StandIn, name: str, body: Body) -> Any:
    stand_in.client.upsert(name, TypeAdapter(list[models.PointStruct]).validate_python(body["points"]))
    return done()


@route("POST", "/collections/{name}/points")
def retrieve(stand_in: StandIn, name: str, body: Body) -> Any:
    asked = models.PointRequest.model_validate(body)
    return stand_in.client.retrieve(name, asked.ids, with_payload=asked.with_payload or False)


@route("POST", "/collections/{name}/points/query/batch")
def query_batch(stand_in: StandIn, name: str, body: Body) -> Any:
    return [query(stand_in, name, search) for search in body["searches"]]


@route("POST", "/collections/{name}/points/query")
def query(stand_in: StandIn, name: str, body: Body) -> Any:
    asked = models.QueryRequest.model_validate(body)
    arguments = {field: getattr(asked, field) for field in asked.model_fields_set - {"filter", "params", "shard_key"}}
    arguments["with_vectors"] = arguments.pop("with_vector", False)
    return stand_in.client.query_points(name, query_filter=asked.filter, **arguments)


@route("POST", "/collections/{name}/points/count")
def count(stand_in: StandIn, name: str, body: Body) -> Any:
    asked = models.CountRequest.model_validate(body)
    return stand_in.client.count(name, asked.filter, exact=bool(asked.exact))


@route("POST", "/collections/{name}/facet")
def facet(stand_in: StandIn, name: str, body: Body) -> Any:
    asked = models.FacetRequest.model_validate(body)
    return stand_in.client.facet(name, asked.key, asked.filter, limit=asked.limit or 10, exact=bool(asked.exact))


@route("POST", "/collections/{name}/points/scroll")
def scroll(stand_in: StandIn, name: str, body: Body) -> Any:
    asked = models.ScrollRequest.model_validate(body)
    page, offset = stand_in.client.scroll(
        name,
        asked.filter,
        limit=asked.limit or 10,
        offset=asked.offset,
        with_payload=asked.with_payload if asked.with_payload is not None else True,
        with_vectors=asked.with_vector or False,
    )
    return {"points": page, "next_page_offset": offset}


@route("POST", "/collections/{name}/points/payload")
def set_payload(stand_in: StandIn, name: str, body: Body) -> Any:
    stand_in.client.set_payload(name, body["payload"], selector(body), key=body.get("key"))
    return done()


@route("POST", "/collections/{name}/points/delete")
def delete_points(stand_in: StandIn, name: str, body: Body) -> Any:
    stand_in.client.delete(name, selector(body))
    return done()


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    wbufsize = 1 << 16
    disable_nagle_algorithm = True
    stand_in: StandIn
    trouble: Path | None = None

    def respond(self) -> None:
        raw = self.rfile.read(int(self.headers.get("content-length") or 0))
        path = urlsplit(self.path).path.rstrip("/")
        if path in ("/healthz", "/livez", "/readyz"):  # a server answers these to everyone
            self.send(200, {"title": "ready"})
        elif self.stand_in.api_key and self.headers.get("api-key") != self.stand_in.api_key:
            self.send(401, failure("Invalid API key or JWT"))
        elif path == "":
            self.send(200, {"title": "qdrant - stand-in over the client's local engine", "version": "1.16.0"})
        else:
            trouble = read_trouble(self.trouble)
            if "status" in trouble:
                self.send(trouble["status"], failure("as the test wants it"))
                return
            answer = self.stand_in.answer(self.command, path, json.loads(raw) if raw else {})
            time.sleep(trouble.get("late_s", 0.0))  # what was asked is done; the client has given up by then
            self.send(*answer)

    def send(self, status: int, answer: Any) -> None:
        data = json.dumps(answer).encode()
        self.send_response(status)
        self.send_header("content-type", "application/json")
        self.send_header("content-length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - the name is http.server's
        pass

    do_GET = do_PUT = do_POST = do_DELETE = respond  # noqa: N815 - the names are http.server's


def read_trouble(path: Path | None) -> Body:
    """What goes wrong now: `status` answers everything with it, `late_s` answers the next request so late."""
    try:
        trouble: Body = json.loads(path.read_text()) if path is not None else {}
    except (FileNotFoundError, ValueError):
        return {}
    if "late_s" in trouble and path is not None:
        path.unlink(missing_ok=True)
    return trouble


def end_with_input(server: ThreadingHTTPServer) -> None:
    sys.stdin.read()
    server.shutdown()


def main() -> None:
    parser = argparse.ArgumentParser(description="A stand-in for a Qdrant server in tests.")
    parser.add_argument("--port", type=int, default=6333, help="0: any free port")
    parser.add_argument("--path", help="keep the points in this folder")
    parser.add_argument("--api-key", help="refuse requests without this key")
    parser.add_argument("--until-eof", action="store_true", help="end when standard input is closed")
    parser.add_argument("--trouble", type=Path, help="answer wrongly as long as this file says so")
    asked = parser.parse_args()
    Handler.trouble = asked.trouble
    warnings.filterwarnings("ignore", message="Payload indexes have no effect")
    Handler.stand_in = StandIn(asked.path, asked.api_key)
    server = ThreadingHTTPServer(("127.0.0.1", asked.port), Handler)
    server.daemon_threads = True
    print(f"http://127.0.0.1:{server.server_port}", flush=True)
    if asked.until_eof:
        threading.Thread(target=end_with_input, args=(server,), daemon=True).start()
    server.serve_forever()


if __name__ == "__main__":
    main()
